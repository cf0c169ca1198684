"""A process that has imported the program and forks for each command: thousands of short commands start in no time.

``WarmStart.run`` does what `subprocess.run` does with ``python -m wfsync``: a process of its own, with the environment,
the working directory and the streams that it is given. One command in six still begins with an interpreter of its own
(`command_line`), and so does every one whose environment speaks to the interpreter itself.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

__all__ = ["WarmStart"]

_SPEAKS_TO_PYTHON: Final = ("PYTHON", "LC_", "LANG", "TZ", "COV", "LD_")
_CHUNK: Final = 1 << 20


@dataclass(slots=True)
class WarmStart:
    """One such process. It ends with the one that made it."""

    _socket: str
    _environment: dict[str, str]

    @classmethod
    def begin(cls, environment: Mapping[str, str]) -> WarmStart:
        """Start it, with the variables that every command has."""
        folder = tempfile.mkdtemp(prefix="wfs-warm-")
        name = f"{folder}/socket"
        theirs, ours = os.pipe()
        process = subprocess.Popen(
            [sys.executable, __file__, name, str(theirs)], env=dict(environment), pass_fds=[theirs]
        )
        os.close(theirs)
        atexit.register(_end, process, ours)
        return cls(name, dict(environment))

    def fits(self, environment: Mapping[str, str]) -> bool:
        """True when a fork differs from a start in nothing that ``environment`` asks for."""
        return all(
            environment.get(name) == self._environment.get(name)
            for name in environment.keys() | self._environment.keys()
            if name.startswith(_SPEAKS_TO_PYTHON)
        )

    def run(
        self, arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: bytes, timeout: float
    ) -> tuple[int, bytes, bytes]:
        """Exit code (as `subprocess` counts), stdout and stderr. Raises `subprocess.TimeoutExpired`."""
        with contextlib.ExitStack() as stack:
            files = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
            files[0].write(stdin)
            files[0].seek(0)
            line = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
            self._connect(line)
            order = json.dumps({"argv": list(arguments), "cwd": str(cwd), "env": dict(env)}).encode()
            handles = array.array("i", [file.fileno() for file in files])
            line.sendmsg([order], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, handles)])
            pid = int(line.recv(64))
            line.settimeout(timeout)
            try:
                status = int(line.recv(64))
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(list(arguments), timeout) from None
            for file in files[1:]:
                file.seek(0)
            return os.waitstatus_to_exitcode(status), files[1].read(), files[2].read()

    def _connect(self, line: socket.socket) -> None:
        for _ in range(1200):
            with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
                line.connect(self._socket)
                return
            select.select([], [], [], 0.025)  # it is still importing
        raise TimeoutError("the warm process does not start")


def _end(process: subprocess.Popen[bytes], life: int) -> None:
    os.close(life)
    process.wait()


# --------------------------------------------------------------------------------------------------- the process itself


def _serve(name: str, life: int) -> None:
    import click

    import wfsync.cli.main
    import wfsync.pipeline.applying
    import wfsync.pipeline.planning
    import wfsync.reconciling
    import wfsync.render.text
    import wfsync.wiring

    root = wfsync.cli.main.cli
    with click.Context(root) as context:
        for command in root.list_commands(context):
            root.get_command(context, command)

    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(f"{name}.new")
    listener.listen(64)
    Path(f"{name}.new").rename(name)
    waking, wake = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(waking, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    lines: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select([listener.fileno(), life, waking], [], [])
        if life in ready:  # whoever made us is no more
            break
        if waking in ready:
            os.read(waking, 4096)
        _reap(lines)
        if listener.fileno() in ready:
            line, _ = listener.accept()
            _start(line, listener, lines)
    Path(name).unlink()
    Path(name).parent.rmdir()


def _reap(lines: dict[int, socket.socket]) -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            line = lines.pop(pid)
            with contextlib.suppress(OSError):  # nobody waits any more
                line.send(str(status).encode())
            line.close()


def _start(line: socket.socket, listener: socket.socket, lines: dict[int, socket.socket]) -> None:
    order, handles, _, _ = socket.recv_fds(line, _CHUNK, 3)
    pid = os.fork()
    if pid == 0:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for stream, handle in enumerate(handles):
            os.dup2(handle, stream)
        os.closerange(3, 256)
        listener.detach()
        line.detach()
        for other in lines.values():
            other.detach()
        _become(json.loads(order))
    for handle in handles:
        os.close(handle)
    lines[pid] = line
    line.send(str(pid).encode())


def _become(order: Mapping[str, Any]) -> NoReturn:
    code: object = 1
    try:
        os.environ.clear()
        os.environ.update(order["env"])
        os.chdir(order["cwd"])
        sys.argv = ["wfsync", *order["argv"]]
        from wfsync.__main__ import run

        run()
    except SystemExit as stop:
        code = stop.code
    finally:
        atexit._run_exitfuncs()  # `os._exit`: the frames of the process that forked are not ours to leave
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 0 if code is None else 1)


if __name__ == "__main__":
    _serve(sys.argv[1], int(sys.argv[2]))

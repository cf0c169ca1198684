"""The process: ``python -m wfsync`` and the ``wfsync`` program."""

import gc
import os
import signal
import sys
from typing import NoReturn

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until `Signals` stands, Ctrl-C ends us as it ends any program
gc.disable()  # a short life with few cycles: collecting costs a tenth of the start, and doubles a large plan's time

from wfsync.cli.interruption import Signals, Terminated  # noqa: E402 - the imports are what makes garbage


def run() -> NoReturn:
    """Run one command and end the process with its exit code, whenever a signal comes."""
    signals = Signals()
    signals.catch()  # before the imports, which take longest
    try:
        from wfsync.cli.main import main

        code = main(signals=signals)
    except (KeyboardInterrupt, Terminated) as stop:  # before the command had begun, or once more while it was ending
        code = signals.exit_code(stop)
        sys.stderr.write(f"wfsync: stopped; {signals.state}\n")
    signals.ignore()
    _end(code)


def _end(code: int) -> NoReturn:
    """End the process without freeing, one by one, what lies in memory: that can take as long as the command did."""
    import atexit
    import threading

    if threading.active_count() > 1 or sys.getprofile() or sys.gettrace():
        sys.exit(code)  # which waits for threads; and profilers write last
    try:
        atexit._run_exitfuncs()  # noqa: SLF001 - as multiprocessing ends its processes
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except OSError:  # a reader who went away, a full disk: the interpreter knows what to say
        sys.exit(code)
    os._exit(code)


if __name__ == "__main__":
    run()

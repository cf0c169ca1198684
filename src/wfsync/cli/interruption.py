"""SIGINT and SIGTERM: they unwind what has not been committed, and never take back what has.

Spec: cli.md, exit codes 130 and 143 mean "rolled back". So a signal that comes after a commit must not lead to them:
the command ends as if it had not come. Whoever cannot wait for the last output sends it again.
"""

from __future__ import annotations

import signal
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Final, Self

from wfsync.cli import exit_codes

__all__ = ["IN_CONTEXT", "Signals", "Terminated"]

IN_CONTEXT: Final = "wfsync.signals"
"""Key of a click context's ``meta``: the signals of this invocation."""

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Terminated(SystemExit):
    """SIGTERM. Unwinds like Ctrl-C does, so that a transaction is rolled back on the way out.

    A SystemExit: the driver cancels the statement that it waits for, and code that lets it through prints nothing.
    """

    def __init__(self) -> None:
        super().__init__(exit_codes.TERMINATED)


@dataclass(slots=True)
class Signals:
    """The signals of one command: ``with Signals() as signals``, and `commit` once something was committed."""

    committed: bool = False
    """Something was written for good. An attribute, because setting it cannot be interrupted half-way."""
    received: KeyboardInterrupt | Terminated | None = None
    """What the last signal raised; it may have come out as another exception of code that was interrupted."""
    _waiting: bool = False
    _previous: dict[signal.Signals, Any] = field(default_factory=dict)

    def commit(self) -> None:
        """From now on the first signal waits for the command's end."""
        self.committed = True

    def rest(self) -> bool:
        """What was committed is reported, and a signal stops the command again; True when one has come already, and
        has waited for this or was swallowed by the commit that it fell into.

        For a command that commits more than once. A signal that comes in between is not lost: it raises.
        """
        self.committed = False
        return self._waiting or self.received is not None

    @property
    def state(self) -> str:
        """What became of the database, for a person who stopped the command."""
        if self.committed:
            return "everything was applied and committed; only the report of it is incomplete"
        return "nothing that was not committed remains"

    def exit_code(self, stop: KeyboardInterrupt | Terminated) -> int:
        """The exit code after ``stop``."""
        if self.committed:
            return exit_codes.OK
        return exit_codes.TERMINATED if isinstance(stop, Terminated) else exit_codes.INTERRUPTED

    def catch(self) -> None:
        """Take over both signals; without effect outside of the main thread, where they are somebody else's."""
        with suppress(ValueError):
            for number in _SIGNALS:
                self._previous[number] = signal.signal(number, self._handle)

    def ignore(self) -> None:
        """Nothing is left to do but to end the process: the exit code is decided."""
        with suppress(ValueError):
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_IGN)

    def __enter__(self) -> Self:
        self.catch()
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self.committed and not self._waiting:
            self._waiting = True
            return
        self.received = KeyboardInterrupt() if number == signal.SIGINT else Terminated()
        raise self.received

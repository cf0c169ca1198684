"""Who wants a sync now rings; the loop sleeps until somebody does or until it is time."""

from __future__ import annotations

from queue import Empty, SimpleQueue

__all__ = ["Bell"]


class Bell:
    """Rung by signal handlers and by threads. Rings that come while a sync is running make one more sync, not many.

    A SimpleQueue, because its ``put`` may be called by a signal handler that interrupted a ``get``; an Event's ``set``
    could wait for itself there.
    """

    def __init__(self) -> None:
        self._rings: SimpleQueue[str] = SimpleQueue()

    def ring(self, reason: str) -> None:
        """Ask for a sync; never waits."""
        self._rings.put(reason)

    def wait(self, seconds: float) -> str | None:
        """Sleep for so long at most; the reason of the ring that ended it, None when nobody rang."""
        try:
            reason = self._rings.get(timeout=max(seconds, 0.0))
        except Empty:
            return None
        while True:  # one sync answers all who rang until now
            try:
                self._rings.get_nowait()
            except Empty:
                return reason

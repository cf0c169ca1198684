"""How long to wait before a step is tried again (spec: runtime.md "Semantics", back-off)."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from wfsync.runtime.protocol import Failure, Pos

__all__ = ["Retry", "delay_ms", "jitter", "wants_retry"]

_LEAST: Final = 0.8
_SPAN: Final = 0.4


@dataclass(frozen=True, slots=True)
class Retry:
    """A step's ``retry``. ``max_attempts`` counts the first; ``retry_on`` None means: what is retryable."""

    max_attempts: int
    backoff_ms: float
    multiplier: float = 2
    jitter: bool = True
    max_delay_ms: float | None = None
    retry_on: frozenset[str] | None = None


def wants_retry(retry: Retry, failure: Failure, tries: int) -> bool:
    """True when ``failure``, after ``tries`` attempts, is one that ``retry`` tries again."""
    if tries >= retry.max_attempts:
        return False
    if retry.retry_on is None:
        return failure.retryable or failure.category == "TransientError"
    return failure.category in retry.retry_on


def delay_ms(retry: Retry, tries: int, run_id: str, pos: Pos) -> float:
    """Milliseconds to wait before attempt ``tries`` + 1; ``pos`` is where the last attempt failed."""
    if not retry.backoff_ms:
        return 0.0
    try:
        delay = float(retry.backoff_ms) * float(retry.multiplier) ** (tries - 1)
    except OverflowError:
        delay = float("inf")
    if retry.jitter:
        delay *= jitter(run_id, pos)
    if retry.max_delay_ms is not None:
        delay = min(delay, float(retry.max_delay_ms))
    return delay


def jitter(run_id: str, pos: Pos) -> float:
    """0.8 up to 1.2: a hash of run and position, so that a replay waits as long as the run did."""
    name = f"{run_id}\n{pos.path}\n{pos.iteration}\n{pos.attempt}"
    part = int.from_bytes(sha256(name.encode()).digest()[:8], "big") / 2**64
    return _LEAST + _SPAN * part

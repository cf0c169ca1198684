"""E-mail: what a reply says that is new, HTML as blocks, and sending.

Bodies of mails are written by strangers: whatever reads them takes time and memory in proportion to their length, and
follows no nesting by recursion.
"""

from __future__ import annotations

from typing import Final

from wfsync.runtime.actions.email.reading import READING
from wfsync.runtime.actions.email.sending import SENDING
from wfsync.runtime.registry import Action

__all__ = ["EMAIL"]

EMAIL: Final[tuple[Action, ...]] = (*READING, SENDING)

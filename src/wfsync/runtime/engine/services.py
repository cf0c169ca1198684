"""What every turn of a worker uses."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from wfsync.runtime.definition import Definition, compile_definition
from wfsync.runtime.engine.threads import Threads
from wfsync.runtime.registry import Registry
from wfsync.runtime.secrets import resolve
from wfsync.store.runtime.place import Place
from wfsync.store.runtime.pool import Pool
from wfsync.store.runtime.turns import definition_of

__all__ = ["Definitions", "Services"]

_MOST_DEFINITIONS: Final = 500
_MOST_CALLS: Final = 16


class Definitions:
    """Compiled definitions by the hash of their content; the least used are forgotten."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Definition] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, digest: str, load: Callable[[], object]) -> Definition | None:
        """The definition ``digest``; None when ``load`` finds none. Raises `InvalidDefinition`."""
        with self._lock:
            if digest in self._known:
                self._known.move_to_end(digest)
                return self._known[digest]
        tree = load()
        if not isinstance(tree, dict):
            return None
        compiled = compile_definition(tree)
        with self._lock:
            self._known[digest] = compiled
            while len(self._known) > _MOST_DEFINITIONS:
                self._known.popitem(last=False)
        return compiled


@dataclass(frozen=True, slots=True)
class Services:
    """Shared by all turns of one process."""

    pool: Pool
    registry: Registry
    worker_id: str | None = None
    """None: a command that takes a turn itself."""
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    stopping: threading.Event = field(default_factory=threading.Event)
    """Set: a turn ends at its next step, and asks for another one."""
    definitions: Definitions = field(default_factory=Definitions)
    side_by_side: Threads = field(default_factory=lambda: Threads(_MOST_CALLS, "wfsync-call"))
    """For calls that one turn makes side by side."""

    @property
    def place(self) -> Place:
        """Whose runs."""
        return self.pool.place

    def definition(self, digest: str) -> Definition | None:
        """The definition that a run is pinned to; None when it is gone. Raises `InvalidDefinition`."""

        def load() -> object:
            with self.pool.session() as conn:
                return definition_of(conn, self.place, digest)

        return self.definitions.get(digest, load)

    def secrets(self, names: Collection[str]) -> Mapping[str, str]:
        """The values of secrets, at this moment. Raises `WfsyncError` as `wfsync.runtime.secrets.resolve`."""
        with self.pool.session() as conn:
            return resolve(names, self.environ, conn, self.place)

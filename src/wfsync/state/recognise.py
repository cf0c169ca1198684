"""Files that hold exactly what a row holds, found without parsing them.

The canonical text of a row's workflow is what `export` would write. A file with these very bytes says the same, so the
row's tree, which is parsed already, stands for both: it is checked once, and the file is read but never parsed. Any
other file is loaded in full; so this only ever saves work, and a check that has something to say is repeated there,
with places.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from wfsync.bundle.canonical import canonical_bytes
from wfsync.bundle.dependencies import Dependencies
from wfsync.bundle.fingerprint import checksum
from wfsync.bundle.load import Desired, LoadOptions, accept
from wfsync.bundle.model import FORMAT, FORMAT_VERSION, Workflow
from wfsync.bundle.references import Call
from wfsync.bundle.steps import Steps
from wfsync.bundle.structure import to_tree
from wfsync.errors import RepositoryError
from wfsync.repo.layout import key_of, syntax_of
from wfsync.repo.source import Entry, Source

__all__ = ["Known", "Recogniser"]

_EXPORTED_AT: Final = re.compile(rb'\{\n  "exportedAt": "([0-9TZtz:.+-]{1,64})",\n')
"""How canonical text begins. The moment is the file's own: it is no part of what is compared."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a row's workflow when its file is looked for."""

    workflow: Workflow
    """In portable form."""
    steps: list[Steps]
    """Of its definitions."""
    dependencies: Dependencies
    calls: tuple[Call, ...]
    """With targets as keys."""
    digest: str


@dataclass(slots=True)
class Recogniser:
    """Shown every row whose key is its own; knows which files were recognised."""

    source: Source
    options: LoadOptions
    found: dict[str, Desired] = field(default_factory=dict)
    """What files say that need not be loaded, by their label: those known at the start, and those recognised since."""
    _entries: dict[str, Entry | None] | None = None
    """By key; None until a row is shown: most plans read none."""

    def recognise(self, known: Known) -> Desired | None:
        """What the file of this key says, if it holds exactly ``known`` and nothing is to be said about it; else None.

        Remembers nothing, so that it may be asked in another process; `note` does.
        """
        key = known.workflow.key
        if self._entries is None:
            self._entries = self._wanted()
        entry = self._entries.get(key)
        if entry is None or self.options.policies.overlay.of(key):
            return None  # with an overlay on it, what the file says is not what its bytes say
        try:
            data, is_as_listed = self.source.reader.read_as_listed(entry)
        except RepositoryError:
            return None
        if not is_as_listed and entry.stamp is not None:
            return None
        begin = _EXPORTED_AT.match(data)
        if begin is None or len(data) > self.options.max_bytes:
            return None
        tree = {
            "format": FORMAT,
            "formatVersion": FORMAT_VERSION,
            "exportedAt": begin[1].decode(),
            "workflows": [to_tree(known.workflow, key, known.dependencies)],
        }
        if canonical_bytes(tree) != data:
            return None
        item = Desired(
            key=key,
            file=entry.label,
            index=0,
            digest=known.digest,
            calls=known.calls,
            origin_id=None,
            versions=tuple(version.version for version in known.workflow.versions),
            missing=None,
            is_canonical=True,
            checksum=0 if entry.stamp is not None else checksum(data),  # without a stamp only this tells it from others
            initial=self.options.policies.initial(known.workflow),
        )
        return accept(data, tree, known.steps, known.dependencies, item, self.options)

    def _wanted(self) -> dict[str, Entry | None]:
        wanted: dict[str, Entry | None] = {}
        for entry in self.source.entries:
            key = key_of(entry.path)
            # Two files of one name are a fault, which only loading both can tell
            is_wanted = entry.label not in self.found and key not in wanted
            wanted[key] = entry if is_wanted and syntax_of(entry.path) == "json" else None
        return wanted

    def note(self, item: Desired) -> None:
        """Remember what `recognise` gave."""
        self.found[item.file] = item

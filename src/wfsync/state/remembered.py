"""What earlier runs found out about files that have not changed since: those need not be read again.

A file is taken for unchanged as git takes it: by size, times and inode (`Entry.stamp`), or by the id of its blob. Only
sound files of which there is nothing to say are remembered, under everything that the verdict depends on: the options,
and this program's own code. What is remembered may be lost at any time; it is never the only copy of anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from hashlib import sha256
from typing import Final

import msgspec

from wfsync.bundle.load import Desired, LoadOptions
from wfsync.bundle.references import Call
from wfsync.repo.cache import read_cached, write_cached
from wfsync.repo.source import Entry, Source
from wfsync.state.rules import fingerprint_of_rules

__all__ = ["Memory"]

_KIND: Final = "files"
_FORGETFUL: Final = 2
"""Records are dropped when there are this many times more of them than files."""
_FEW: Final = 1000

_CallRecord = tuple[tuple[str | int, ...], str, int, int | None]


class _Record(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One sound file; the fields of `Desired` that come from its content."""

    path: str
    stamp: str
    key: str
    digest: str
    calls: tuple[_CallRecord, ...]
    origin_id: str | None
    versions: tuple[int, ...]
    is_canonical: bool
    initial: str = ""


class Memory:
    """The memory of one source under one set of options."""

    def __init__(self, source: Source, options: LoadOptions) -> None:
        kind = "files" if source.info.rev is None else "blobs"
        rules = fingerprint_of_rules(replace(options, digests=True))  # that only decides what must be remembered
        parts = (source.info.root, source.info.directory, kind, rules)
        self._name = sha256(os.fsencode("\0".join(parts))).hexdigest()[:32]
        self._digests = options.digests
        self._records: dict[str, _Record] = {}
        self._is_new = False
        data = read_cached(_KIND, self._name) if source.entries else None
        if data is not None:
            try:
                records = msgspec.msgpack.decode(data, type=list[_Record])
            except msgspec.DecodeError:  # damaged
                return
            self._records = {record.path: record for record in records}

    def recall(self, entries: Iterable[Entry]) -> dict[str, Desired]:
        """What is known of those ``entries`` that are unchanged, by their label."""
        found: dict[str, Desired] = {}
        for entry in entries:
            record = self._records.get(entry.path)
            if record is None or record.stamp != entry.stamp or (self._digests and not record.digest):
                continue
            calls = tuple(Call(*call) for call in record.calls) if record.calls else ()
            found[entry.label] = Desired(
                record.key,
                entry.label,
                0,
                record.digest,
                calls,
                record.origin_id,
                record.versions,
                None,
                record.is_canonical,
                initial=record.initial,
            )
        return found

    def keep(self, entry: Entry, item: Desired) -> None:
        """Remember ``item``, about which there is nothing else to say, as the content of ``entry``'s file."""
        if entry.stamp is None or item.missing is not None:
            return
        calls = tuple((call.path, call.target, call.version, call.in_version) for call in item.calls)
        self._records[entry.path] = _Record(
            entry.path,
            entry.stamp,
            item.key,
            item.digest,
            calls,
            item.origin_id,
            item.versions,
            item.is_canonical,
            item.initial,
        )
        self._is_new = True

    def save(self, entries: Iterable[Entry]) -> None:
        """Write down what is new, for the next run; ``entries`` are the files that there are."""
        if not self._is_new:
            return
        paths = {entry.path for entry in entries}
        if len(self._records) > _FORGETFUL * len(paths) + _FEW:
            self._records = {path: record for path, record in self._records.items() if path in paths}
        try:
            data = msgspec.msgpack.encode(list(self._records.values()))
        except UnicodeEncodeError:  # a path that is no text; such a file is a fault anyway
            return
        write_cached(_KIND, self._name, data)
        self._is_new = False

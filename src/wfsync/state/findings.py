"""What an earlier run found when it compared both sides, for as long as neither has moved since.

A comparison is a function of the files, the rows, what is managed, and the rules. Where all of them are proved to be
what they were, so is what was found: nothing needs to be listed, parsed or compared again. Files are proved by their
stamps (`wfsync.repo.files.stamp`, blob ids for a revision), rows by the ledger's fingerprints under the same guard as
its evidence (`wfsync.store.ledger.evidence`) and for as long as the server runs, what is managed by what it says. Where
one of them cannot be proved there is nothing to recall, and what is remembered may be lost at any time.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import msgspec

from wfsync.repo.cache import read_cached, write_cached
from wfsync.repo.source import Source
from wfsync.state.rules import fingerprint_of_rules, stable_text
from wfsync.store.connection import Connection
from wfsync.store.layout import InstanceLayout, Tenant
from wfsync.store.ledger import evidence, managed
from wfsync.store.ledger.access import look
from wfsync.store.reader import count_null_tenants

__all__ = ["Rows", "Sides", "both", "keep", "look_at_rows", "recall"]

_KIND: Final = "findings"


@dataclass(frozen=True, slots=True)
class Sides:
    """Both sides at one moment."""

    name: str
    """What was asked: of which files and which database, under which rules."""
    fingerprint: str
    """Moves with every file, every row and all that is managed."""
    xid: int
    """The server's next transaction."""


class _Record(msgspec.Struct, array_like=True, frozen=True):
    fingerprint: str
    xid: int
    finding: bytes


@dataclass(frozen=True, slots=True)
class Rows:
    """The database at one moment."""

    place: str
    """Which database, and whose rows."""
    fingerprint: str
    xid: int

    def stayed(self, now: Rows | None) -> bool:
        """Whether all is ``now`` as it was."""
        return now is not None and now.fingerprint == self.fingerprint and evidence.is_later(now.xid, self.xid)


def look_at_rows(conn: Connection, layout: InstanceLayout, tenant: Tenant | None) -> Rows | None:
    """The rows of ``tenant`` and what is managed of them as they are now, in the caller's snapshot.

    None where nothing can be proved: without a ledger that this role may read, and of tables that give no evidence.
    """
    guarded = evidence.guard(conn, layout)
    access = None if guarded is None else look(conn)
    if guarded is None or access is None or not access.may_read("managed"):
        return None
    fingerprint = _digest(
        guarded.guard,
        evidence.server_life(conn),
        stable_text((layout, access)),
        evidence.total(conn, layout, tenant),
        managed.total(conn, tenant),
        str(count_null_tenants(conn, layout)),
    )
    place = stable_text((guarded.cluster, tenant))
    return Rows(place, fingerprint, guarded.xid)


def both(rows: Rows, source: Source, *rules: object) -> Sides | None:
    """``rows`` beside the files of ``source``; ``rules`` is everything else that decides what is found.

    None where nothing can be proved of the files: something is to be said of them, or one was touched a moment ago.
    """
    files = _files(source)
    if files is None:
        return None
    asked = (source.info.root, source.info.directory, source.info.rev, rows.place)
    return Sides(fingerprint_of_rules(asked, rules), _digest(files, rows.fingerprint), rows.xid)


def _files(source: Source) -> str | None:
    parts: list[str] = []
    for entry in source.entries:
        if entry.stamp is None:
            return None
        parts += (entry.label, entry.stamp)
    return None if source.problems else _digest(*parts)


def _digest(*parts: str) -> str:
    return sha256(os.fsencode("\0".join(parts))).hexdigest()


def recall(now: Sides) -> bytes | None:
    """What `keep` was given when both sides were as they are ``now``; None where nobody remembers."""
    data = read_cached(_KIND, now.name)
    if data is None:
        return None
    try:
        record = msgspec.msgpack.decode(data, type=_Record)
    except msgspec.DecodeError:  # damaged
        return None
    holds = record.fingerprint == now.fingerprint and evidence.is_later(now.xid, record.xid)
    return record.finding if holds else None


def keep(sides: Sides, finding: bytes) -> None:
    """Remember what was found of ``sides``, which were the same before and after it was looked for."""
    write_cached(_KIND, sides.name, msgspec.msgpack.encode(_Record(sides.fingerprint, sides.xid, finding)))

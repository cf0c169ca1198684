"""What a service that runs for months must not do: believe a fault for ever, and grow."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec

from small_bundles import bundle
from watching import Place, Watch

Make = Callable[..., Place]


def forge_evidence(place: Place) -> None:
    """Make the evidence say that ``a`` holds something else, as a fault in it would."""
    with place.database.connect() as conn:
        row = conn.execute("SELECT rows FROM wfsync.evidence").fetchone()
        assert row is not None
        records = msgspec.msgpack.decode(zlib.decompress(row[0]))
        (record,) = (record for record in records if record[1] == "a")
        record[3] = "0" * 64
        conn.execute("UPDATE wfsync.evidence SET rows = %s", [zlib.compress(msgspec.msgpack.encode(records))])


def test_evidence_is_not_believed_for_ever(place: Make) -> None:
    here = place()
    here.push(bundle("a"), bundle("b"))
    watch = here.watch("--full-interval", "3600")
    watch.status("applied")
    watch.status("in_sync")
    forge_evidence(here)
    watch.skip()
    refused = watch.status("refused")  # it is believed within the interval
    assert refused["pending"]["overwrite"] == 1
    watch.end()
    again = here.watch("--full-interval", "3600")  # who starts compares everything, and leaves better evidence
    assert again.status("in_sync")["unchanged"] == 2
    again.status("in_sync")
    again.end()


def test_full_comparisons_come_back(place: Make) -> None:
    here = place()
    here.push(bundle("a"), bundle("b"))
    watch = here.watch("--full-interval", "0.01")
    watch.status("applied")
    watch.status("in_sync")
    forge_evidence(here)
    watch.skip()
    for _ in range(3):
        assert watch.next(lambda _: True, "a sync")["status"] == "in_sync"
    watch.end()


def resident(watch: Watch) -> int:
    """Bytes of memory that the process holds."""
    for line in Path(f"/proc/{watch.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


def test_many_syncs_do_not_make_it_grow(place: Make) -> None:
    """Each sync reads every file and every row of 300 workflows again."""
    here = place()
    here.push(*(bundle(f"w{number:03}", versions=(1, 2)) for number in range(300)))
    watch = here.watch("--full-interval", "0", interval=0.05)
    watch.status("applied")
    for _ in range(8):  # whatever is loaded and cached once
        watch.status("in_sync")
    before = resident(watch)
    for _ in range(30):
        watch.status("in_sync")
    grown = resident(watch) - before
    watch.end()
    assert grown < 6 * 2**20, f"{grown / 2**20:.1f} MiB"

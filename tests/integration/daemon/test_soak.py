"""Twenty kills at random points; ``make soak`` makes two hundred. WFSYNC_SOAK_SEED repeats a run."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable

import pytest

from databases import LayoutName
from soaking import Soak
from watching import Place

CYCLES = int(os.environ.get("WFSYNC_SOAK_CYCLES", "20"))
LAYOUTS: tuple[LayoutName, ...] = ("wfsync", "A½") if CYCLES > 20 else ("wfsync",)


@pytest.mark.slow
@pytest.mark.timeout(120 + 20 * CYCLES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_nothing_is_lost_or_half_done(place: Callable[..., Place], layout: LayoutName) -> None:
    seed = int(os.environ.get("WFSYNC_SOAK_SEED") or (20 if "CI" in os.environ else secrets.randbelow(10**6)))
    print(f"soak: {CYCLES} cycles, layout {layout}, WFSYNC_SOAK_SEED={seed}")
    soak = Soak(place(layout), seed)
    soak.run(CYCLES // len(LAYOUTS))
    print(f"soak: {len(soak.revisions)} revisions, {dict(soak.found)}")
    assert soak.found["advances"] > 0

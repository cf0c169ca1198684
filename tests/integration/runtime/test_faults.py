"""Workers that are killed, paused and cut off at random points: nothing is lost, and nothing recorded twice.

`make soak-runtime` does the same for longer; ``WFSYNC_RUNTIME_SEED`` repeats a run.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable

import pytest

from fault_runs import endure, prepare
from running import Instance

FAULTS = int(os.environ.get("WFSYNC_RUNTIME_FAULTS", "20"))


@pytest.mark.slow
@pytest.mark.timeout(120 + FAULTS * 5)
def test_runs_end_as_if_nothing_had_happened(instance: Callable[..., Instance]) -> None:
    one = instance()
    prepare(one)
    seed = int(os.environ.get("WFSYNC_RUNTIME_SEED", "7" if FAULTS == 20 else str(secrets.randbelow(10**6))))
    done = endure(one, seed=seed, faults=FAULTS, runs=max(30, FAULTS))
    print(f"seed {seed}: {done}")
    assert sum(done.values()) > FAULTS / 2

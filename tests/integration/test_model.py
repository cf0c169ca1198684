"""Everything that changes git, the database and the ledger, in any order, against a plain model.

`model_world` and `model_effects` say what must be; `model_machine` does it and compares after each step. In CI the same
histories are tried each time; ``make model-soak`` (WFSYNC_MODEL_EXAMPLES, WFSYNC_MODEL_STEPS) tries many others.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from databases import Databases, LayoutName
from model_machine import Machine
from model_site import Site, begin, open_database
from servers import Server

EXAMPLES: Final = int(os.environ.get("WFSYNC_MODEL_EXAMPLES", "8"))
STEPS: Final = int(os.environ.get("WFSYNC_MODEL_STEPS", "20"))
LAYOUTS: Final[tuple[LayoutName, ...]] = ("wfsync", "A½", "B")


@pytest.mark.timeout(120 + 10 * EXAMPLES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_everything_is_as_the_model_says(server: Server, layout: LayoutName) -> None:
    databases = Databases(server)
    database = databases(layout)

    def make_site() -> tuple[Site, Callable[[], None]]:
        folder = tempfile.TemporaryDirectory()
        return begin(database, Path(folder.name), session), folder.cleanup

    class Run(Machine):
        pass

    Run.make_site = staticmethod(make_site)
    with open_database(database) as session:
        run_state_machine_as_test(
            Run,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                suppress_health_check=list(HealthCheck),
                phases=[Phase.generate, Phase.shrink],
            ),
        )
    databases.drop()
    print(f"model: {layout}: {dict(sorted(Machine.seen.items()))}")

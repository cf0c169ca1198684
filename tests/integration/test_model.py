"""Everything that changes git, the database and the ledger, in any order, against a plain model.

`model_world` and `model_effects` say what must be; `model_machine` does it and compares after each step. In CI the same
histories are tried each time; ``make soak-model`` (WFSYNC_MODEL_EXAMPLES, WFSYNC_MODEL_STEPS) tries many others.
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

from command_line import CommandLine
from databases import Database, Databases, LayoutName
from model_command_line import CommandLineSite
from model_machine import Machine
from model_site import Site, begin, empty, open_database
from servers import Server
from wfsync.wiring import Session

EXAMPLES: Final = int(os.environ.get("WFSYNC_MODEL_EXAMPLES", "15"))
STEPS: Final = int(os.environ.get("WFSYNC_MODEL_STEPS", "20"))
LAYOUTS: Final[tuple[LayoutName, ...]] = ("wfsync", "A½", "B")


@pytest.mark.timeout(180 + 20 * EXAMPLES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_everything_is_as_the_model_says(server: Server, layout: LayoutName) -> None:
    _run(server, layout, Machine, begin, EXAMPLES)


@pytest.mark.timeout(180 + 20 * EXAMPLES)
def test_everything_is_as_the_model_says_through_the_command_line(server: Server, cli: CommandLine) -> None:
    def begin_there(database: Database, folder: Path, session: Session) -> Site:
        empty(session)
        return CommandLineSite(database, folder, session, cli=cli)

    _run(server, "wfsync", Unhurried, begin_there, max(2, EXAMPLES // 4))


class Unhurried(Machine):
    """Plan and apply are one process: nothing can be put between them."""

    can_move = False


def _run(
    server: Server,
    layout: LayoutName,
    machine: type[Machine],
    make: Callable[[Database, Path, Session], Site],
    examples: int,
) -> None:
    databases = Databases(server)
    database = databases(layout)

    def make_site() -> tuple[Site, Callable[[], None]]:
        folder = tempfile.TemporaryDirectory()
        return make(database, Path(folder.name), session), folder.cleanup

    class Run(machine):  # type: ignore[misc,valid-type]
        pass

    Run.make_site = staticmethod(make_site)
    Run.seen.clear()
    with open_database(database) as session:
        run_state_machine_as_test(
            Run,
            settings=settings(
                max_examples=examples,
                stateful_step_count=STEPS,
                suppress_health_check=list(HealthCheck),
                phases=[Phase.generate, Phase.shrink],
            ),
        )
    databases.drop()
    print(f"model: {layout}: {dict(sorted(Run.seen.items()))}")

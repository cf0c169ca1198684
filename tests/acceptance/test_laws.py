"""The laws of the house (design: architecture.md "Laws") on `examples/repo`, through the command line, everywhere."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from command_line import CommandLine
from databases import LAYOUTS, Database, Databases, LayoutName
from servers import Server, new_server
from workplace import Workplace

REPO: Final = Path(__file__).parents[2] / "examples" / "repo"
COUNT: Final = sum(path.is_file() for path in (REPO / "workflows").rglob("*"))
EDITED: Final = "workflows/support/support.ticket-triage.json"

pytestmark = pytest.mark.parametrize("layout", LAYOUTS, scope="module")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = new_server()
    yield server
    server.remove()


@pytest.fixture(scope="module")
def databases(server: Server) -> Databases:
    return Databases(server)  # dropped with the server


Example = Callable[[Database], Workplace]


@pytest.fixture(scope="module")
def example(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Example:
    """A copy of `examples/repo` beside a database."""

    def at(database: Database) -> Workplace:
        folder = tmp_path_factory.mktemp("example") / "repo"
        shutil.copytree(REPO, folder, ignore=shutil.ignore_patterns(".wfsync"))
        return Workplace(CommandLine(home, folder), database, folder)

    return at


@pytest.fixture(scope="module")
def applied(example: Example, databases: Databases, layout: LayoutName) -> Workplace:
    """The example, applied to an empty database; nobody changes what is in either."""
    work = example(databases(layout))
    done = work.ok("apply")
    assert done.stdout.endswith(f"Applied: {COUNT} created, 0 overwritten, 0 deleted, 0 relinked, 0 unchanged.\n")
    return work


def test_1_plan_after_apply_is_empty(applied: Workplace, layout: LayoutName) -> None:
    before = applied.everything()
    plan = applied.ok("plan", "--detailed-exitcode", "--format", "json").json()
    assert plan["summary"] == {"create": 0, "overwrite": 0, "delete": 0, "relink": 0, "unchanged": COUNT}
    assert plan["target"]["layout"] == layout
    again = applied.ok("apply")
    assert again.stdout.endswith(f"Applied: 0 created, 0 overwritten, 0 deleted, 0 relinked, {COUNT} unchanged.\n")
    assert applied.everything() == before


def test_1_and_2_also_after_overwrites(example: Example, databases: Databases, layout: LayoutName) -> None:
    work = example(databases(layout))
    work.ok("apply")
    edited = work.folder / EDITED
    for overwrite, text in (("replace", b"Thank you."), ("update", b"Thanks.")):
        edited.write_bytes(
            edited.read_bytes().replace(b"Thank you for writing to us.", text).replace(b"Thank you.", text)
        )
        assert "1 overwritten" in work.ok("apply", "--force", "--overwrite", overwrite).stdout.splitlines()[-1]
        assert work.ok("plan", "--detailed-exitcode").stdout.endswith(f" 0 to relink, {COUNT} unchanged.\n")
    files = work.files()
    work.ok("export", "--all")
    assert work.files() == files


def test_2_export_after_apply_changes_no_byte(applied: Workplace) -> None:
    files = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in _bundles(applied)}
    export = applied.ok("export", "--all")
    assert export.stdout.startswith(f"Export: 0 written (0 new, 0 changed), {COUNT} unchanged")
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in _bundles(applied)} == files


def test_4_a_failing_change_leaves_no_row(example: Example, databases: Databases, layout: LayoutName) -> None:
    work = example(databases(layout))
    work.database.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'the disk of version % is full', new.version; END $$",
        "CREATE TRIGGER refuse BEFORE INSERT ON workflow_definition_versions FOR EACH ROW"
        " WHEN (new.definition_json ->> 'name' LIKE '%sweep%') EXECUTE FUNCTION refuse()",
    )
    failed = work.fails(1, "apply")
    assert "is full" in failed.stderr
    assert work.everything() == {"workflow_definitions": [], "workflow_definition_versions": []}


def test_5_one_state_exports_one_set_of_bytes(applied: Workplace) -> None:
    exports = []
    for name in ("one", "two"):
        applied.ok("export", "--all", "--out", name)
        exports.append({path.name: path.read_bytes() for path in (applied.folder / name).iterdir()})
    assert len(exports[0]) == COUNT
    assert exports[0] == exports[1]


def test_7_an_export_imported_elsewhere_exports_the_same(
    applied: Workplace, example: Example, databases: Databases, layout: LayoutName
) -> None:
    applied.ok("export", "--all", "--bundle", "all.json")
    other = example(databases(layout))
    shutil.rmtree(other.folder / "workflows")
    other.ok("import", applied.folder / "all.json")
    other.ok("export", "--all", "--bundle", "all.json")
    assert _timeless(other.folder / "all.json") == _timeless(applied.folder / "all.json")
    assert set(other.ids().values()) & set(applied.ids().values()) == set()


def _bundles(work: Workplace) -> list[Path]:
    return sorted(path for path in (work.folder / "workflows").rglob("*") if path.is_file())


def _timeless(path: Path) -> str:
    return re.sub(r'"exportedAt": "[^"]*"', "", path.read_text(encoding="utf-8"))

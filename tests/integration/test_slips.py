"""Slips of the pen on the command line: what is not there, what there is no such thing as; and refusals that are about
no single workflow.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from command_line import CommandLine
from databases import Databases
from git_repositories import GitRepository
from small_bundles import bundle, call, set_state
from workplace import Workplace


@pytest.fixture
def work(cli: CommandLine, database: Databases, tmp_path: Path) -> Workplace:
    made = Workplace(cli, database("A"), tmp_path)
    made.configure("source: example.org/ours\n")
    made.write(bundle("a"))
    return made


def test_an_argument_of_apply_that_is_nothing(work: Workplace) -> None:
    error = work.fails(1, "apply", "nosuch.plan").stderr
    assert "error MISSING_DIRECTORY: there is neither a folder nor a plan file nosuch.plan" in error


def test_a_plan_file_makes_no_folder(work: Workplace) -> None:
    error = work.fails(1, "plan", "--out", "nosuch/approved.plan").stderr
    assert "error OUTPUT: cannot write nosuch/approved.plan: the folder nosuch does not exist" in error
    assert not (work.folder / "nosuch").exists()
    same = work.fails(64, "plan", "--out", "x.plan", "--output", "markdown=./x.plan").stderr
    assert "--out and --output name the same file, x.plan" in same
    assert not (work.folder / "x.plan").exists()
    for nameless in ("", "json="):
        assert "there is no name of a file" in work.fails(64, "plan", "--output", nameless).stderr
    assert "--out needs the name of a file" in work.fails(64, "plan", "--out", "").stderr


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_a_form_that_there_is_not(work: Workplace, command: str) -> None:
    error = work.fails(64, command, "--output", "frob=out.txt").stderr
    assert "there is no format frob; there are text, json, markdown" in error
    assert work.ids() == {}
    work.ok(command, "--output", "./frob=out.txt", "--output", "json=plan.out")
    assert (work.folder / "frob=out.txt").read_text().startswith("Target: ")
    assert (work.folder / "plan.out").read_text().startswith("{")


def test_a_brake_is_about_the_plan_as_a_whole(work: Workplace) -> None:
    work.write(bundle("b"))
    error = work.fails(4, "apply", "--max-changes", "1").stderr
    assert "error MAX_CHANGES: nothing was written: the plan as a whole may not be carried out" in error


def test_the_rest_is_offered_only_where_there_is_one(work: Workplace) -> None:
    work.ok("apply")
    work.write(bundle("a", [set_state("NEW")]))
    assert "--select" not in work.fails(3, "apply").stderr
    work.write(bundle("b"))
    assert "the rest can be applied with --select or --exclude" in work.fails(3, "apply").stderr


def test_what_adopt_may_not_is_said_once(work: Workplace) -> None:
    work.ok("import", "workflows/a.json")
    work.rows(
        "DROP SCHEMA wfsync CASCADE; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO PUBLIC;"
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'adopter') THEN"
        " CREATE ROLE adopter LOGIN; END IF; END $$"
    )
    conninfo = f"{work.database.conninfo} user=adopter"
    done = work.cli("--database", conninfo, "adopt", "a", cwd=work.folder)
    assert (done.code, done.stderr.count("may not keep a ledger")) == (1, 1)
    assert "CREATE SCHEMA wfsync AUTHORIZATION adopter;" in done.stderr
    assert ": whose a workflow is stands there, so nothing was changed\n" in done.stderr
    assert "apply" not in done.stderr.partition("LEDGER_UNAVAILABLE")[2].partition("\n")[0]
    document: Any = work.cli("--database", conninfo, "adopt", "a", "--format", "json", cwd=work.folder).json()
    assert [error["code"] for error in document["errors"]] == ["LEDGER_UNAVAILABLE"]


def test_history_shows_relinks_as_plans_do(work: Workplace) -> None:
    work.write(bundle("caller", [call("a")]))
    work.ok("apply")
    work.write(bundle("a", [set_state("NEW")]))
    work.ok("apply", "--force", "--overwrite", "replace")
    assert "  ~1 ~1 relinked  " in work.ok("history").stdout


def test_init_inside_a_repository_does_not_say_that_it_must_be_made(cli: CommandLine, tmp_path: Path) -> None:
    GitRepository.init(tmp_path / "known")
    (tmp_path / "known" / "below").mkdir(parents=True, exist_ok=True)
    assert "git init" not in cli("init", cwd=tmp_path / "known" / "below").stderr
    (tmp_path / "bare").mkdir()
    assert "next: `git init`, `wfsync validate`, `wfsync plan`" in cli("init", cwd=tmp_path / "bare").stderr

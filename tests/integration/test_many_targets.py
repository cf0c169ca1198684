"""Groups of targets through the real command line: waves, failures, tenants, signals (spec: issue 3, item 9)."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest

from command_line import CommandLine, Result
from databases import OTHER_TENANT, TENANT, Database, Databases, LayoutName
from shop import until
from small_bundles import bundle, set_state
from workplace import Workplace

THIRD: Final = "33333333-3333-4333-8333-333333333333"
SCHEMAS: Final = Path(__file__).parents[2] / "schemas"
NOWHERE: Final = "postgresql://nobody:hunter2@127.0.0.1:1/nowhere"

SETTINGS: Final = f"""\
environments:
  canary: {{ database_env: CANARY_URL }}
  second: {{ database_env: SECOND_URL, overlay: overlays/second.yaml }}
  customers: {{ database_env: CUSTOMERS_URL, tenants: {{ also: ["{THIRD}"] }} }}
  rest: {{ targets: [second, customers] }}
  fleet: {{ waves: [canary, rest] }}
  flat: {{ targets: [canary, second] }}
"""


class Fleet:
    """Three databases, one of them with tenants, and a repository for all."""

    def __init__(self, cli: CommandLine, folder: Path, databases: dict[str, Database]) -> None:
        self.cli, self.folder, self.databases = cli, folder, databases
        self.env = {f"{name.upper()}_URL": database.conninfo for name, database in databases.items()}
        self.work = Workplace(cli, databases["canary"], folder)

    def __call__(self, *args: str, code: int = 0, env: Mapping[str, str] | None = None) -> Result:
        """Run a command that must end with ``code``."""
        result = self.cli(*args, cwd=self.folder, env=self.env | dict(env or {}))
        assert result.code == code, result.output
        assert "Traceback" not in result.output
        assert "INTERNAL" not in result.output
        assert "hunter2" not in result.output
        return result

    def json(self, *args: str, code: int = 0, env: Mapping[str, str] | None = None) -> Any:
        """The document of a command, valid under the schemas."""
        document = self(*args, "--format", "json", code=code, env=env).json()
        jsonschema.validate(document, json.loads((SCHEMAS / "targets.v1.schema.json").read_bytes()))
        if document["command"] != "status":
            plan = json.loads((SCHEMAS / "plan.v1.schema.json").read_bytes())
            for target in document["targets"]:
                if target["result"] is not None:
                    jsonschema.validate(target["result"], plan)
        return document

    def endings(self, *args: str, code: int = 0, env: Mapping[str, str] | None = None) -> dict[str, str]:
        """How it ended on each target."""
        return {t["name"]: t["outcome"] for t in self.json(*args, code=code, env=env)["targets"]}

    def keys(self, name: str) -> dict[str, list[str]]:
        """The keys of each tenant in a database."""
        with self.databases[name].connect() as conn:
            return dict(
                conn.execute(
                    "SELECT tenant::text, array_agg(key ORDER BY key) FROM workflow_definitions GROUP BY 1"
                ).fetchall()
            )

    def change(self, key: str, state: str) -> None:
        """Another draft in git."""
        self.work.write(bundle(key, [set_state(state)], (1,)))

    def edit(self, name: str, key: str) -> None:
        """Somebody changes a row behind our back."""
        self.databases[name].execute(f"UPDATE workflow_definitions SET description = 'by hand' WHERE key = '{key}'")


NAMES: Final = ("canary", "second", f"customers/{TENANT}", f"customers/{OTHER_TENANT}", f"customers/{THIRD}")


@pytest.fixture
def fleet(cli: CommandLine, database: Databases, tmp_path: Path) -> Fleet:
    made = Fleet(
        cli,
        tmp_path,
        {"canary": database("wfsync"), "second": database("wfsync"), "customers": database("B-Citus")},
    )
    made.work.configure(SETTINGS)
    made.work.write(bundle("a"), bundle("b"))
    (tmp_path / "overlays").mkdir()
    (tmp_path / "overlays" / "second.yaml").write_text("a: { concurrencyLimit: 7 }\n")
    for tenant in (TENANT, OTHER_TENANT):
        made.databases["customers"].execute(
            "INSERT INTO workflow_definitions (tenant, key, name, draft_definition)"
            f" VALUES ('{tenant}', 'theirs', 'theirs', '{{}}')"
        )
    return made


def test_every_target_of_every_wave_is_planned_applied_and_in_sync(fleet: Fleet) -> None:
    document = fleet.json("plan", "-e", "fleet")
    assert [t["name"] for t in document["targets"]] == list(NAMES)
    assert [t["wave"] for t in document["targets"]] == ["canary", *["rest"] * 4]
    assert [t["outcome"] for t in document["targets"]] == ["pending"] * 5
    assert document["summary"] == {"targets": 5, "pending": 5}
    assert {t["summary"]["create"] for t in document["targets"]} == {2}

    applied = fleet.json("apply", "-e", "fleet")
    assert [t["outcome"] for t in applied["targets"]] == ["applied"] * 5
    assert [t["tenant"] for t in applied["targets"]][2:] == [TENANT, OTHER_TENANT, THIRD]
    assert len({t["result"]["outcome"]["apply_id"] for t in applied["targets"]}) == 5
    theirs = ["a", "b", "theirs"]
    assert fleet.keys("customers") == {TENANT: theirs, OTHER_TENANT: theirs, THIRD: ["a", "b"]}
    limits = "SELECT concurrency_limit FROM workflow_definitions WHERE key = 'a'"
    for name, limit in (("canary", None), ("second", 7)):
        with fleet.databases[name].connect() as conn:
            assert conn.execute(limits).fetchall() == [(limit,)]

    assert set(fleet.endings("plan", "-e", "fleet", "--detailed-exitcode").values()) == {"in_sync"}
    assert set(fleet.endings("apply", "-e", "fleet").values()) == {"unchanged"}
    assert set(fleet.endings("status", "-e", "fleet", "--detailed-exitcode").values()) == {"in_sync"}


def test_the_text_names_every_target_and_lists_equal_changes_once(fleet: Fleet) -> None:
    lines = fleet("plan", "-e", "fleet").stdout.splitlines()
    assert lines[0] == "Group: fleet, 4 at once"
    assert [line for line in lines if line.startswith("Wave ")] == ["Wave canary:", "Wave rest:"]
    for name in NAMES:
        assert any(line.startswith(f"~ {name}  pending. Plan: 2 to create") for line in lines), name
    assert sum(line.startswith("    + a ") for line in lines) == 1
    assert lines.count("    as canary") == 4
    assert lines[-1] == "Targets: 5: 5 pending."


def test_a_failed_canary_stops_the_rest(fleet: Fleet) -> None:
    down = {"CANARY_URL": NOWHERE}
    document = fleet.json("apply", "-e", "fleet", code=1, env=down)
    assert [t["outcome"] for t in document["targets"]] == ["failed", *["skipped"] * 4]
    assert document["targets"][1]["because"] == "canary failed"
    assert [(e["target"], e["code"]) for e in document["errors"]] == [
        ("canary", document["targets"][0]["error"]["code"])
    ]
    assert fleet.keys("second") == {}

    text = fleet("apply", "-e", "fleet", code=1, env=down)
    assert "- second  skipped: canary failed" in text.stdout
    assert text.stdout.splitlines()[-1] == "Targets: 5: 1 failed, 4 skipped."
    assert "error CONNECTION" in text.stderr or "canary: " in text.stderr

    endings = fleet.endings("apply", "-e", "fleet", "--keep-going", code=1, env=down)
    assert endings == {"canary": "failed"} | dict.fromkeys(NAMES[1:], "applied")
    assert len(fleet.keys("second")) == 1


def test_plan_and_status_look_at_all_whatever_fails(fleet: Fleet) -> None:
    down = {"CANARY_URL": NOWHERE}
    assert fleet.endings("plan", "-e", "fleet", code=1, env=down) == {"canary": "failed"} | dict.fromkeys(
        NAMES[1:], "pending"
    )
    assert fleet.endings("status", "-e", "fleet", code=1, env=down) == {"canary": "failed"} | dict.fromkeys(
        NAMES[1:], "differs"
    )
    # Where tenants cannot even be found, the environment stands for them
    lost = fleet.endings("plan", "-e", "fleet", code=1, env={"CUSTOMERS_URL": NOWHERE})
    assert lost == {"canary": "pending", "second": "pending", "customers": "failed"}


def test_tenants_that_cannot_be_found_are_a_failure_and_never_nothing(fleet: Fleet, database: Databases) -> None:
    fleet.work.configure("environments: { all: { database_env: SOME_URL, tenants: all } }\n")
    layouts: tuple[tuple[LayoutName, str], ...] = (
        ("A", "TENANT_UNSUPPORTED"),
        ("B", "NO_TENANTS"),
        ("empty", "NO_TENANTS"),
    )
    for layout, code in layouts:
        some = {"SOME_URL": database(layout).conninfo}
        document = fleet.json("apply", "-e", "all", code=1, env=some)
        assert [(t["name"], t["error"]["code"]) for t in document["targets"]] == [("all", code)]


@pytest.mark.parametrize("layout", ["A½", "B", "B-Citus", "wfsync"])
def test_every_tenant_with_a_row_is_found_and_exceptions_are_left_out(
    fleet: Fleet, database: Databases, layout: LayoutName
) -> None:
    place = database(layout)
    tenants = [f"{digit * 8}-1111-4111-8111-111111111111" for digit in "3f1"]
    for tenant in [*tenants, *tenants]:
        place.execute(
            f"INSERT INTO workflow_definitions ({place.tenant_column}, name, draft_definition)"
            f" VALUES ('{tenant}', 'theirs', '{{}}')"
        )
    fleet.work.configure(
        f"environments: {{ all: {{ database_env: SOME_URL, tenants: {{ except: ['{tenants[1]}'] }} }} }}\n"
    )
    assert fleet.endings("plan", "-e", "all", env={"SOME_URL": place.conninfo}) == {
        f"all/{tenants[2]}": "pending",
        f"all/{tenants[0]}": "pending",
    }


def test_drift_of_one_never_stops_others_of_its_wave(fleet: Fleet) -> None:
    fleet("apply", "-e", "fleet")
    fleet.edit("second", "a")
    fleet.change("a", "NEXT")
    assert fleet.endings("plan", "-e", "fleet")["second"] == "blocked"
    fleet.env["WFSYNC_ACTOR"] = "somebody"
    endings = fleet.endings("apply", "-e", "fleet", "--force", "--overwrite", "update", code=3)
    assert endings == dict.fromkeys(NAMES, "applied") | {"second": "conflict"}
    refused = fleet.json("apply", "-e", "fleet", "--force", code=3)["targets"][1]
    assert refused["error"]["code"] == "DRIFT"
    assert refused["result"]["blocks"]  # its plan is shown
    settled = fleet.endings("apply", "-e", "fleet", "--force", "--on-drift", "overwrite")
    assert settled == dict.fromkeys(NAMES, "unchanged") | {"second": "applied"}


def test_the_worst_exit_code_wins(fleet: Fleet) -> None:
    fleet("apply", "-e", "fleet")
    fleet.change("a", "NEXT")
    # Without force each is a conflict; a policy's refusal is worse, an error the worst
    assert set(fleet.endings("apply", "-e", "flat", code=3).values()) == {"conflict"}
    fleet.work.configure(SETTINGS + "policy: { protected: [a] }\n")
    assert set(fleet.endings("apply", "-e", "flat", "--force", code=4).values()) == {"refused"}
    fleet("apply", "-e", "flat", "--force", code=1, env={"SECOND_URL": NOWHERE})
    assert fleet("plan", "-e", "fleet", "--detailed-exitcode", code=2).stdout


def test_one_job_or_many_is_the_same(fleet: Fleet) -> None:
    def plain(document: Any) -> Any:
        for target in document["targets"]:
            target["seconds"] = 0
        return document | {"seconds": 0}

    one, four = (plain(fleet.json("plan", "-e", "fleet", "--jobs", jobs)) for jobs in ("1", "4"))
    assert one == four
    fleet("apply", "-e", "fleet", "--jobs", "1")
    one, four = (plain(fleet.json("status", "-e", "fleet", "--jobs", jobs)) for jobs in ("1", "4"))
    assert one == four


def test_markdown_and_annotations_and_files(fleet: Fleet, tmp_path: Path) -> None:
    outputs = [f"--output={form}={tmp_path / form}" for form in ("markdown", "json", "github")]
    fleet("plan", "-e", "fleet", *outputs)
    comment = (tmp_path / "markdown").read_text()
    assert comment.startswith("<!-- wfsync:plan group=fleet -->\n")
    assert all(f"`{name}`" in comment for name in NAMES)
    assert "and 4 more</summary>" in comment
    assert comment.endswith("Targets: 5: 5 pending.\n")
    assert json.loads((tmp_path / "json").read_text())["group"] == "fleet"
    assert (tmp_path / "github").read_text().startswith("::notice title=wfsync plan::Targets: 5")


@pytest.mark.parametrize(
    "command",
    [
        ("export", "--all"),
        ("diff", "a"),
        ("db", "status"),
        ("adopt", "a"),
        ("release", "a"),
        ("history",),
        ("watch", "--once"),
        ("rollback", "0b0e9e6e-5a5c-4bd8-9a53-8a5a5a5a5a5a"),
        ("plan", "--out", "plan.json"),
        ("import", "workflows/a.json"),
    ],
    ids=lambda command: command[0],
)
def test_a_command_for_one_target_says_that_it_takes_no_group(fleet: Fleet, command: tuple[str, ...]) -> None:
    result = fleet("-e", "fleet", *command, code=1)
    assert "GROUP_NOT_ALLOWED" in result.stderr


def test_one_tenant_of_a_group_is_a_target_like_any_other(fleet: Fleet) -> None:
    fleet("--tenant", TENANT, "-e", "customers", "apply")
    assert fleet.keys("customers")[TENANT] == ["a", "b", "theirs"]
    assert fleet.keys("customers")[OTHER_TENANT] == ["theirs"]
    fleet("--tenant", TENANT, "-e", "customers", "export", "a", "b", "--check")


def test_options_of_one_target_are_refused_with_a_group(fleet: Fleet) -> None:
    for options in (("--database", NOWHERE), ("--tenant", TENANT)):
        assert "GROUP_NOT_ALLOWED" in fleet(*options, "plan", "-e", "fleet", code=1).stderr
    fleet("apply", "-e", "fleet", "--expect-digest", "0" * 64, code=64)
    fleet("plan", "-e", "canary", "--jobs", "2", code=64)
    fleet("apply", "-e", "canary", "--keep-going", code=64)
    # A stray variable redirects nobody
    stray = {"WFSYNC_DATABASE_URL": NOWHERE, "WFSYNC_ENV": "fleet"}
    assert set(fleet.endings("plan", env=stray).values()) == {"pending"}


def test_nothing_is_begun_when_variables_are_unset_or_the_same(fleet: Fleet) -> None:
    unset = fleet("apply", "-e", "fleet", code=1, env={"CANARY_URL": "", "SECOND_URL": ""})
    assert unset.stderr.count("DATABASE_ENV_UNSET") >= 2
    assert "CANARY_URL" in unset.stderr
    assert "SECOND_URL" in unset.stderr
    same = fleet("apply", "-e", "fleet", code=1, env={"SECOND_URL": fleet.env["CANARY_URL"]})
    assert "DUPLICATE_TARGET" in same.stderr
    assert fleet.keys("canary") == {}


def test_nothing_is_begun_when_a_file_is_wrong(fleet: Fleet) -> None:
    (fleet.folder / "workflows" / "c.json").write_text("{")
    (fleet.folder / "overlays" / "second.yaml").write_text("a: { concurrencyLimit: many }\n")
    assert "second.yaml:1:" in fleet("apply", "-e", "fleet", code=1).stderr
    (fleet.folder / "overlays" / "second.yaml").write_text("{}\n")
    assert "c.json:1:" in fleet("apply", "-e", "fleet", code=1).stderr
    assert fleet.keys("canary") == {}


def test_a_signal_rolls_back_what_is_at_work_and_skips_the_rest(fleet: Fleet) -> None:
    holder = fleet.databases["second"].connect()
    with holder, holder.transaction():
        holder.execute("LOCK TABLE workflow_definitions IN ACCESS EXCLUSIVE MODE")
        process = fleet.cli.start(
            "apply", "-e", "fleet", "--jobs", "1", "--format", "json", cwd=fleet.folder, env=fleet.env
        )
        waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'"
        with fleet.databases["canary"].connect() as observer:
            until(
                lambda: observer.execute(waiting, [fleet.databases["second"].name]).fetchone(),
                "the second target waits",
            )
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 143, stderr
    document = json.loads(stdout)
    assert document["stopped"]
    endings = {t["name"]: t["outcome"] for t in document["targets"]}
    assert endings == dict.fromkeys(NAMES, "skipped") | {"canary": "applied", "second": "interrupted"}
    assert len(fleet.keys("canary")) == 1
    assert fleet.keys("second") == {}


def test_a_killed_worker_is_a_failed_target(fleet: Fleet) -> None:
    holder = fleet.databases["canary"].connect()
    with holder, holder.transaction():
        holder.execute("LOCK TABLE workflow_definitions IN ACCESS EXCLUSIVE MODE")
        process = fleet.cli.start("apply", "-e", "flat", "--format", "json", cwd=fleet.folder, env=fleet.env)
        waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'"
        with fleet.databases["second"].connect() as observer:
            until(lambda: observer.execute(waiting, [fleet.databases["canary"].name]).fetchone(), "the canary waits")
        until(lambda: len(_children(process.pid)) == 1, "the other target is done")
        for child in _children(process.pid):
            os.kill(child, signal.SIGKILL)
        stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 1, stderr
    targets = {t["name"]: t for t in json.loads(stdout)["targets"]}
    assert targets["canary"]["error"]["code"] == "WORKER_LOST"
    assert targets["second"]["outcome"] == "applied"
    assert fleet.keys("canary") == {}


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

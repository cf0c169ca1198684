"""Groups of targets through the real command line: waves, failures, tenants, signals (spec: issue 3, item 9)."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest

from command_line import CommandLine, Result
from databases import OTHER_TENANT, TENANT, Database, Databases
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
    assert fleet.keys("customers") == {TENANT: ["a", "b", "theirs"], OTHER_TENANT: ["a", "b", "theirs"], THIRD: ["a", "b"]}
    limits = "SELECT concurrency_limit FROM workflow_definitions WHERE key = 'a'"
    for name, limit in (("canary", None), ("second", 7)):
        with fleet.databases[name].connect() as conn:
            assert conn.execute(limits).fetchall() == [(limit,)]

    assert set(fleet.endings("plan", "-e", "fleet", "--detailed-exitcode").values()) == {"in_sync"}
    assert set(fleet.endings("apply", "-e", "fleet").values()) == {"unchanged"}
    assert set(fleet.endings("status", "-e", "fleet", "--detailed-exitcode").values()) == {"in_sync"}

"""``-e`` through the real command line: which database, whose rows, and what is said of it (spec: cli.md)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from command_line import CommandLine, Result
from databases import OTHER_TENANT, TENANT, Databases
from git_repositories import GitRepository
from small_bundles import bundle
from workplace import Workplace

SETTINGS = f"""\
environments:
  staging: {{ database_env: STAGING_DATABASE_URL, tenant: "{TENANT}" }}
  other: {{ database_env: STAGING_DATABASE_URL, tenant: "{OTHER_TENANT}" }}
  bare: {{}}
"""
STRAY = {"WFSYNC_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/stray", "WFSYNC_TENANT": OTHER_TENANT}


class Places:
    """A folder and the environment that a shell would have."""

    def __init__(self, work: Workplace) -> None:
        self.work = work
        self.env = {"STAGING_DATABASE_URL": work.database.conninfo}

    def __call__(self, *args: str, env: Mapping[str, str] | None = None) -> Result:
        """Run the program with no database option at all."""
        result = self.work.cli(*args, cwd=self.work.folder, env=self.env | dict(env or {}))
        assert "Traceback" not in result.output
        assert "INTERNAL" not in result.output
        return result


@pytest.fixture
def place(cli: CommandLine, database: Databases, tmp_path: Path) -> Places:
    work = Workplace(cli, database("wfsync"), tmp_path)
    work.configure(SETTINGS)
    work.write(bundle("a"))
    return Places(work)


@pytest.mark.parametrize("before", [True, False])
def test_an_environment_names_database_and_tenant_and_the_plan_says_so_first(place: Places, before: bool) -> None:
    arguments = ("-e", "staging", "plan") if before else ("plan", "--env", "staging")
    result = place(*arguments, env=STRAY)
    assert result.code == 0, result.output
    assert result.stdout.splitlines()[0].endswith(f", tenant {TENANT}, environment staging, layout wfsync")
    document = place(*arguments, "--format", "json", env=STRAY).json()
    assert (document["target"]["environment"], document["target"]["tenant"]) == ("staging", TENANT)
    assert document["summary"]["create"] == 1


def test_apply_export_diff_and_db_are_about_the_environment_too(place: Places) -> None:
    assert place("apply", "-e", "staging", env=STRAY).code == 0
    assert place("-e", "staging", "export", "--all", "--check", env=STRAY).code == 0
    assert place("diff", "-e", "staging", "a", "--detailed-exitcode", env=STRAY).code == 0
    assert "Named by: STAGING_DATABASE_URL (environment staging)" in place("-e", "staging", "db", "status").stdout
    assert place("plan", "-e", "other", "--format", "json").json()["summary"]["create"] == 1  # nobody else's row
    assert place("plan", "-e", "staging", "--format", "json").json()["summary"]["unchanged"] == 1


def test_the_variable_chooses_as_weakly_as_other_variables(place: Places) -> None:
    assert place("plan", env={"WFSYNC_ENV": "staging"}).code == 0
    stray = place("plan", env=STRAY | {"WFSYNC_ENV": "staging"})
    assert stray.code == 1
    assert "127.0.0.1" in stray.stderr
    strong = place("plan", "-e", "staging", "--format", "json", env=STRAY | {"WFSYNC_ENV": "other"})
    assert strong.json()["target"]["tenant"] == TENANT


def test_options_are_stronger_than_the_environment(place: Places) -> None:
    result = place("--tenant", OTHER_TENANT, "plan", "-e", "staging", "--format", "json")
    assert result.json()["target"]["tenant"] == OTHER_TENANT
    named = place("--database", place.work.database.conninfo, "-e", "staging", "plan", env={"STAGING_DATABASE_URL": ""})
    assert named.code == 0


@pytest.mark.parametrize("command", [("plan",), ("apply",), ("export", "--all"), ("diff", "a"), ("db", "status")])
def test_an_unset_variable_is_named_and_no_other_database_is_taken(place: Places, command: tuple[str, ...]) -> None:
    result = place("-e", "staging", *command, env=STRAY | {"STAGING_DATABASE_URL": ""})
    assert result.code == 1
    assert "DATABASE_ENV_UNSET" in result.stderr
    assert "STAGING_DATABASE_URL" in result.stderr
    assert "stray" not in result.output


def test_an_unknown_environment_lists_the_known(place: Places) -> None:
    result = place("plan", "-e", "stagign")
    assert result.code == 1
    assert "UNKNOWN_ENVIRONMENT" in result.stderr
    assert "bare, other, staging" in result.stderr
    assert place("plan", "-e", "").code == 64


def test_an_address_is_never_shown(place: Places) -> None:
    secret = "postgresql://ada:hunter2@127.0.0.1:1/x"
    result = place("plan", "-e", "staging", "--format", "json", env={"STAGING_DATABASE_URL": secret})
    assert result.code == 1
    assert "hunter2" not in result.output


def test_with_a_revision_the_environments_are_those_of_the_revision(place: Places) -> None:
    GitRepository.init(place.work.folder).commit()
    place.work.configure()
    assert place("plan", "-e", "staging").code == 1
    assert place("plan", "-e", "staging", "--rev", "HEAD").code == 0


TOKEN = "ghp_" + "CANARY0123456789abcdefghijklmnopqrst"


def test_a_literal_that_looks_like_a_secret_is_found_in_an_overlay(place: Places) -> None:
    settings = SETTINGS.replace("staging: {", "staging: { overlay: staging.yaml,")
    place.work.configure(settings)
    (place.work.folder / "staging.yaml").write_text(f"a:\n  description: {TOKEN}\n")
    validated = place("validate")
    assert validated.code == 0
    assert "staging.yaml:2:16: warning SECRET_LITERAL" in validated.output
    planned = place("plan", "-e", "staging")
    assert "SECRET_LITERAL" in planned.output
    place.work.configure(settings + "policy: { secrets: error }\n")
    refused = [place("validate"), place("plan", "-e", "staging"), place("apply", "-e", "staging")]
    assert [result.code for result in refused] == [1, 1, 1]
    assert all("SECRET_LITERAL" in result.output for result in refused)
    assert place.work.rows("SELECT FROM workflow_definitions") == []
    place.work.configure(settings + "policy: { secrets: error, secrets_allowed: ['a#/metadata/description'] }\n")
    allowed = place("-v", "validate")
    assert (allowed.code, "SECRET_" in allowed.output) == (0, False)
    assert TOKEN not in "".join(result.output for result in (validated, planned, *refused, allowed))

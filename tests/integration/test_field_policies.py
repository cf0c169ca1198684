"""Fields that the database owns, and overlays: all commands agree about them (spec: cli.md "wfsync.yaml").

Through the real command line, in both ways of overwriting and in every layout that has tenants of its own way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from command_line import CommandLine, Result
from databases import Databases, LayoutName
from small_bundles import bundle, call
from workplace import Workplace

MODES = pytest.mark.parametrize("mode", ["replace", "update"])


@pytest.fixture
def place(cli: CommandLine, database: Databases, tmp_path: Path) -> Any:
    """``place("A", "fields: …")``: a folder with these settings beside a database in a layout."""

    def at(layout: LayoutName = "wfsync", settings: str = "") -> Workplace:
        work = Workplace(cli, database(layout), tmp_path)
        work.configure(settings)
        return work

    return at


def pending(work: Workplace, *args: str) -> int:
    """How many changes a plan has."""
    summary: Mapping[str, int] = work.ok(*args, "plan", "--format", "json").json()["summary"]
    return sum(count for action, count in summary.items() if action != "unchanged")


def column(work: Workplace, name: str, key: str = "a") -> Any:
    return work.rows(f"SELECT {name} FROM workflow_definitions WHERE key = %s", key)[0][name]


def pause(work: Workplace, key: str = "a") -> None:
    work.rows("UPDATE workflow_definitions SET is_paused = true WHERE key = %s", key)


class TestOwnedByTheDatabase:
    @MODES
    @pytest.mark.parametrize("layout", ["wfsync", "A", "B-Citus"])
    def test_a_named_database_keeps_what_was_paused_through_an_overwrite(
        self, place: Any, mode: str, layout: LayoutName
    ) -> None:
        work = place(layout)
        work.write(bundle("a"))
        work.ok("apply")
        pause(work)
        assert pending(work) == 0
        assert work.ok("diff", "a", "--detailed-exitcode").code == 0
        work.write(bundle("a", description="new"))
        text = work.ok("plan").stdout
        assert "description" in text
        assert "isPaused" not in text
        work.ok("apply", "--force", "--overwrite", mode)
        assert column(work, "is_paused") is True
        assert column(work, "description") == "new"
        assert pending(work) == 0

    @MODES
    def test_a_pause_between_plan_and_apply_makes_nothing_stale_and_is_kept(self, place: Any, mode: str) -> None:
        work = place()
        work.write(bundle("a"))
        work.ok("apply")
        work.write(bundle("a", description="new"))
        digest = work.ok("plan", "--overwrite", mode, "--format", "json").json()["digest"]
        pause(work)
        work.ok("apply", "--force", "--overwrite", mode, "--expect-digest", digest)
        assert column(work, "is_paused") is True

    def test_a_new_workflow_gets_what_its_file_says(self, place: Any) -> None:
        work = place()
        work.write(bundle("a", isPaused=True))
        work.ok("apply")
        assert column(work, "is_paused") is True

    def test_an_import_keeps_it_too(self, place: Any) -> None:
        work = place()
        work.write(bundle("a"))
        work.ok("apply")
        pause(work)
        (work.folder / "other.json").write_bytes(json.dumps(bundle("a", description="new")).encode())
        work.ok("import", "--force", "other.json")
        assert (column(work, "is_paused"), column(work, "description")) == (True, "new")

    @MODES
    def test_the_empty_list_gives_it_back_to_git(self, place: Any, mode: str) -> None:
        work = place(settings="fields: {database: []}\n")
        work.write(bundle("a"))
        work.ok("apply")
        pause(work)
        assert pending(work) == 1
        work.ok("apply", "--force", "--overwrite", mode, "--on-drift", "overwrite")
        assert column(work, "is_paused") is False

    @MODES
    def test_fields_of_every_kind_are_kept_byte_for_byte(self, place: Any, mode: str) -> None:
        names = (
            "trigger, retentionPolicyOverride, failureRateThreshold, concurrencyLimit, description, payloadSchemaRef,"
            " payloadSchemaMode, autoPauseOnFailure"
        )
        work = place(settings=f"fields: {{create_only: [{', '.join('metadata.' + n for n in names.split(', '))}]}}\n")
        work.write(bundle("a", trigger={"type": "event", "eventName": "x"}))
        work.ok("apply")
        work.rows(
            """UPDATE workflow_definitions SET trigger = '{"type": "event", "eventName": "y", "n": 1.50}',
            retention_policy_override = '{"days": 3}', failure_rate_threshold = 0.25, concurrency_limit = 7,
            description = 'theirs', payload_schema_ref = 'payload.Other.v1', payload_schema_mode = 'latest',
            auto_pause_on_failure = true"""
        )
        columns = "trigger::text, retention_policy_override::text, failure_rate_threshold, concurrency_limit,"
        columns += " description, payload_schema_ref, payload_schema_mode, auto_pause_on_failure"
        before = work.rows(f"SELECT {columns} FROM workflow_definitions")
        assert pending(work) == 0
        work.write(bundle("a", trigger=None, name="renamed", concurrencyLimit=1, payloadSchemaRef="payload.New.v1"))
        text = work.ok("plan").stdout
        assert [line for line in text.splitlines() if "metadata." in line] == ['    ~ metadata.name: "a" → "renamed"']
        work.ok("apply", "--force", "--overwrite", mode)
        assert work.rows(f"SELECT {columns} FROM workflow_definitions") == before
        assert column(work, "name") == "renamed"
        assert pending(work) == 0

    def test_an_export_keeps_what_the_file_says_and_a_new_file_gets_what_the_database_says(self, place: Any) -> None:
        work = place()
        work.write(bundle("a"), bundle("b"))
        work.ok("apply")
        for key in ("a", "b"):
            pause(work, key)
        before = work.files()
        work.ok("export", "--all", "--check")
        work.ok("export", "--all")
        assert work.files() == before
        work.rows("UPDATE workflow_definitions SET description = 'theirs' WHERE key = 'a'")
        (work.folder / "workflows/b.json").unlink()
        work.ok("export", "--all")
        metadata = {k: json.loads(work.files()[f"workflows/{k}.json"])["workflows"][0]["metadata"] for k in ("a", "b")}
        assert (metadata["a"]["isPaused"], metadata["a"]["description"]) == (False, "theirs")
        assert metadata["b"]["isPaused"] is True

    @MODES
    def test_callers_are_relinked_and_keep_theirs(self, place: Any, mode: str) -> None:
        work = place()
        work.write(bundle("a"), bundle("c", [call("a")]))
        work.ok("apply")
        pause(work, "c")
        work.write(bundle("a", description="new"))
        work.ok("apply", "--force", "--overwrite", mode)
        assert column(work, "is_paused", "c") is True
        assert pending(work) == 0


OVERLAID = """\
environments:
  staging: { overlay: overlays/staging.yaml }
  plain: {}
fields: { database: [] }
"""


class Overlaid:
    """A repository whose environment ``staging`` has an overlay."""

    def __init__(self, work: Workplace) -> None:
        self.work = work
        self.lay("'a*': { concurrencyLimit: 3, trigger: { cron: '0 5 * * *' } }\n")
        trigger = {"type": "recurring", "cron": "0 0 * * *", "timezone": "UTC"}
        work.write(bundle("a", trigger=trigger, concurrencyLimit=1), bundle("b"))

    def lay(self, text: str) -> None:
        path = self.work.folder / "overlays/staging.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def ok(self, *args: str) -> Result:
        return self.work.ok("-e", "staging", *args)

    def metadata(self, key: str = "a") -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.work.files()[f"workflows/{key}.json"])["workflows"][0]["metadata"]
        return found


@pytest.fixture
def laid(place: Any) -> Overlaid:
    return Overlaid(place(settings=OVERLAID))


class TestOverlays:
    def test_an_overlay_is_merged_deeply_and_holds_in_its_environment_only(self, laid: Overlaid) -> None:
        laid.ok("apply")
        assert column(laid.work, "concurrency_limit") == 3
        assert column(laid.work, "trigger") == {"type": "recurring", "cron": "0 5 * * *", "timezone": "UTC"}
        assert (
            column(laid.work, "concurrency_limit", "b") == bundle("b")["workflows"][0]["metadata"]["concurrencyLimit"]
        )
        assert pending(laid.work, "-e", "staging") == 0
        assert laid.ok("diff", "a", "--detailed-exitcode").code == 0
        assert pending(laid.work, "-e", "plain") == 1

    @MODES
    def test_a_round_trip_leaves_the_base_files_alone(self, laid: Overlaid, mode: str) -> None:
        (laid.work.folder / "workflows/a.json").write_text(json.dumps(bundle("a", concurrencyLimit=1), indent=4))
        laid.ok("apply", "--overwrite", mode)
        before = laid.work.files()
        laid.ok("export", "--all", "--check")
        laid.ok("export", "--all")
        assert laid.work.files() == before

    def test_what_else_changed_in_the_database_comes_into_the_base_file_without_the_overlay(
        self, laid: Overlaid
    ) -> None:
        laid.ok("apply")
        laid.work.rows("""UPDATE workflow_definitions SET description = 'theirs', trigger = trigger || '{"note": "x"}'
            WHERE key = 'a'""")
        laid.ok("export", "--all")
        metadata = laid.metadata()
        assert metadata["description"] == "theirs"
        assert metadata["concurrencyLimit"] == 1
        assert metadata["trigger"] == {"type": "recurring", "cron": "0 0 * * *", "timezone": "UTC", "note": "x"}
        assert pending(laid.work, "-e", "staging") == 0
        laid.ok("export", "--all", "--check")

    def test_an_overlaid_field_that_the_database_changed_is_a_warning_and_no_change_of_the_file(
        self, laid: Overlaid
    ) -> None:
        laid.ok("apply")
        before = laid.work.files()
        laid.work.rows("UPDATE workflow_definitions SET concurrency_limit = 9 WHERE key = 'a'")
        assert laid.work("-e", "staging", "export", "--all", "--check").code == 2
        result = laid.ok("export", "--all")
        assert laid.work.files() == before
        assert "OVERLAY_DIFFERS" in result.stderr
        assert "concurrencyLimit" in result.stderr
        assert "overlays/staging.yaml" in result.stderr
        assert "1 left alone" in result.stdout
        assert pending(laid.work, "-e", "staging") == 1
        laid.work.rows("UPDATE workflow_definitions SET description = 'theirs' WHERE key = 'a'")
        result = laid.ok("export", "--all")
        assert "OVERLAY_DIFFERS" in result.stderr
        assert (laid.metadata()["description"], laid.metadata()["concurrencyLimit"]) == ("theirs", 1)

    def test_a_field_that_is_overlaid_and_owned_is_set_once(self, laid: Overlaid) -> None:
        laid.work.configure(OVERLAID.replace("database: []", "create_only: [metadata.concurrencyLimit]"))
        laid.ok("apply")
        assert column(laid.work, "concurrency_limit") == 3
        laid.work.rows("UPDATE workflow_definitions SET concurrency_limit = 9, description = 'x' WHERE key = 'a'")
        laid.ok("export", "--all")
        assert (laid.metadata()["description"], laid.metadata()["concurrencyLimit"]) == ("x", 1)
        assert pending(laid.work, "-e", "staging") == 0

    def test_an_overlay_that_changes_counts_though_no_file_did(self, laid: Overlaid) -> None:
        laid.ok("apply")
        assert pending(laid.work, "-e", "staging") == 0
        laid.lay("'a*': { concurrencyLimit: 4 }\n")
        assert pending(laid.work, "-e", "staging") == 1
        text = laid.ok("plan").stdout
        assert "metadata.concurrencyLimit: 3 → 4" in text

    def test_a_canonical_file_that_a_row_equals_is_not_taken_for_what_the_overlay_makes_of_it(
        self, laid: Overlaid
    ) -> None:
        laid.work.ok("apply")  # without the environment: the rows are what the base files say
        assert pending(laid.work, "-e", "staging") == 1
        assert pending(laid.work) == 0
        assert pending(laid.work, "-e", "staging") == 1

    def test_a_pattern_that_matches_nothing_is_a_warning_with_its_place(self, laid: Overlaid) -> None:
        laid.lay("'a*': { concurrencyLimit: 3 }\nnobody: { isSystem: true }\n")
        for command in ("plan", "apply"):
            result = laid.ok(command, "--format", "json")
            [warning] = [w for w in result.json()["warnings"] if w["code"] == "OVERLAY_UNMATCHED"]
            assert "nobody" in warning["message"]
            assert (warning["place"]["line"], warning["place"]["column"]) == (2, 1)

    def test_of_one_folder_nobody_says_which_patterns_match_nothing(self, laid: Overlaid) -> None:
        laid.work.write(bundle("c"), under="workflows/deep")
        assert "OVERLAY_UNMATCHED" not in laid.ok("plan", "workflows/deep").output
        laid.ok("plan", "workflows/deep")

    def test_faults_are_placed_and_all_named(self, laid: Overlaid) -> None:
        laid.lay("a: { isPaused: 'yes', failureRate: 1 }\nb: { failureRateThreshold: 0.555 }\nc: 1\n")
        result = laid.work.fails(1, "-e", "staging", "plan")
        assert "INVALID_OVERLAY" in result.stderr
        for place in ("overlays/staging.yaml:1:16", "overlays/staging.yaml:1:23", "overlays/staging.yaml:3:4"):
            assert place in result.stderr
        laid.lay("b: { failureRateThreshold: 0.555 }\n")
        assert "overlays/staging.yaml:1:28" in laid.work.fails(1, "-e", "staging", "plan").stderr

    def test_validate_checks_the_overlays_of_all_environments(self, laid: Overlaid) -> None:
        laid.work.ok("validate")
        laid.lay("a: { isPaused: 'yes' }\n")
        result = laid.work.fails(1, "validate")
        assert "overlays/staging.yaml:1:16: error INVALID_OVERLAY" in result.stdout
        (laid.work.folder / "overlays/staging.yaml").unlink()
        assert "OVERLAY_MISSING" in laid.work.fails(1, "validate").stdout

    def test_a_missing_overlay_is_an_error_also_for_an_export(self, laid: Overlaid) -> None:
        (laid.work.folder / "overlays/staging.yaml").unlink()
        for command in (("plan",), ("export", "--all"), ("diff", "a")):
            assert "OVERLAY_MISSING" in laid.work.fails(1, "-e", "staging", *command).stderr
        laid.work.ok("-e", "plain", "plan")

    def test_an_overlay_below_the_directory_is_no_bundle(self, place: Any) -> None:
        work = place(settings="environments: { staging: { overlay: workflows/staging.yaml } }\n")
        work.write(bundle("a"))
        (work.folder / "workflows/staging.yaml").write_text("a: { isSystem: true }\n")
        work.ok("validate")
        work.ok("-e", "staging", "apply")
        assert column(work, "is_system") is True

    def test_the_embedded_style_default_is_for_named_databases_only(self, laid: Overlaid) -> None:
        laid.work.configure(OVERLAID.replace("fields: { database: [] }\n", ""))
        laid.lay("'*': { isPaused: true }\n")
        laid.ok("apply")
        assert column(laid.work, "is_paused") is True  # a new workflow gets the overlay's value …
        laid.work.rows("UPDATE workflow_definitions SET is_paused = false")
        assert pending(laid.work, "-e", "staging") == 0  # … and afterwards it is the database's

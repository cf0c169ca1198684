"""An instance without a column for some metadata: not written, not compared, and said (database.md, "Layouts")."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from command_line import CommandLine
from corpus import write_corpus
from databases import Database


def test_plan_is_empty_after_apply_without_the_columns(
    cli: CommandLine, database: Callable[[str], Database], tmp_path: Path
) -> None:
    instance = database("A")
    dropped = ("description", "failure_rate_threshold", "payload_schema_mode", "is_paused")
    instance.execute("ALTER TABLE workflow_definitions " + ", ".join(f"DROP COLUMN {name}" for name in dropped))
    write_corpus(tmp_path, 7, 20)
    target = ("--database", instance.conninfo)
    applied = cli(*target, "apply", str(tmp_path))
    assert applied.code == 0, applied.stderr
    assert "METADATA_NOT_HELD" in applied.stdout
    assert "description, failureRateThreshold, isPaused, payloadSchemaMode" in applied.stdout
    planned = cli(*target, "plan", "--detailed-exitcode", str(tmp_path))
    assert planned.code == 0, planned.stdout
    assert cli(*target, "export", "--all", "--check", "--out", str(tmp_path)).code == 0

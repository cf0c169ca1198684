"""A folder of bundle files and a database, with the program between them: what most tests of commands need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from command_line import CommandLine, Result
from corpus_edits import JsonObject
from databases import TENANT, Database
from small_bundles import canonical

__all__ = ["Workplace"]

Row = dict[str, Any]


@dataclass(frozen=True)
class Workplace:
    """``work("plan")`` runs the program in ``folder`` against ``database``."""

    cli: CommandLine
    database: Database
    folder: Path

    def __call__(self, *args: str | Path, env: Mapping[str, str] | None = None, stdin: bytes = b"") -> Result:
        """Run one command to its end, whatever that is."""
        tenant = ["--tenant", self.database.tenant] if self.database.tenant else []
        named = ["--database", self.database.conninfo, *tenant]
        return self.cli(*named, *args, cwd=self.folder, env=env, stdin=stdin)

    def ok(self, *args: str | Path, stdin: bytes = b"") -> Result:
        """Run one command that must succeed."""
        result = self(*args, stdin=stdin)
        assert result.code == 0, result.output
        assert "Traceback" not in result.output
        return result

    def fails(self, code: int, *args: str | Path, stdin: bytes = b"") -> Result:
        """Run one command that must end with ``code``."""
        result = self(*args, stdin=stdin)
        assert result.code == code, result.output
        assert "Traceback" not in result.output
        assert "INTERNAL" not in result.output
        return result

    # -- files ---------------------------------------------------------------------------------------------------

    def write(self, *bundles: JsonObject, under: str = "workflows") -> None:
        """Write each bundle of one workflow, canonical, to ``<under>/<key>.json``."""
        for bundle in bundles:
            path = self.folder / under / f"{bundle['workflows'][0]['key']}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(canonical(bundle))

    def configure(self, text: str = "") -> None:
        """Write a ``wfsync.yaml`` whose directory is ``workflows``, with more settings."""
        (self.folder / "wfsync.yaml").write_text(f"version: 1\ndirectory: workflows\n{text}")

    def files(self) -> dict[str, bytes]:
        """Everything below the folder, but git's own."""
        found = {p.relative_to(self.folder).as_posix(): p for p in sorted(self.folder.rglob("*")) if p.is_file()}
        return {name: path.read_bytes() for name, path in found.items() if not name.startswith(".git/")}

    # -- rows ----------------------------------------------------------------------------------------------------

    def rows(self, sql: str, *params: Any) -> list[Row]:
        """What ``sql`` says, as superuser."""
        with psycopg.connect(self.database.conninfo, autocommit=True, row_factory=dict_row) as conn:
            cursor = conn.execute(sql, params)
            return cursor.fetchall() if cursor.description else []

    def ids(self) -> dict[str, str]:
        """``workflow_id`` by key."""
        return {row["key"]: str(row["workflow_id"]) for row in self.rows("SELECT * FROM workflow_definitions")}

    def everything(self) -> dict[str, list[Row]]:
        """Both tables, with what tells a rewritten row from one that was left alone."""
        return {
            table: self.rows(f"SELECT *, xmin::text AS xmin_, ctid::text AS ctid_ FROM {table} ORDER BY 1, 2, 3")
            for table in ("workflow_definitions", "workflow_definition_versions")
        }

    def add_row(self, table: str, **values: Any) -> None:
        """Insert a row behind wfsync's back, with the tenant where there is one."""
        column = self.database.tenant_column
        if column is not None:
            values = {column: TENANT} | values
        names = ", ".join(values)
        places = ", ".join(["%s"] * len(values))
        self.rows(f"INSERT INTO {table} ({names}) VALUES ({places})", *values.values())

    def add_run(self, workflow_id: str, status: str, version: int = 1) -> None:
        """A run of a workflow."""
        self.add_row("workflow_runs", workflow_id=workflow_id, workflow_version=version, status=status)

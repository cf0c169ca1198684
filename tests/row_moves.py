"""What may happen to an instance's tables between two runs, as SQL.

For five workflows: one called ``alone`` with three versions, a ``draft``, and ``far``, which calls a caller.
"""

from __future__ import annotations

from typing import Final

from databases import TENANT

__all__ = ["ALTERED", "IMPOSSIBLE", "MOVES", "STAYS"]

MOVES: Final = {
    "update": "UPDATE workflow_definitions SET name = 'other' WHERE key = 'alone'",
    "nothing new": "UPDATE workflow_definitions SET name = name WHERE key = 'alone'",
    "version": 'UPDATE workflow_definition_versions SET definition_json = definition_json || \'{"name": "x"}\''
    " WHERE version = 3",
    "version gone": "DELETE FROM workflow_definition_versions WHERE version = 3",
    "version came": "INSERT INTO workflow_definition_versions (tenant, workflow_id, version, definition_json)"
    " SELECT tenant, workflow_id, 9, draft_definition FROM workflow_definitions WHERE key = 'alone'",
    "again": "CREATE TABLE kept AS SELECT * FROM workflow_definitions WHERE key = 'draft';"
    " DELETE FROM workflow_definitions WHERE key = 'draft';"
    " INSERT INTO workflow_definitions SELECT * FROM kept",
    "sub-transaction": "DO $$ BEGIN BEGIN UPDATE workflow_definitions SET name = 'sub' WHERE key = 'draft';"
    " EXCEPTION WHEN division_by_zero THEN NULL; END; END $$",
    "no key": "UPDATE workflow_definitions SET key = NULL WHERE key = 'draft'",
    "unsound": "UPDATE workflow_definitions SET draft_definition = '[]' WHERE key = 'draft'",
    "row came": "INSERT INTO workflow_definitions (tenant, key, name, payload_schema_ref, draft_definition)"
    f" VALUES ('{TENANT}', 'came', 'Came', 'x', '{{}}')",
    "row gone": "DELETE FROM workflow_definitions WHERE key = 'far'",
}
"""Rows are written."""

STAYS: Final = {
    "aborted": "BEGIN; UPDATE workflow_definitions SET name = 'x'; ROLLBACK",
    "locked": "BEGIN; SELECT FROM workflow_definitions FOR UPDATE; COMMIT",
    "frozen": "VACUUM FREEZE workflow_definitions; VACUUM FREEZE workflow_definition_versions; ANALYZE",
    "run": "INSERT INTO workflow_runs (tenant, workflow_id, workflow_version, status)"
    " SELECT tenant, workflow_id, 1, 'SUCCEEDED' FROM workflow_definitions WHERE key = 'alone'",
}
"""No row of a workflow is written."""

ALTERED: Final = {
    "column with a default": "ALTER TABLE workflow_definitions ADD COLUMN extra text DEFAULT 'x'",
    "column gone": "ALTER TABLE workflow_definitions DROP COLUMN retention_policy_override",
    "names swapped": "ALTER TABLE workflow_definitions RENAME COLUMN name TO n;"
    " ALTER TABLE workflow_definitions RENAME COLUMN description TO name;"
    " ALTER TABLE workflow_definitions RENAME COLUMN n TO description;"
    " ALTER TABLE workflow_definitions ALTER COLUMN name SET DEFAULT ''",
    "type": "ALTER TABLE workflow_definitions ALTER COLUMN description TYPE varchar(200)",
    "rewritten": "VACUUM FULL workflow_definition_versions",
    "emptied and filled": "CREATE TABLE kept AS SELECT * FROM workflow_definition_versions;"
    " TRUNCATE workflow_definition_versions; INSERT INTO workflow_definition_versions SELECT * FROM kept",
}
"""Rows may say something else without being written; statements are separated by "; "."""

IMPOSSIBLE: Final = {
    "row security": "ALTER TABLE workflow_definitions ENABLE ROW LEVEL SECURITY",
    "inherited": "CREATE TABLE child () INHERITS (workflow_definitions)",
    "unlogged": "ALTER TABLE workflow_definition_versions SET UNLOGGED",
    "Citus": "SET allow_system_table_mods = on; INSERT INTO pg_extension SELECT 99999, 'citus', extowner,"
    " extnamespace, false, '12', NULL, NULL FROM pg_extension LIMIT 1",
}
"""From then on nothing is proved."""

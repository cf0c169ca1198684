"""What a worker's role lacks is said before it begins, as GRANTs to copy."""

from __future__ import annotations

from typing import Final

import psycopg
import pytest

from running import RunningDatabases
from wfsync.errors import DatabaseError
from wfsync.store.instance import NIL_TENANT
from wfsync.store.runtime.place import ENGINE_SCHEMA, Place
from wfsync.store.runtime.pool import Pool
from wfsync.store.runtime.rights import require_rights
from wfsync.store.target import Target

ROLE: Final = "Worker of theirs"


def test_a_role_that_runs_what_it_is_told_may_work(running_database: RunningDatabases) -> None:
    database = running_database()
    database.execute(f'CREATE ROLE "{ROLE}" LOGIN')
    try:
        pool = Pool(Place(Target("named", database.server.conninfo(database.name, ROLE)), "public", NIL_TENANT))
        with pool.session() as conn:
            with pytest.raises(DatabaseError) as lacking:
                require_rights(conn, pool.place)
            assert lacking.value.code == "PERMISSION_DENIED"
            hint = str(lacking.value.hint)
            assert f"GRANT USAGE ON SCHEMA {ENGINE_SCHEMA}" in hint.replace('"' + ENGINE_SCHEMA + '"', ENGINE_SCHEMA)
            assert "GRANT SELECT, UPDATE ON TABLE public.workflow_definitions TO" in hint
            database.execute(*hint.removeprefix("let the owner run: ").rstrip(";").split(";"))
            require_rights(conn, pool.place)
            # ... and they are enough for what a worker does first
            conn.execute(f"SELECT count(*) FROM {ENGINE_SCHEMA}.workflow_status, workflow_run_history")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute("DELETE FROM workflow_definitions")  # nothing beyond that
        pool.close()
    finally:
        database.execute(f'DROP OWNED BY "{ROLE}"', f'DROP ROLE "{ROLE}"')

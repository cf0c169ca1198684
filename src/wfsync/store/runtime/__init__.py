"""The rows of runs: every statement that the runtime sends (spec: runtime.md; design/libraries.md "DBOS").

What belongs here: SQL on wfsync's own tables, one module for each thing that has rows, and the one call of the engine's
own SQL function (`queue`). What does not: what a run does next (`wfsync.runtime`), and tables that somebody else made.

Functions take a session that `pool` opened: its ``search_path`` is the schema of the tables, it is in autocommit mode,
and an open transaction that idles is ended by the server. Every statement names the tenant. Locks are taken in one
order: a run, its children, waits, the workflow.
"""

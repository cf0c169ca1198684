"""PostgreSQL: the only room that imports psycopg, and the only one that holds SQL (``sql/`` has the longer texts).

Belongs here: sessions and transactions, the embedded server, which tables and columns an instance has, reading and
writing rows, foreign keys and what a delete would take along, migrations. Errors of the driver end here: what leaves
is a `wfsync.errors.DatabaseError` with a sentence and a hint, never a password.

Does not belong here: what should be written (`plan`), when (`apply`), files (`repo`), settings (`config`). Every
statement on a table with a tenant column names the tenant.
"""

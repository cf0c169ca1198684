"""What wfsync remembers in the target database, in the schema ``wfsync``: managed keys, and a row for each apply.

Belongs here: the schema's migrations and what a role may do with it (`access`, `schema`), its statements (`managed`,
`applies`, `images`). Does not belong here: what is to be remembered (`wfsync.apply.record`), and what follows from it
(`wfsync.plan`). Every function takes an open connection and works in the caller's transaction, but for `ensure`.
"""

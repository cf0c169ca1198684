"""The database's workflows as files: which bytes belong at which path, and writing only those that differ.

Belongs here: rows to ``{path: bytes}`` (pure), what differs from the files that are there, handing both to `repo` to
write. Does not belong here: canonical bytes (`bundle`), renaming files and committing (`repo`), SQL (`store`),
wording (`render`).
"""

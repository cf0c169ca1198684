"""What apply would do, decided and said, never done.

Belongs here: the values `Plan`, `Change`, `FieldChange`; how two workflows are compared; how a plan becomes JSON. All
of it is pure. Does not belong here: reading files or the database (`repo`, `store`), acting (`apply`), wording for a
terminal (`render`).
"""

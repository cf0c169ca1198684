"""Executes stored workflow definitions: the test instance (spec: runtime.md).

What belongs here: the registry of what can be executed, the interpreter (a pure fold from events to commands), the
built-in actions, and the engine that carries commands out durably. What does not: anything about git, plans, applies
and exports. The interpreter, its values and the checks before a publish do no I/O; `engine` reaches PostgreSQL through
`wfsync.store` and is the only room that imports dbos.
"""

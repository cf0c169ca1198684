"""The interpreter: from events to commands, and nothing else (spec: runtime.md "The interpreter and the engine").

Belongs here: the order of steps, branches, loops, retries, routing of errors, the ends of runs. Does not: what a node
does (`wfsync.runtime.nodes`), clocks, randomness, input and output of any kind, JSON Schemas, secrets' values.
"""

from wfsync.runtime.interpreter.machine import Machine, begin, fold

__all__ = ["Machine", "begin", "fold"]

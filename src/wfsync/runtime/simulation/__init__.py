"""A run with nothing behind it: what a workflow would do, step by step, and why (issue 4, section 10).

Belongs here: values made up from schemas and from what steps read, the world that answers with them, the trace. Does
not: reading repositories, printing, calling anything (pure built-in actions excepted), waiting.
"""

from wfsync.runtime.simulation.trace import Manner, Simulation, TraceStep, simulate
from wfsync.runtime.simulation.world import Waits

__all__ = ["Manner", "Simulation", "TraceStep", "Waits", "simulate"]

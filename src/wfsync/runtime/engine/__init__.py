"""Runs that last: turns, taken by any number of workers, on any number of machines (design/libraries.md "DBOS").

A run advances in turns. A turn (`turn`) raises the run's fence, folds the interpreter over the run's history, hears
what was answered since, carries out commands until the run waits or ends, and records each step in one transaction.
Turns are asked for in the transaction that is their reason and handed out by the engine's queue (`launch`, the only
module that imports dbos); the sweeper (`sweeper`) brings back those of the dead, and the heart-beat (`heartbeat`) says
who is dead.

Belongs here: how runs survive. Does not: what a step means (`wfsync.runtime.interpreter`), SQL
(`wfsync.store.runtime`), what people ask of runs (`wfsync.runtime.runs`, `.events`, `.tasks`, `.schedules`).
"""

"""`wfsync watch`: the reconciler as a service. Read `loop` first, then `reconciler`.

Belongs here: when to sync, what one sync is, who leads, what is told about it (log lines, metrics, health), and who may
ask for a sync over HTTP. Does not belong here: how anything is compared or written (`wiring` and `pipeline`, the same
functions that `plan` and `apply` use), options, streams, exit codes and signals (`cli`).
"""

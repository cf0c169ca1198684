"""One command on many targets: which there are, each in a process of its own, one wave after the other.

Belongs here: what is shared by all targets (files are loaded once for each distinct set of policies), processes, and
when the next wave begins. Does not belong here: options and streams (`cli`), and how one target is planned or applied
(`reconciling`, `pipeline`).

Processes, not threads: rows are digested in Python, which threads would do one at a time; a signal unwinds the
transaction of each process as it does that of a single command; loading and reading fork helpers, which is sound only
in a process with one thread; and what a crash takes with it is one target.
"""

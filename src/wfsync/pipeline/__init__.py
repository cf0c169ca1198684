"""The table of contents: load → plan → apply → export, each a short file that calls the rooms below in order.

What belongs here is sequence: which value goes from which room into which. What decides (plan), reads (repo, store,
state), writes (apply, export) or prints (render, cli) does not. It was one module in the first sketch of the house; it
is a package since each of the commands needs a page of its own.
"""

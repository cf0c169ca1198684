"""The command line: parse, call, print. One file per family of commands; the only room that imports click.

Belongs here: options and their help, exit codes, what goes to stdout and what to stderr, progress, signals. Does not
belong here: anything that another edge (a server, a service) would need too: that is `pipeline`, `wiring`, `render`.
Every import of something heavy stands in the command that needs it: ``wfsync --help`` is answered in a blink.
"""

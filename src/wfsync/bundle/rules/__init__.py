"""Checks that a schema cannot say, one file each (spec: bundle.md "Fields", "Order of checks and error codes").

A rule is a pure function from a schema-valid ``workflows[]`` entry to the `Fault`s in it. Rules know paths, never
positions or files: `wfsync.bundle.load` puts a fault into its place. What belongs here says something about one
workflow alone; what needs other files or the database belongs to ``plan``.
"""

from wfsync.bundle.rules.fault import Fault

__all__ = ["Fault"]

"""wfsync: GitOps for workflow definitions, between git and PostgreSQL.

The rooms, bottom up: `errors`, `bundle` (what a file says), `repo` (git), `store` (PostgreSQL), `plan` (decides),
`apply` and `export` (act), `pipeline` (the table of contents), `config`, `render`, `wiring`, `cli`. ``docs/design.md``
draws the flow.

Importing this package imports nothing else: ``wfsync --help`` pays for it.
"""

from typing import Final

__all__ = ["__version__"]

__version__: Final = "0.1.0"

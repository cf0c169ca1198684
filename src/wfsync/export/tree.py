"""Workflows → the bytes of files: pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from wfsync.bundle.canonical import canonical_bytes
from wfsync.bundle.model import Workflow
from wfsync.bundle.parse import Syntax
from wfsync.bundle.structure import bundle_tree
from wfsync.store.moment import rfc3339

__all__ = ["file_bytes"]


def file_bytes(workflows: Sequence[Workflow], exported_at: datetime, syntax: Syntax) -> bytes:
    """The canonical bundle of ``workflows`` (in portable form), as JSON or as YAML with the same order of keys.

    ``exported_at`` is the newest moment of their rows, so that two exports of one state give the same bytes (law 5).
    """
    tree = bundle_tree(workflows, rfc3339(exported_at))
    if syntax == "json":
        return canonical_bytes(tree)
    from wfsync.bundle.yaml_write import write_yaml

    return write_yaml(tree)

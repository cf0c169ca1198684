"""Only apply writes (docs/design.md): nothing else opens the transaction that could."""

from __future__ import annotations

import ast
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "wfsync"
ALLOWED = {
    "apply/execute.py",  # the apply itself
    "apply/adopting.py",  # whose a key is, never a workflow
    "apply/publishing.py",  # one version more of one workflow, under the same locks
    "store/migrate.py",  # `wfsync db upgrade`: the tables, never their rows
    "store/ledger/schema.py",  # the ledger's tables, likewise
    "store/ledger/repair.py",  # those of them that are gone
    "runtime/secret_store.py",  # encrypted secrets, never a workflow
    "store/connection.py",  # where it is defined
}


def test_only_apply_opens_the_write_transaction() -> None:
    users = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Name) and node.id == "write_transaction"
    }
    assert users <= ALLOWED
    assert "apply/execute.py" in users

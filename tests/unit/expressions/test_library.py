"""Without the libraries of ``wfsync[runtime]`` there is a clear error, and nothing is imported before it is needed."""

from __future__ import annotations

import subprocess
import sys

WITHOUT = """
import sys
sys.modules["jsonata"] = None
from wfsync.errors import RuntimeNotInstalled
from wfsync.expressions import check_expression, compile_expression, installed
assert not installed()
try:
    compile_expression("payload.a")
except RuntimeNotInstalled as error:
    print(error.code, "|", error.message, "|", error.hint)
"""
LIGHT = """
import sys
import wfsync.expressions
assert wfsync.expressions.installed()
print(sorted({"jsonata", "re2", "orjson"} & set(sys.modules)))
"""


def run(script: str) -> str:
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()


def test_without_the_libraries() -> None:
    code, message, hint = run(WITHOUT).split(" | ")
    assert code == "RUNTIME_NOT_INSTALLED"
    assert "JSONata is not installed" in message
    assert "pip install 'wfsync[runtime]'" in hint


def test_nothing_heavy_is_imported_early() -> None:
    assert run(LIGHT) == "[]"

"""One compiled expression, and the cache of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from wfsync.expressions.faults import MISSING, EvaluationFailed, ExpressionFault, Missing
from wfsync.expressions.library import require

__all__ = ["Expression", "compile_expression"]

Json = Any


class Expression:
    """A checked expression. Thread-safe: every evaluation has a frame of its own."""

    def __init__(self, text: str, compiled: Any, paths: frozenset[tuple[str, ...]]) -> None:
        self.text = text
        self._compiled = compiled
        self.paths = paths

    def evaluate(self, scope: Mapping[str, Json], now: datetime) -> Json | Missing:
        """PROVISIONAL: no limits yet."""
        from jsonata.utils import Utils

        def coalesce(*values: Any) -> Any:
            return next((v for v in values if v is not None and v is not Utils.NULL_VALUE), None)

        moment = now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        compiled = self._compiled
        for name, function in {
            "nowIso": lambda: moment,
            "coalesce": coalesce,
            "len": lambda x=None: len(x) if isinstance(x, (str, list)) else 0,
            "toString": lambda x=None: x if isinstance(x, str) or x is None else __import__("json").dumps(x),
        }.items():
            compiled.register_lambda(name, function)
        compiled.set_output_convert_nulls(False)
        try:
            result = compiled.evaluate(dict(scope), {})
        except Exception as error:
            raise EvaluationFailed(str(error), getattr(error, "error", "FAILED"), None) from error
        return MISSING if result is None else Utils.convert_nulls(result)


@lru_cache(maxsize=4096)
def compile_expression(text: str) -> Expression:
    """PROVISIONAL. The expression that ``text`` says; raises `ExpressionFault` when it says none."""
    import re

    require()
    from jsonata import Jsonata

    text_ = re.sub(r"('[^']*'|\"[^\"]*\")|==", lambda m: m[1] or "=", text)
    text_ = re.sub(r"(?<![$\w.])(nowIso|coalesce|len|toString|append)\(", r"$\1(", text_)
    try:
        compiled = Jsonata(text_)
    except Exception as error:
        raise ExpressionFault(str(error), code="SYNTAX", offset=getattr(error, "location", None)) from error
    paths = re.findall(r"\b((?:payload|vars|meta|error)(?:\.\w+)*)", text_)
    return Expression(text, compiled, frozenset(tuple(p.split(".")) for p in paths))

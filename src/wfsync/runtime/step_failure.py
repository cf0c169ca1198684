"""Why a step fails, on its way from where it is found to where it is routed."""

from __future__ import annotations

from datetime import datetime

from wfsync.bundle.model import Json, JsonObject
from wfsync.runtime.moments import moment_text
from wfsync.runtime.protocol import Failure

__all__ = ["StepFailed", "error_object", "invalid"]


class StepFailed(Exception):
    """A step cannot be done. Raised below the interpreter, always caught by it."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def invalid(message: str, *, code: str | None = None, details: Json = None) -> StepFailed:
    """A ``ValidationError``: a value has a shape that the step cannot use."""
    return StepFailed(Failure("ValidationError", message, code, details))


def error_object(failure: Failure, path: str, at: datetime) -> JsonObject:
    """``{category, message, nodePath, at, code?, details?}`` of runtime.md "Semantics"."""
    error: JsonObject = {
        "category": failure.category,
        "message": failure.message,
        "nodePath": path,
        "at": moment_text(at),
    }
    if failure.code is not None:
        error["code"] = failure.code
    if failure.details is not None:
        error["details"] = failure.details
    return error

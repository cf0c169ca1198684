"""``log.write``: a line in the run's log."""

from __future__ import annotations

from typing import Any, Final, Literal

from wfsync.bundle.model import Json
from wfsync.runtime.actions.declaring import anything, obj, text
from wfsync.runtime.registry import Action, ActionContext

__all__ = ["LOG"]

_Level = Literal["DEBUG", "INFO", "WARN", "ERROR"]
_LEVELS: Final[dict[str, _Level]] = {
    "debug": "DEBUG",
    "info": "INFO",
    "warn": "WARN",
    "warning": "WARN",
    "error": "ERROR",
}
_LONGEST: Final = 8192


def _run(given: Any, context: ActionContext) -> Json:
    level = _LEVELS[given.get("level", "info").lower()]
    context.log(level, given["message"][:_LONGEST].replace("\0", "\ufffd"), given.get("context"))
    return {"level": level}


LOG: Final = Action(
    id="log.write",
    version=1,
    label="Write to the log",
    description="Writes a line to the log of the run. Secrets in it are masked.",
    input_schema=obj(
        {"message": text("What is written; what is longer than 8192 characters is cut.")},
        {
            "level": {
                "enum": [spelled for name in _LEVELS for spelled in (name, name.upper())],
                "description": "How grave it is.",
                "default": "info",
            },
            "context": anything("More about it, as JSON."),
        },
    ),
    output_schema=obj({"level": {"enum": sorted(set(_LEVELS.values())), "description": "The level that was written."}}),
    # A line more does no harm, and no row before the call is needed to know that.
    side_effects=False,
    run=_run,
)

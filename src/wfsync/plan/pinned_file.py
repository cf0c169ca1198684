"""The plan file: bytes ⇄ `PinnedPlan` (schema: ``schemas/plan-file.v1.schema.json``; reference: docs/plan-files.md).

The whole document is sealed with the target's key, so that nobody who lacks it can add a workflow, widen an option or
change a digest. The seal can be checked only where the key is: first the form (`parse`), then the seal
(`SealedPlan.opened`).
"""

from __future__ import annotations

import hmac
import json
from dataclasses import asdict, dataclass
from typing import Final

from wfsync import __version__
from wfsync.bundle.model import JsonObject
from wfsync.bundle.schema import explain, is_valid
from wfsync.errors import Conflict, InputError, Place, Problem
from wfsync.plan.pinned import (
    RULES,
    PinnedChange,
    PinnedOptions,
    PinnedPlan,
    PinnedSource,
    PinnedTarget,
    Seal,
)

__all__ = ["FORMAT", "FORMAT_VERSION", "MAX_BYTES", "SealedPlan", "is_plan_file", "parse", "to_bytes"]

FORMAT: Final = "wfsync-plan"
FORMAT_VERSION: Final = "1.0"
MAX_BYTES: Final = 256 * 1024 * 1024
"""Of a plan file: about half a million changes."""

_SCHEMA: Final = "plan-file.v1"
_SHOWN_FAULTS: Final = 20


def to_bytes(plan: PinnedPlan, seal: Seal) -> bytes:
    """The file's text, sealed."""
    document = _document(plan)
    document["key_check"] = _key_check(seal)
    document["seal"] = _seal(document, seal)
    return json.dumps(document, ensure_ascii=True, indent=1).encode("ascii") + b"\n"


@dataclass(frozen=True, slots=True)
class SealedPlan:
    """A plan file whose form is right, and whose seal nobody has checked yet."""

    plan: PinnedPlan
    label: str
    _document: JsonObject

    def opened(self, seal: Seal) -> PinnedPlan:
        """The plan, if ``seal`` made it.

        Raises `Conflict` (``PLAN_TARGET_MISMATCH``) when another key made it: another database's; `InputError`
        (``PLAN_FILE_INVALID``) when the key is right and the content is not what was sealed.
        """
        if not hmac.compare_digest(str(self._document["key_check"]), _key_check(seal)):
            raise Conflict(
                f"{self.label} was made for another database ({self.plan.target.display}), or the ledger whose key it"
                " was sealed with has been replaced",
                code="PLAN_TARGET_MISMATCH",
                hint="nothing was written; name the database that was planned for, or make a new plan",
            )
        if not hmac.compare_digest(str(self._document["seal"]), _seal(self._document, seal)):
            raise _invalid(self.label, ["its content is not what wfsync wrote: the seal does not fit"])
        return self.plan


def is_plan_file(data: bytes) -> bool:
    """Whether ``data`` claims to be a plan file, sound or not."""
    return data.lstrip()[:1] == b"{" and f'"{FORMAT}"'.encode() in data[:4096]


def parse(data: bytes, label: str) -> SealedPlan:
    """Read a plan file; ``label`` names it in messages.

    Raises `InputError`: ``PLAN_FILE_INVALID`` for what is no plan file, is cut off or has a wrong form (every fault is
    listed), ``PLAN_FILE_VERSION`` for another version of the format, or of the rules by which plans are made.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        raise _invalid(label, ["it is not JSON, or it is cut off"]) from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise _invalid(label, ["it is no plan that `wfsync plan --out` wrote"])
    version, rules = document.get("format_version"), document.get("rules")
    made_by = document.get("wfsync")
    if version != FORMAT_VERSION:
        raise _other_version(label, f"it has the format version {version}; this wfsync reads {FORMAT_VERSION}", made_by)
    if rules != RULES:
        raise _other_version(
            label, f"it was made under rules {rules} for comparing workflows; this wfsync has rules {RULES}", made_by
        )
    if not is_valid(_SCHEMA, document):
        faults = [f"{_where(fault.path)}{fault.message}" for fault in explain(_SCHEMA, document)]
        raise _invalid(label, faults[:_SHOWN_FAULTS])
    return SealedPlan(_value(document), label, document)


def _document(plan: PinnedPlan) -> JsonObject:
    target, source, options = plan.target, plan.source, plan.options
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "id": plan.id,
        "wfsync": plan.made_by,
        "rules": plan.rules,
        "made_at": plan.made_at,
        "key": plan.key,
        "target": asdict(target),
        "source": asdict(source),
        "options": {**asdict(options), "select": list(options.select), "exclude": list(options.exclude)},
        "summary": {
            **{action: plan.actions().get(action, 0) for action in ("create", "overwrite", "delete", "relink")},
            "unchanged": plan.unchanged,
        },
        "changes": [asdict(change) for change in plan.changes],
        "blocked": list(plan.blocked),
    }


def _value(document: JsonObject) -> PinnedPlan:
    options = document["options"]
    return PinnedPlan(
        id=document["id"],
        made_by=document["wfsync"],
        made_at=document["made_at"],
        rules=document["rules"],
        key=document["key"],
        target=PinnedTarget(**document["target"]),
        source=PinnedSource(**document["source"]),
        options=PinnedOptions(
            **{**options, "select": tuple(options["select"]), "exclude": tuple(options["exclude"])},
        ),
        changes=tuple(PinnedChange(**change) for change in document["changes"]),
        blocked=tuple(document["blocked"]),
        unchanged=document["summary"]["unchanged"],
    )


def _key_check(seal: Seal) -> str:
    return seal.of_text("key")


def _seal(document: JsonObject, seal: Seal) -> str:
    return seal.of_value("file", {name: value for name, value in document.items() if name != "seal"})


def _where(path: tuple[str | int, ...]) -> str:
    return ".".join(map(str, path)) + ": " if path else ""


def _invalid(label: str, faults: list[str]) -> InputError:
    is_one = len(faults) == 1
    listed = [Problem(code="PLAN_FILE_INVALID", message=fault, place=Place(label)) for fault in faults]
    return InputError(
        f"{label} is not a plan file that wfsync can use: {faults[0] if is_one else f'{len(faults)} faults'}",
        code="PLAN_FILE_INVALID",
        hint="nothing was written; make a new one with `wfsync plan --out FILE`",
        problems=() if is_one else listed,
    )


def _other_version(label: str, fault: str, made_by: object) -> InputError:
    by = f" by wfsync {made_by}" if isinstance(made_by, str) and made_by != __version__ else ""
    message = f"{label} was made{by} in another way: {fault}"
    return InputError(
        message,
        code="PLAN_FILE_VERSION",
        hint=f"nothing was written; use the wfsync that made it, or make a new plan with this one ({__version__})",
        problems=[Problem(code="PLAN_FILE_VERSION", message=fault, place=Place(label))],
    )

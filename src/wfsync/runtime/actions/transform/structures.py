"""Objects and lists: putting them together, taking fields, the first value that is there."""

from __future__ import annotations

from typing import Final

from wfsync.bundle.model import Json, JsonObject
from wfsync.runtime.actions.declaring import FORBIDDEN_NAMES, anything, array, flag, invalid, obj, pure, text
from wfsync.runtime.registry import Action

__all__ = ["STRUCTURES"]


def _object(description: str, **rules: Json) -> JsonObject:
    return {"type": "object", "description": description, **rules}


def _safe(name: str) -> str:
    if name in FORBIDDEN_NAMES:
        raise invalid(f"{name} is not allowed as the name of a field", code="FORBIDDEN_NAME", details={"name": name})
    return name


def _coalesce(given: JsonObject) -> Json:
    skip_empty = given.get("skipEmpty", False)
    for index, value in enumerate(given["values"]):
        if value is not None and not (skip_empty and value in ("", [], {})):
            return {"value": value, "index": index}
    return {"value": None, "index": None}


def _build_object(given: JsonObject) -> Json:
    built: JsonObject = {_safe(name): value for name, value in given.get("fields", {}).items()}
    for entry in given.get("entries", []):
        built[_safe(entry["name"])] = entry["value"]
    if given.get("skipNull", False):
        built = {name: value for name, value in built.items() if value is not None}
    return {"object": built}


def _pick(given: JsonObject) -> Json:
    source, wanted, absent = given["object"], given["fields"], given.get("missing", "skip")
    lacking: list[Json] = [name for name in wanted if name not in source]
    if lacking and absent == "fail":
        raise invalid(
            f"the object has no {', '.join(map(str, lacking))}", code="FIELD_MISSING", details={"fields": lacking}
        )
    return {"object": {_safe(name): source.get(name) for name in wanted if name in source or absent == "null"}}


def _rename(given: JsonObject) -> Json:
    source, names = given["object"], given["names"]
    renamed: JsonObject = {}
    for name, value in source.items():
        if name not in names and not given.get("keepOthers", True):
            continue
        new = _safe(names.get(name, name))
        if new in renamed:
            raise invalid(f"two fields would be called {new}", code="FIELD_TWICE", details={"name": new})
        renamed[new] = value
    return {"object": renamed}


def _append(given: JsonObject) -> Json:
    added = [given["value"]] if "value" in given else given["values"]
    return {"items": [*given["items"], *added]}


def _build_array(given: JsonObject) -> Json:
    values = given["values"]
    if given.get("flatten", False):
        values = [part for value in values for part in (value if isinstance(value, list) else [value])]
    if given.get("skipNull", False):
        values = [value for value in values if value is not None]
    return {"items": values}


_BUILT: Final = obj({"object": _object("The outcome.")})
_LIST: Final = obj({"items": array("The outcome.")})

STRUCTURES: Final[tuple[Action, ...]] = (
    pure(
        "transform.coalesce_value",
        "First value that is there",
        "Gives the first value of a list that is not null; null where there is none.",
        takes=obj(
            {"values": array("The candidates, best first.")},
            {"skipEmpty": flag("Whether empty texts, lists and objects are passed over, too.", default=False)},
        ),
        gives=obj(
            {
                "value": anything("The first value that is there."),
                "index": {"type": ["integer", "null"], "description": "Where it stands in the list, from 0."},
            }
        ),
        does=_coalesce,
    ),
    pure(
        "transform.build_object",
        "Build an object",
        "Makes an object of fields, of entries whose names are computed, or of both. Entries win, later over earlier.",
        takes=obj(
            {},
            {
                "fields": _object("Fields by name."),
                "entries": array(
                    "Fields with computed names.", obj({"name": text("Its name."), "value": anything("Its value.")})
                ),
                "skipNull": flag("Whether fields that are null are left out.", default=False),
            },
            anyOf=[{"required": ["fields"]}, {"required": ["entries"]}],
        ),
        gives=_BUILT,
        does=_build_object,
    ),
    pure(
        "transform.pick_fields",
        "Pick fields",
        "Makes an object of some fields of another.",
        takes=obj(
            {"object": _object("Where they are taken from."), "fields": array("Their names.", {"type": "string"})},
            {
                "missing": {
                    "enum": ["skip", "null", "fail"],
                    "description": "What becomes of a field that the object lacks: left out, null, or the call fails.",
                    "default": "skip",
                }
            },
        ),
        gives=_BUILT,
        does=_pick,
    ),
    pure(
        "transform.rename_fields",
        "Rename fields",
        "Gives fields of an object other names. Two fields of one name are a failure.",
        takes=obj(
            {
                "object": _object("Whose fields are renamed."),
                "names": _object("New names by old ones.", additionalProperties={"type": "string", "minLength": 1}),
            },
            {"keepOthers": flag("Whether fields that are not named stay.", default=True)},
        ),
        gives=_BUILT,
        does=_rename,
    ),
    pure(
        "transform.append_array",
        "Append to a list",
        "Adds one value, or all of another list, to the end of a list.",
        takes=obj(
            {"items": array("The list.")},
            {"value": anything("One value; a list is added as one item."), "values": array("Several values.")},
            oneOf=[{"required": ["value"]}, {"required": ["values"]}],
        ),
        gives=_LIST,
        does=_append,
    ),
    pure(
        "transform.build_array",
        "Build a list",
        "Makes a list of values.",
        takes=obj(
            {"values": array("The items.")},
            {
                "flatten": flag("Whether items that are lists are put in item by item (one level).", default=False),
                "skipNull": flag("Whether null is left out, after flattening.", default=False),
            },
        ),
        gives=_LIST,
        does=_build_array,
    ),
)

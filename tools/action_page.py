"""Writes ``docs/actions.md`` from the schemas of the built-in actions. ``--check`` only says whether it is stale.

What an example gives is not written down: the action is called with it.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wfsync.runtime.actions import built_in_actions
from wfsync.runtime.registry import Action

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "actions.md"
HEAD = ROOT / "tools" / "action_page_head.md"

EXAMPLES: dict[str, Any] = {
    "convert_html_to_blocks": {"html": "<p>Look <a href='https://example.com'>here</a>,<br><b>now</b>.</p>"},
    "parse_email_reply": {"text": "It works.\n-- \nAnn\n\nOn 4 May 2026, Bo wrote:\n> Does it work? [#4711]\n"},
    "transform.append_array": {"items": ["a"], "value": "b"},
    "transform.build_array": {"values": ["a", None, ["b", "c"]], "flatten": True, "skipNull": True},
    "transform.build_object": {"fields": {"kind": "order"}, "entries": [{"name": "id-7", "value": True}]},
    "transform.coalesce_value": {"values": [None, "", "third"], "skipEmpty": True},
    "transform.concat_text": {"parts": ["order ", 7, None]},
    "transform.join_text": {"items": ["a", None, "b"], "separator": ", ", "skipEmpty": True},
    "transform.lowercase_text": {"text": "ÜBER"},
    "transform.parse_json": {"text": '{"total": 12.5}'},
    "transform.pick_fields": {"object": {"id": 7, "name": "Ann", "age": 40}, "fields": ["id", "name"]},
    "transform.query_json": {
        "value": {"items": [{"sku": "a", "price": 9}, {"sku": "b", "price": 2}]},
        "query": "value.items[price > 5].sku",
    },
    "transform.regex_extract": {"text": "Fixes #12 and #40.", "pattern": "#([0-9]+)", "group": 1},
    "transform.regex_match": {"text": "Re: Printer [#4711]", "pattern": r"\[#(?P<ticket>[0-9]+)\]"},
    "transform.regex_replace": {"text": "Lee, Ann", "pattern": r"(\w+), (\w+)", "replacement": "$2 $1"},
    "transform.rename_fields": {"object": {"id": 7, "name": "Ann"}, "names": {"id": "number"}},
    "transform.replace_text": {"text": "a-b-c", "search": "-", "replacement": "/"},
    "transform.split_text": {"text": "a, b,,c", "separator": ",", "trim": True, "skipEmpty": True},
    "transform.stringify_json": {"value": {"b": 1, "a": [2]}, "sortNames": True},
    "transform.trim_text": {"text": "  text\n"},
    "transform.truncate_text": {"text": "A sentence that is too long.", "maxLength": 12},
    "transform.uppercase_text": {"text": "straße"},
}


class Context:
    """What actions without side effects need to know: nothing."""

    run_id = step_path = idempotency_key = "example"
    attempt = 1
    now = datetime(2026, 5, 4, tzinfo=UTC)
    transaction = None

    def log(self, *_: object) -> None:
        """Nowhere."""

    def setting(self, _name: str) -> str | None:
        """None is set."""
        return None


def page() -> str:
    """The page."""
    lines = [HEAD.read_text("utf-8").rstrip("\n")]
    for action in built_in_actions():
        lines += _section(action)
    return "\n".join(lines) + "\n"


def _section(action: Action) -> list[str]:
    lines = ["", f"## `{action.id}` version {action.version}", "", action.description or ""]
    lines += ["", "Has side effects." if action.side_effects else "Has no side effects."]
    for title, schema in (("Input", action.input_schema), ("Output", action.output_schema)):
        lines += ["", f"| {title} | type | |", "|---|---|---|", *_rows(schema, "")]
    if action.id in EXAMPLES and action.run is not None:
        given = EXAMPLES[action.id]
        gives = action.run(given, Context())
        lines += ["", "```json", _json(given), _json(gives), "```"]
    return lines


def _rows(schema: Any, prefix: str) -> list[str]:
    rows = []
    required = schema.get("required", [])
    for name, rule in schema.get("properties", {}).items():
        optional = "" if name in required else "?"
        words = rule.get("description", "")
        if "default" in rule:
            words = f"{words} Default: `{json.dumps(rule['default'], ensure_ascii=False)}`."
        rows.append(f"| `{prefix}{name}`{optional} | {_type(rule)} | {words.replace('|', chr(92) + '|')} |")
        rows += _rows(rule, f"{prefix}{name}.") if "properties" in rule else []
        items = rule.get("items", {})
        rows += _rows(items, f"{prefix}{name}[].") if isinstance(items, dict) and "properties" in items else []
    return rows


def _type(rule: Any) -> str:
    if "enum" in rule:
        return ", ".join(f"`{value}`" for value in rule["enum"])
    if "const" in rule:
        return f"`{json.dumps(rule['const'])}`"
    if "anyOf" in rule:
        return " or ".join(map(_type, rule["anyOf"]))
    kinds = rule.get("type", "any")
    named = " or ".join(kinds) if isinstance(kinds, list) else kinds
    low, high = (rule.get(name, "") for name in ("minimum", "maximum"))
    if "array" in named and isinstance(rule.get("items"), dict) and rule["items"]:
        named = f"{named} of {_type(rule['items'])}"
    return f"{named} {low}…{high}" if low != "" or high != "" else named


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def main(*, check: bool) -> int:
    """Write the page if it differs, or name it; 1 when ``check`` found it stale."""
    text = page()
    if PAGE.is_file() and PAGE.read_text("utf-8") == text:
        return 0
    print(f"{'stale' if check else 'written'}: docs/actions.md")
    if not check:
        PAGE.write_text(text, "utf-8", newline="\n")
    return 1 if check else 0


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))

"""Hypothesis strategies for valid bundles, hostile values included.

What is drawn is valid by bundle.md and is held the way wfsync's readers hold JSON: integral numbers are ``int`` of any
size, floats are never integral, texts have neither U+0000 nor lone surrogates. Hostile are the values inside:
characters beyond the basic plane (UTF-16 order), control characters, integers beyond 2^53 and 64 bits, deep nesting,
empty containers, object keys such as ``""``, ``a/b``, ``~`` and ``__proto__``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from hypothesis import strategies as st

from corpus_edits import dependencies, steps_of
from wfsync.bundle.numbers import parse_number

__all__ = ["bundle_of", "definitions", "json_objects", "json_values", "keys", "repositories", "texts", "workflows"]

JsonObject = dict[str, Any]

_INT32: Final = 2**31 - 1
_RESERVED: Final = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d|wfsync|registry|overlay|overlays)(?:\.|$)")
_HEX32: Final = re.compile(r"[0-9a-f]{32}")
_NODE_TYPES: Final = (
    "state.set", "transform.assign", "action.call", "event.wait", "time.wait", "human.task", "email.parseBody",
    "email.renderCommentBlocks", "acme.custom-node",
)  # fmt: skip
_ODD_KEYS: Final = (
    "", " ", "a", "A", "a/b", "~", "~0", "a.b", "[0]", "__proto__", "constructor", "id", "steps", "null", "on", "1",
    "\n", "\x7f", "\u2028", "\ue000", "\uffff", "😀", "é", "e\u0301", '"', "\\",
)  # fmt: skip
_ODD_TEXTS: Final = (
    "", " ", "\n", "trailing \n", "on", "no", "0x1f", "1e3", "1_000", "~", "null", "2026-01-01", "=", "<<", "- a",
    "a: b", "# no comment", "%tag", "'", '"', "\\", "\x01\x1f", "\x7f\x85", "\u2028\u2029", "\ufeff", "\ue000\uffff",
    "😀", "👩‍👩‍👧", "::error file=a::b", "```", "@everyone", "\u202eabc", "</script>", "{{ x }}", "0.50", "\t", "a\tb",
    "\r\n", "x" * 300,
)  # fmt: skip
_ODD_INTEGERS: Final = (
    0, -1, 2**31, 2**53, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 2**64, 10**21 - 1, 10**21, 10**21 + 1,
    10**22 + 10**3, 10**40, -(10**300),
)  # fmt: skip
_ODD_FLOATS: Final = (0.5, -0.25, 1.5, 1e-7, 1e-6, 0.1, 5e-324, 2.2250738585072014e-308, 123456.789, 0.30000000000004)

_BASE_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@cache
def texts(*, min_size: int = 0) -> st.SearchStrategy[str]:
    """Texts that jsonb can hold."""
    return (st.sampled_from(_ODD_TEXTS) | _BASE_TEXT).filter(lambda text: len(text) >= min_size)


def _exact(value: float) -> int | float:
    """``value`` as a reader gives it: those few floats that orjson spells unlike RFC 8785 have a type of their own."""
    return parse_number(repr(value))


@cache
def _numbers() -> st.SearchStrategy[int | float]:
    return st.one_of(
        st.integers(-1000, 1000),
        st.sampled_from(_ODD_INTEGERS),
        st.sampled_from(_ODD_FLOATS).map(_exact),
        st.integers(-(10**30), 10**30),
        st.floats(allow_nan=False, allow_infinity=False).map(_exact),
    )


@cache
def _object_keys() -> st.SearchStrategy[str]:
    return st.sampled_from(_ODD_KEYS) | _BASE_TEXT.filter(lambda key: not key.startswith("$"))


@cache
def json_values(*, max_leaves: int = 8) -> st.SearchStrategy[Any]:
    """Any JSON value, now and then nested a hundred levels deep."""
    scalars = st.none() | st.booleans() | _numbers() | texts()
    trees = st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_object_keys(), inner, max_size=3),
        max_leaves=max_leaves,
    )
    # rarely a chain: every object in one list or object more, so that depth and not width is what hurts
    chains = st.builds(_chain, scalars, st.integers(2, 100), st.booleans())
    return st.one_of(*[trees] * 7, chains)


def _chain(value: Any, depth: int, objects: bool) -> Any:
    for _ in range(depth):
        value = {"deep": value} if objects else [value]
    return value


@cache
def json_objects() -> st.SearchStrategy[JsonObject]:
    """Any JSON object, empty ones included."""
    return st.dictionaries(_object_keys(), json_values(), max_size=3)


@cache
def keys() -> st.SearchStrategy[str]:
    """Workflow keys: also one character and 200 characters, with dots and dashes; never UUIDs or reserved names."""
    pattern = st.from_regex(r"\A[a-z0-9][a-z0-9._-]{0,20}\Z")
    odd = st.sampled_from(("a", "0", "a.", "a-_.", "x" * 200, "support.triage", "1e3", "null", "true", "a.json", "no"))
    return (pattern | odd).filter(_is_allowed_key)


def _is_allowed_key(key: str) -> bool:
    return _RESERVED.match(key) is None and _HEX32.fullmatch(key.replace("-", "")) is None


@cache
def _expressions() -> st.SearchStrategy[JsonObject]:
    """Expressions that compile: what they compute does not matter here."""
    sound = st.sampled_from(
        (
            "payload.id",
            "vars.x = 1",
            "coalesce(payload.a, 'é😀')",
            "len(payload.items) > 0",
            "nowIso()",
            "'a' & \"b\"",
            "[1..3]",
        )
    )
    return st.builds(lambda text: {"$expr": text}, sound)


@cache
def _mappings() -> st.SearchStrategy[JsonObject]:
    secret = st.just({"$secret": "API_TOKEN"})
    return st.dictionaries(_object_keys(), _expressions() | secret | json_values(max_leaves=4), max_size=3)


@cache
def _retries() -> st.SearchStrategy[JsonObject]:
    return st.fixed_dictionaries(
        {"maxAttempts": st.integers(1, 10), "backoffMs": st.integers(0, 10**6)},
        optional={
            "backoffMultiplier": st.sampled_from((1, 1.5, 2)),
            "jitter": st.booleans(),
            "maxDelayMs": st.integers(0, 10**9),
            "retryOn": st.lists(st.sampled_from(("TransientError", "ActionError", "TimeoutError")), unique=True),
        },
    )


@cache
def _on_error() -> st.SearchStrategy[JsonObject]:
    return st.builds(lambda policy: {"policy": policy}, st.sampled_from(("fail", "continue")))


@cache
def _triggers() -> st.SearchStrategy[JsonObject]:
    event = st.fixed_dictionaries(
        {"type": st.just("event"), "eventName": texts(min_size=1)},
        optional={"sourcePayloadSchemaRef": texts(min_size=1), "payloadMapping": _mappings()},
    )
    schedule = st.builds(lambda at: {"type": "schedule", "runAt": at}, _instants())
    recurring = st.builds(
        lambda cron, zone: {"type": "recurring", "cron": cron, "timezone": zone},
        st.sampled_from(("0 2 * * *", "*/5 8-18 * * 1-5", "30 23 28 2 *")),
        st.sampled_from(("UTC", "Europe/Berlin", "America/St_Johns")),
    )
    return event | schedule | recurring


@cache
def _instants() -> st.SearchStrategy[str]:
    naive = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31))  # noqa: DTZ001 - hypothesis wants naive bounds
    return naive.map(lambda at: at.replace(tzinfo=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"))


@st.composite
def _node_steps(draw: st.DrawFn) -> JsonObject:
    kind = draw(st.sampled_from(_NODE_TYPES))
    config = draw(json_objects())
    if kind == "action.call":
        config |= {
            "actionId": draw(texts(min_size=1)),
            "version": draw(st.integers(1, 9)),
            "inputMapping": draw(_mappings()),
        }
    optional: dict[str, st.SearchStrategy[Any]] = {"name": texts(), "retry": _retries(), "onError": _on_error()}
    empty: dict[str, st.SearchStrategy[Any]] = {}
    extra = draw(st.fixed_dictionaries(empty, optional=optional))
    if draw(st.booleans()) or config:
        extra["config"] = config
    return {"id": "", "type": kind, **extra}


def _control_steps(blocks: st.SearchStrategy[list[JsonObject]]) -> st.SearchStrategy[JsonObject]:
    def step(kind: str, required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[JsonObject]:
        fixed = {"id": st.just(""), "type": st.just(f"control.{kind}")}
        return st.fixed_dictionaries({**fixed, **required}, optional=optional)

    each = {"concurrency": st.integers(1, 50), "onItemError": st.sampled_from(("continue", "fail"))}
    return st.one_of(
        step("if", {"condition": _expressions(), "then": blocks}, {"else": blocks}),
        step("forEach", {"items": _expressions(), "itemVar": st.sampled_from(("item", "line")), "body": blocks}, each),
        step("tryCatch", {"try": blocks, "catch": blocks}, {"captureErrorAs": st.just("failure")}),
        step("return", {}, {}),
    )


@cache
def _blocks() -> st.SearchStrategy[list[JsonObject]]:
    leaves = st.lists(_node_steps(), max_size=3)
    return st.recursive(leaves, lambda inner: st.lists(_node_steps() | _control_steps(inner), max_size=3), max_leaves=5)


@st.composite
def definitions(
    draw: st.DrawFn, key: str | None = None, version: int = 1, callees: tuple[tuple[str, int], ...] = ()
) -> JsonObject:
    """A sound definition: unique step ids, every step type; it may call the ``callees`` (key, version)."""
    steps = draw(_blocks())
    for callee, called in draw(st.lists(st.sampled_from(callees), max_size=2)) if callees else ():
        call: JsonObject = {"id": "", "type": "control.callWorkflow", "workflowId": callee, "workflowVersion": called}
        call |= draw(st.fixed_dictionaries({}, optional={"inputMapping": _mappings(), "retry": _retries()}))
        homes = [steps, *(step[name] for _, _, step in steps_of(steps) for name in _block_names(step))]
        home = draw(st.sampled_from(range(len(homes))))
        homes[home].insert(draw(st.integers(0, len(homes[home]))), call)
    # numbered last, in copies: one drawn object may stand in several places
    steps = _with_ids(steps, draw(st.sampled_from(("step-", "", "é😀/", " "))), iter(range(10**6)))
    required = {"version": st.just(version), "name": texts(min_size=1), "payloadSchemaRef": texts(min_size=1)}
    definition = draw(st.fixed_dictionaries(required, optional={"description": texts(), "trigger": _triggers()}))
    return {**({} if key is None else {"id": key}), **definition, "steps": steps}


def _block_names(step: JsonObject) -> list[str]:
    return [name for name in ("then", "else", "body", "try", "catch") if name in step]


def _with_ids(steps: list[JsonObject], stem: str, numbers: Any) -> list[JsonObject]:
    return [
        {**step, "id": f"{stem}{next(numbers)}", **{n: _with_ids(step[n], stem, numbers) for n in _block_names(step)}}
        for step in steps
    ]


@cache
def _metadata() -> st.SearchStrategy[JsonObject]:
    nothing = st.none()
    threshold = st.integers(0, 99999).map(lambda cents: _exact(cents / 100))
    return st.fixed_dictionaries(
        {
            "name": texts(min_size=1),
            "description": nothing | texts(),
            "payloadSchemaRef": texts(min_size=1),
            "payloadSchemaMode": nothing | st.sampled_from(("pinned", "inferred")),
            "pinnedPayloadSchemaRef": nothing | texts(min_size=1),
            "trigger": nothing | _triggers(),
            "isSystem": st.booleans(),
            "isVisible": st.booleans(),
            "isPaused": st.booleans(),
            "concurrencyLimit": nothing | st.integers(1, _INT32),
            "autoPauseOnFailure": st.booleans(),
            "failureRateThreshold": nothing | threshold | st.sampled_from(("0.5", "0.50", "999.99", "0", "5e-1")),
            "failureRateMinRuns": nothing | st.integers(0, _INT32),
            "retentionPolicyOverride": nothing | json_objects(),
        }
    )


@st.composite
def workflows(
    draw: st.DrawFn,
    key: str | None = None,
    versions: tuple[int, ...] | None = None,
    callees: tuple[tuple[str, int], ...] = (),
) -> JsonObject:
    """A valid bundle of one workflow; ``dependencies`` are the derived ones."""
    chosen = draw(keys()) if key is None else key
    numbers = draw(_version_numbers()) if versions is None else versions
    # definition.id may be missing in a file, and never counts as a difference
    identity = chosen if draw(st.booleans()) else None
    draft_version = draw(st.integers(1, 99) | st.just(_INT32))
    workflow: JsonObject = {
        "key": chosen,
        "metadata": draw(_metadata()),
        "dependencies": {},
        "draft": {
            "draftVersion": draft_version,
            "definition": draw(definitions(identity, draft_version, callees)),
        },
        "publishedVersions": [
            {
                "version": number,
                "definition": draw(definitions(identity, number, callees)),
                "payloadSchemaJson": draw(st.none() | json_objects()),
            }
            for number in numbers
        ],
    }
    workflow["dependencies"] = dependencies(workflow)
    return bundle_of([workflow], draw(_instants()))


@cache
def _version_numbers() -> st.SearchStrategy[tuple[int, ...]]:
    """Version numbers in any order, with gaps and the largest allowed."""
    return st.lists(st.integers(1, 5) | st.just(_INT32), unique=True, max_size=3).map(tuple)


def bundle_of(members: list[JsonObject], exported_at: str = "2026-01-01T00:00:00.000Z") -> JsonObject:
    """A bundle that holds the workflow objects ``members``."""
    return {"format": "alga-psa.workflow-bundle", "formatVersion": 1, "exportedAt": exported_at, "workflows": members}


@st.composite
def repositories(
    draw: st.DrawFn, min_size: int = 1, max_size: int = 4, *, names: Sequence[str] = ()
) -> dict[str, JsonObject]:
    """Keys (or ``names``) and their bundles, which call one another: also themselves, in cycles, in both directions."""
    names = names or draw(st.lists(keys(), min_size=min_size, max_size=max_size, unique=True))
    numbers = {name: draw(_version_numbers()) for name in names}
    callees = tuple((name, number) for name in names for number in numbers[name])
    return {name: draw(workflows(name, numbers[name], callees)) for name in names}

"""Definitions drawn at random: every type of step, nested, with retries, policies and expressions that may fail."""

from __future__ import annotations

from hypothesis import strategies as st

from machines import call, control, definition, expr, loop, node
from wfsync.bundle.model import JsonObject

__all__ = ["definitions"]

# The first ones are drawn most: a run that fails at its first expression teaches little.
VALUES = [
    "1",
    "'a'",
    "payload.n",
    "[1, 2]",
    "coalesce(vars.a, 0)",
    "coalesce(item, index, 9)",
    "vars.b",
    "payload.gone",
]
CONDITIONS = ["true", "false", "payload.n = 1", "$exists(vars.a)", "$exists(error)", "payload.gone"]
ITEMS = ["[1, 2, 3]", "[1, 2]", "payload.items", "payload.gone", "7", "coalesce(vars.a, [])", "1 + 'a'"]
PATHS = ["vars.a", "vars.b", "/x", "payload.items", "meta.tags", "error.note", "vars.a.deep"]


def one_of(values: list[str]) -> st.SearchStrategy[str]:
    return st.integers(0, 3 * len(values)).map(
        lambda n: values[n % len(values)] if n > 2 * len(values) else values[n % (len(values) - 2)]
    )


@st.composite
def steps(draw: st.DrawFn, depth: int, names: list[int], least: int = 0) -> list[JsonObject]:
    return [draw(step(depth, names)) for _ in range(draw(st.integers(least, least + 3)))]


@st.composite
def step(draw: st.DrawFn, depth: int, names: list[int]) -> JsonObject:  # noqa: C901, PLR0912 — a case for each type of step
    names.append(1)
    name = f"s{len(names)}"
    kinds = ["set", "assign", "call", "call", "event", "time", "task", "child"]
    if depth:
        kinds += ["if", "loop", "loop", "try"]
    if depth == 1:
        kinds.append("return")
    inner = steps(depth - 1, names)
    made: JsonObject
    match draw(st.sampled_from(kinds)):
        case "if":
            return control(
                name, "if", condition=expr(draw(one_of(CONDITIONS))), then=draw(inner), **{"else": draw(inner)}
            )
        case "loop":
            policy = draw(st.sampled_from(["continue", "fail"]))
            concurrency = draw(st.sampled_from([1, 2, 5]))
            items = draw(one_of(ITEMS))
            return loop(name, items, *draw(inner), concurrency=concurrency, onItemError=policy)
        case "try":
            captured = draw(st.sampled_from([{}, {"captureErrorAs": "problem"}, {"captureErrorAs": "vars.a.x"}]))
            return control(name, "tryCatch", **{"try": draw(inner), "catch": draw(inner)}, **captured)
        case "return":
            return control(name, "return")
        case "set":
            return node(name, "state.set", state=expr(draw(one_of(["'A'", "'B'", "payload.gone"]))))
        case "assign":
            paths = draw(st.lists(one_of(PATHS), min_size=1, max_size=2, unique=True))
            return node(name, "transform.assign", assign={path: expr(draw(one_of(VALUES))) for path in paths})
        case "call":
            made = call(name, saveAs=draw(st.sampled_from(["a", "b", "vars.a.x", "/x"])))
        case "event":
            made = node(name, "event.wait", eventName="E", correlationKey="k", timeoutMs=60_000)
        case "time":
            made = node(name, "time.wait", mode="duration", durationMs=1000)
        case "task":
            made = node(name, "human.task", taskType="t", title="T")
        case _:
            mapping = {draw(one_of(PATHS)): expr("coalesce(vars.a, payload.n)")}
            made = control(name, "callWorkflow", workflowId="w", workflowVersion=1, outputMapping=mapping)
    retry = draw(
        st.sampled_from(
            [
                None,
                None,
                {"maxAttempts": 2, "backoffMs": 100},
                {"maxAttempts": 3, "backoffMs": 9, "retryOn": ["TimeoutError"]},
            ]
        )
    )
    if retry:
        made["retry"] = retry
    if draw(st.booleans()):
        made["onError"] = {"policy": draw(st.sampled_from(["continue", "continue", "fail"]))}
    return made


@st.composite
def definitions(draw: st.DrawFn) -> JsonObject:
    return definition(*draw(steps(3, [], 2)))

"""registry.yaml beyond its schema: every fault at its place, all at once."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from wfsync.bundle.registry_file import delay_ms, read_registry
from wfsync.errors import InputError, Problem

ROOT: Final = Path(__file__).parents[3]


def faults(text: str, file: str = "registry.yaml") -> list[Problem]:
    with pytest.raises(InputError) as caught:
        read_registry(text.encode(), file)
    assert caught.value.code == "INVALID_REGISTRY"
    assert {p.code for p in caught.value.problems} == {"INVALID_REGISTRY"}
    return list(caught.value.problems)


def only(text: str) -> Problem:
    [problem] = faults(text)
    return problem


def action(members: str) -> str:
    """A file with one action, in its second line."""
    return f"version: 1\nactions: [{{id: a, version: 1, {members}}}]\n"


def at(problem: Problem) -> tuple[int | None, int | None, str | None]:
    assert problem.place is not None
    return problem.place.line, problem.place.column, problem.place.pointer


# -------------------------------------------------------------------------------------------------------- JSON Schemas


@pytest.mark.parametrize("member", ["input", "output"])
@pytest.mark.parametrize(
    ("schema", "inside", "words"),
    [
        ("{type: objekt}", "/type", 'not "objekt"'),
        ("{properties: {n: {minimum: x}}}", "/properties/n/minimum", "must be a number"),
        ("{pattern: '(?=a)'}", "/pattern", "look-around"),
        ("{pattern: '('}", "/pattern", "is no regular expression"),
        ("{patternProperties: {'(a)\\1': true}}", "/patternProperties/(a)\\1", "back-references"),
        ("{allOf: [{$ref: 'https://example.com/s'}]}", "/allOf/0/$ref", "another document"),
        ("{$ref: '#/definitions/gone'}", "", "does not exist"),
        ("{required: [a, a]}", "/required", "lists something twice"),
        ("{$schema: 5}", "/$schema", "must be text"),
    ],
)
def test_what_is_no_schema_is_placed_inside(member: str, schema: str, inside: str, words: str) -> None:
    problem = only(action(f"{member}: {schema}"))
    assert at(problem)[2] == f"/actions/0/{member}{inside}"
    assert at(problem)[0] == 2
    assert words in problem.message


def test_schemas_of_node_types_and_payloads_are_checked_too() -> None:
    text = "version: 1\nnodeTypes:\n  - {id: a, config: {type: 1}}\nschemas:\n  - {ref: a, schema: {items: 1}}\n"
    assert [at(p) for p in faults(text)] == [
        (3, 28, "/nodeTypes/0/config/type"),
        (5, 30, "/schemas/0/schema/items"),
    ]


@pytest.mark.parametrize(
    "schema", ["true", "false", "{}", "{format: nonsense}", "{$schema: 'http://json-schema.org/draft-07/schema#'}"]
)
def test_what_is_a_schema(schema: str) -> None:
    read_registry(action(f"input: {schema}").encode(), "registry.yaml")


def test_a_schema_of_a_later_draft_is_judged_by_that() -> None:
    later = "$schema: 'https://json-schema.org/draft/2020-12/schema'"
    read_registry(action(f"input: {{{later}, prefixItems: [{{type: string}}]}}").encode(), "registry.yaml")
    assert only(action(f"input: {{{later}, prefixItems: 1}}")).place is not None


# ---------------------------------------------------------------------------------------------------------- duplicates


@pytest.mark.parametrize(
    ("text", "second", "first"),
    [
        ("actions:\n- {id: a, version: 1}\n- {id: a, version: 1, label: x}\n", "3:3", "2:3"),
        ("actions:\n- {id: a, version: 1}\n- {id: a, version: 1}\n", "3:3", "2:3"),
        ("nodeTypes:\n- a\n- {id: a}\n", "3:3", "2:3"),
        ("nodeTypes:\n- b\n- a\n- a\n", "4:3", "3:3"),
        ("schemas:\n- {ref: a}\n- {ref: a, schema: true}\n", "3:3", "2:3"),
    ],
)
def test_what_stands_twice_names_both_places(text: str, second: str, first: str) -> None:
    problem = only(f"{text}version: 1\n")
    assert str(problem.place).endswith(f"registry.yaml:{second}")
    assert [str(place) for place in problem.related] == [f"registry.yaml:{first}"]


def test_two_versions_of_an_action_are_two_entries() -> None:
    read_registry(b"version: 1\nactions: [{id: a, version: 1}, {id: a, version: 2}]\n", "registry.yaml")


# --------------------------------------------------------------------------------------------------------------- stubs


@pytest.mark.parametrize(
    "stub",
    [
        "{echo: true}",
        "{output: null}",
        "{output: {a: 1}}",
        "{fail: {category: TransientError, message: no}}",
        "{fail: {category: E, message: no, code: X, details: [1], retryable: true}, calls: [1, 3]}",
        "{fail: {category: E, message: no}, calls: [1], output: 1}",
        "{delay: 2s}",
        "{delay: 0, output: 1}",
        "{delay: 24h}",
        "[{output: 1}, {fail: {category: E, message: no}}, {echo: true, delay: 1.5m}]",
    ],
)
def test_a_stub_that_can_be_used(stub: str) -> None:
    read_registry(action(f"stub: {stub}").encode(), "registry.yaml")


@pytest.mark.parametrize(
    ("stub", "inside", "words"),
    [
        ("{}", "", "must not be empty"),
        ("[]", "", "must not be empty"),
        ("1", "", "must be an object"),
        ("{echo: false}", "/echo", "must be true"),
        ("{echo: true, output: 1}", "/echo", "not both"),
        ("{calls: [1]}", "", "fail"),
        ("{fail: {message: no}}", "/fail", '"category" is missing'),
        ("{fail: {category: E, message: no}, output: 1}", "/output", "say which `calls` fail"),
        ("{fail: {category: E, message: no}, echo: true}", "/echo", "say which `calls` fail"),
        ("{fail: {category: E, message: no}, calls: [0]}", "/calls/0", "at least 1"),
        ("{fail: {category: E, message: no}, calls: []}", "/calls", "must not be empty"),
        ("[{fail: {category: E, message: no}, calls: [1]}]", "/0/calls", "the order says"),
        ("{delay: 2d}", "/delay", "does not match"),
        ("{delay: -1}", "/delay", "at least 0"),
        ("{delay: 86400001}", "/delay", "at most 86400000"),
        ("{delay: 24.5h}", "/delay", "longer than 24 hours"),
        ("{outputs: 1}", "/outputs", 'did you mean "output"'),
    ],
)
def test_a_stub_that_contradicts_itself(stub: str, inside: str, words: str) -> None:
    problem = only(action(f"stub: {stub}"))
    assert at(problem)[2] == f"/actions/0/stub{inside}"
    assert words in problem.message


def test_a_canned_output_is_one_that_the_action_could_give() -> None:
    problem = only(action("output: {properties: {n: {type: integer}}}, stub: [{echo: true}, {output: {n: x}}]"))
    assert at(problem) == (2, 109, "/actions/0/stub/1/output/n")
    assert "`output` schema" in problem.message
    read_registry(action("output: {type: integer}, stub: {output: 1}").encode(), "registry.yaml")


def test_a_canned_output_is_not_held_against_a_schema_that_is_none() -> None:
    assert at(only(action("output: {type: 3}, stub: {output: 1}")))[2] == "/actions/0/output/type"


def test_delays() -> None:
    assert [delay_ms(text) for text in ("250ms", "2s", "1.5m", "1h", 7)] == [250, 2000, 90_000, 3_600_000, 7]
    with pytest.raises(ValueError, match="2d"):
        delay_ms("2d")


# ------------------------------------------------------------------------------------------------------------- together


def test_all_faults_of_all_kinds_at_once_in_the_order_of_the_file() -> None:
    text = """\
version: 1
actions:
  - {id: a, version: 1, input: {type: x}, stub: {echo: true, output: 1}}
  - {id: a, version: 1, retry: {maxAttempts: 0, backoffMs: 1}}
  - {id: b, idempotency: mine}
nodeTypes: [a, a, 3]
schemas: [{ref: a, schema: [1]}]
"""
    assert [at(p)[2] for p in faults(text)] == [
        "/actions/0/input/type",
        "/actions/0/stub/echo",
        "/actions/1",
        "/actions/1/retry/maxAttempts",
        "/actions/2",
        "/actions/2/idempotency",
        "/nodeTypes/1",
        "/nodeTypes/2",
        "/schemas/0/schema",
    ]


@pytest.mark.parametrize("pointers", ["[]", "[a]", "['/a~2']", "mine", "[/a, 1]"])
def test_keys_are_made_of_pointers(pointers: str) -> None:
    assert (at(only(action(f"idempotency: {pointers}")))[2] or "").startswith("/actions/0/idempotency")


def test_places_in_json() -> None:
    [problem] = faults(
        '{"version": 1,\n "actions": [{"id": "a", "version": 1, "input": {"type": "x"}}]}', "registry.json"
    )
    assert str(problem.place) == "registry.json:2:58"


def test_the_example_can_be_used() -> None:
    path = ROOT / "examples" / "repo" / "registry.yaml"
    assert read_registry(path.read_bytes(), path.name)["actions"]

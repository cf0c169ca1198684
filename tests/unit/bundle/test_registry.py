from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfsync.bundle.dependencies import Dependencies
from wfsync.bundle.registry import Missing, Registry, parse_registry
from wfsync.errors import InputError, Problem

YAML = b"""\
version: 1
actions:
  - { id: tickets.create, version: 1 }
  - id: tickets.create
    version: 3
nodeTypes: [state.set, action.call]
schemas:
  - ref: payload.Ticket.v1
"""
REGISTRY = Registry(
    actions=frozenset({("tickets.create", 1), ("tickets.create", 3)}),
    node_types=frozenset({"state.set", "action.call"}),
    schema_refs=frozenset({"payload.Ticket.v1"}),
)


def faults(data: bytes, file: str = "registry.yaml") -> tuple[Problem, ...]:
    with pytest.raises(InputError) as caught:
        parse_registry(data, file)
    assert caught.value.code == "INVALID_REGISTRY"
    assert caught.value.problems
    return caught.value.problems


def test_yaml() -> None:
    assert parse_registry(YAML, "registry.yaml") == REGISTRY


def test_json() -> None:
    data = (
        b'{"version": 1, "actions": [{"id": "tickets.create", "version": 1}, {"id": "tickets.create", "version": 3}],'
        b' "nodeTypes": ["state.set", "action.call"], "schemas": [{"ref": "payload.Ticket.v1"}]}'
    )
    assert parse_registry(data, "registry.json") == REGISTRY
    assert parse_registry(data, "registry.yaml") == REGISTRY


def test_an_absent_list_offers_nothing() -> None:
    registry = parse_registry(b"version: 1\n", "registry.yaml")
    assert registry == Registry()
    assert registry.missing(Dependencies(node_types=("state.set",))) == Missing(node_types=("state.set",))


@pytest.mark.parametrize(
    ("text", "place", "pointer"),
    [
        (b"{}", "registry.yaml:1:1", ""),
        (b"version: 2\n", "registry.yaml:1:10", "/version"),
        (b"version: true\n", "registry.yaml:1:10", "/version"),
        (b"version: 1\nactions: [{id: a}]\n", "registry.yaml:2:11", "/actions/0"),
        (b"version: 1\nactions: [{id: a, version: 0}]\n", "registry.yaml:2:28", "/actions/0/version"),
        (b"version: 1\nactions: [{id: a, version: '1'}]\n", "registry.yaml:2:28", "/actions/0/version"),
        (b"version: 1\nactions: [{id: a, version: 1, stubs: 1}]\n", "registry.yaml:2:31", "/actions/0/stubs"),
        (b"version: 1\nnodeTypes: ['']\n", "registry.yaml:2:13", "/nodeTypes/0"),
        (b"version: 1\nschemas: [a]\n", "registry.yaml:2:11", "/schemas/0"),
        (b"version: 1\nnodeType: []\n", "registry.yaml:2:1", "/nodeType"),
    ],
)
def test_faults_are_placed(text: bytes, place: str, pointer: str) -> None:
    [problem] = faults(text)
    assert problem.place is not None
    assert (str(problem.place), problem.place.pointer) == (place, pointer)
    assert problem.code == "INVALID_REGISTRY"


def test_all_faults_at_once() -> None:
    assert len(faults(b"version: 2\nactions: 3\nnodeTypes: [1]\n")) == 3


def test_bare_ids_and_full_entries_name_the_same() -> None:
    full = b"""\
version: 1
actions:
  - { id: tickets.create, version: 1, input: { type: object }, stub: { echo: true } }
  - { id: tickets.create, version: 3, label: Open a ticket }
nodeTypes: [{ id: state.set, config: { type: object } }, { id: action.call }]
schemas: [{ ref: payload.Ticket.v1, schema: { type: object } }]
"""
    assert parse_registry(full, "registry.yaml") == REGISTRY


@pytest.mark.parametrize("data", [b"", b"[", b"\xff", b"version: 1\nversion: 1\n", b"- 1\n", b"null"])
def test_unreadable(data: bytes) -> None:
    assert all(p.code == "INVALID_REGISTRY" for p in faults(data))
    assert faults(data, "registry.json")


def test_missing_is_sorted_and_knows_versions() -> None:
    needs = Dependencies(
        actions=(("z", 1), ("tickets.create", 2), ("tickets.create", 1)),
        node_types=("time.wait", "control.if", "state.set"),
        schema_refs=("payload.Ticket.v1", "other"),
    )
    missing = REGISTRY.missing(needs)
    assert missing == Missing((("tickets.create", 2), ("z", 1)), ("time.wait",), ("other",))
    assert missing
    assert missing.to_tree() == {
        "missingActions": [{"actionId": "tickets.create", "version": 2}, {"actionId": "z", "version": 1}],
        "missingNodeTypes": ["time.wait"],
        "missingSchemaRefs": ["other"],
    }
    assert REGISTRY.versions("tickets.create") == (1, 3)
    assert missing.offered == (("tickets.create", (1, 3)),)


def test_merged_lists() -> None:
    merged = Missing(node_types=("b",)).union(Missing((("x", 1),), ("a", "b"), ("s",)))
    assert merged == Missing((("x", 1),), ("a", "b"), ("s",))


def test_travels_to_worker_processes() -> None:
    assert pickle.loads(pickle.dumps(REGISTRY)) == REGISTRY  # noqa: S301 - our own bytes


names = st.frozensets(st.text("abc.", min_size=1, max_size=3), max_size=5)
pairs = st.frozensets(st.tuples(st.text("abc", min_size=1, max_size=2), st.integers(1, 3)), max_size=5)


@given(pairs, names, names, pairs, names, names)
def test_missing_is_false_exactly_when_everything_is_offered(
    actions: frozenset[tuple[str, int]],
    kinds: frozenset[str],
    refs: frozenset[str],
    needed_actions: frozenset[tuple[str, int]],
    needed_kinds: frozenset[str],
    needed_refs: frozenset[str],
) -> None:
    registry = Registry(actions, kinds, refs)
    missing = registry.missing(
        Dependencies(tuple(sorted(needed_actions)), tuple(sorted(needed_kinds)), tuple(sorted(needed_refs)))
    )
    assert bool(missing) != (needed_actions <= actions and needed_kinds <= kinds and needed_refs <= refs)
    completed = Registry(
        actions | set(missing.actions), kinds | set(missing.node_types), refs | set(missing.schema_refs)
    )
    assert not completed.missing(Dependencies(tuple(needed_actions), tuple(needed_kinds), tuple(needed_refs)))

"""What an export says is what a repository reads: the two are each other's inverse, whatever is installed."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from wfsync.bundle.canonical import canonical_bytes
from wfsync.bundle.declared import parse_declared
from wfsync.bundle.json_schema import Schema
from wfsync.bundle.registry import Registry as Names
from wfsync.bundle.yaml_write import write_yaml
from wfsync.runtime.input_keys import InputKey
from wfsync.runtime.plugins import discover
from wfsync.runtime.registry import Action, NodeType, PayloadSchema, Registry, RetryHint
from wfsync.runtime.registry_tree import registry_tree
from wfsync.runtime.stubs import declared_entries

names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)
schemas: st.SearchStrategy[Schema | None] = st.sampled_from(
    [
        None,
        True,
        False,
        {},
        {"type": "object", "minProperties": 1},
        {"enum": ["null", "1.0", "no", 1.5]},
        {"minimum": 2},
    ]
)
actions = st.builds(
    Action,
    id=names,
    version=st.integers(1, 3),
    input_schema=schemas,
    output_schema=schemas,
    label=st.none() | names,
    description=st.none() | names,
    side_effects=st.booleans(),
    idempotency=st.none() | st.just(InputKey(("/a", "/b~1c"))),
    retry_hint=st.none() | st.builds(RetryHint, st.integers(1, 9), st.integers(0, 99)),
    ambiguous=st.sampled_from(["retry", "fail"]),
    transactional=st.booleans(),
    origin=st.just("file"),
)
nodes = st.builds(NodeType, names, schemas, st.none() | names, st.none() | names, st.just("file"))
payloads = st.builds(PayloadSchema, names, schemas, st.just("file"))
entries = st.tuples(st.lists(actions, max_size=4), st.lists(nodes, max_size=4), st.lists(payloads, max_size=4))


@settings(max_examples=60, deadline=None)
@given(entries, st.sampled_from([(write_yaml, "file"), (canonical_bytes, "file.json")]))
def test_what_is_written_is_read_again(found: Any, form: Any) -> None:
    write, file = form
    registry = Registry.of(*found)
    declared = parse_declared(write(registry_tree(registry)), file)
    again = declared_entries(declared)
    same = Registry(*({n: _from(file, e) for n, e in kind.items()} for kind in _kinds(registry)))
    assert again == same
    assert declared.names == Names(
        frozenset(registry.actions), frozenset(registry.node_types), frozenset(registry.schemas)
    )


def _kinds(registry: Registry) -> tuple[Any, Any, Any]:
    return registry.actions, registry.node_types, registry.schemas


def _from(file: str, entry: Any) -> Any:
    from dataclasses import replace

    return replace(entry, origin=file)


@settings(max_examples=20, deadline=None)
@given(entries, st.randoms())
def test_the_order_in_which_entries_came_does_not_matter(found: Any, random: Any) -> None:
    registry = Registry.of(*found)
    mixed = Registry(*(dict(random.sample(sorted(k.items()), len(k))) for k in _kinds(registry)))
    assert canonical_bytes(registry_tree(mixed)) == canonical_bytes(registry_tree(registry))


def test_code_is_never_written() -> None:
    action = Action("a", 1, idempotency=lambda _given: "key", run=lambda _given, _context: None)
    assert registry_tree(Registry.of([action]))["actions"] == [{"id": "a", "version": 1, "idempotency": "own"}]


def test_numbers_are_written_as_files_have_them() -> None:
    action = Action("a", 1, input_schema={"minimum": 1.0}, retry_hint=RetryHint(2, 500.0))
    text = canonical_bytes(registry_tree(Registry.of([action]))).decode()
    assert '"minimum": 1\n' in text
    assert '"backoffMs": 500,' in text


def test_what_is_installed_can_be_written_and_read() -> None:
    registry = discover([]).registry
    declared = parse_declared(write_yaml(registry_tree(registry)), "registry.yaml")
    assert declared.names.actions == set(registry.actions)
    assert {action.id: action.input for action in declared.actions} == {
        action.id: action.input_schema for action in registry.actions.values()
    }

"""Plugins: what they add, and how each way of being wrong is named."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from wfsync.errors import ConfigError, Problem
from wfsync.runtime.builtin import NODE_TYPES
from wfsync.runtime.plugins import Discovery, discover, installed, raise_if_failed
from wfsync.runtime.registry import Action, NodeType, PayloadSchema, Plugin

GROUP = "wfsync.plugins"


@pytest.fixture
def module() -> Iterator[ModuleType]:
    """A module of which entry points can name members."""
    made = ModuleType("made_up_plugin")
    sys.modules["made_up_plugin"] = made
    yield made
    del sys.modules["made_up_plugin"]


def point(member: str, name: str = "made-up") -> EntryPoint:
    return EntryPoint(name, f"made_up_plugin:{member}", GROUP)


def found(module: ModuleType, **members: Any) -> Discovery:
    for name, value in members.items():
        setattr(module, name, value)
    return discover([point(name, name) for name in members])


def problem(module: ModuleType, **members: Any) -> Problem:
    discovery = found(module, **members)
    [only] = discovery.problems
    assert set(discovery.registry.actions) == set(discover([]).registry.actions), (
        "nothing of a faulty plugin is offered"
    )
    return only


ACTION = Action("acme.greet", 1, run=lambda _given, _context: "Hello")


# ------------------------------------------------------------------------------------------------------- what they add


def test_without_plugins_there_is_what_wfsync_brings() -> None:
    registry = discover([]).registry
    assert set(registry.node_types) == {node.id for node in NODE_TYPES}
    assert ("transform.parse_json", 1) in registry.actions
    assert {action.origin for action in registry.actions.values()} == {"built-in"}
    assert {node.origin for node in registry.node_types.values()} == {"built-in"}
    assert all(action.run is not None for action in registry.actions.values())


@pytest.mark.parametrize("how", [lambda plugin: plugin, lambda plugin: lambda: plugin], ids=["instance", "callable"])
def test_a_plugin_adds_entries_of_all_kinds(module: ModuleType, how: Any) -> None:
    plugin = Plugin(
        "acme", (ACTION,), (NodeType("acme.step", {"type": "object"}),), (PayloadSchema("payload.Acme.v1"),)
    )
    discovery = found(module, made=how(plugin))
    assert discovery.problems == ()
    registry = discovery.registry
    assert registry.actions["acme.greet", 1].origin == "acme"
    assert registry.actions["acme.greet", 1].run is ACTION.run
    assert registry.node_types["acme.step"].origin == "acme"
    assert registry.schemas["payload.Acme.v1"].origin == "acme"
    [package] = discovery.packages
    assert (package.plugin, package.entry_point, package.distribution) == ("acme", "made", None)


def test_what_a_plugin_prints_is_not_part_of_any_result(module: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    def loud() -> Plugin:
        print("Here I am")
        return Plugin("loud", (ACTION,))

    assert found(module, loud=loud).problems == ()
    streams = capsys.readouterr()
    assert (streams.out, streams.err) == ("", "Here I am\n")


# ----------------------------------------------------------------------------------------------------- what goes wrong


def test_a_package_that_cannot_be_imported_is_named_with_the_place(tmp_path: Path) -> None:
    (tmp_path / "broken_acme.py").write_text("x = 1\nimport no_such_module_of_acme\n")
    sys.path.insert(0, str(tmp_path))
    try:
        [only] = discover([EntryPoint("acme", "broken_acme:plugin", GROUP)]).problems
    finally:
        sys.path.remove(str(tmp_path))
    assert only.code == "PLUGIN_FAILED"
    assert "acme (broken_acme:plugin)" in only.message
    assert "No module named 'no_such_module_of_acme'" in only.message
    assert str(only.place) == f"{tmp_path / 'broken_acme.py'}:2"


def _raises(error: BaseException) -> Any:
    def make() -> Plugin:
        raise error

    return make


@pytest.mark.parametrize("error", [ValueError("two\nlines"), SystemExit(3), AssertionError()])
def test_a_plugin_that_raises(module: ModuleType, error: BaseException) -> None:
    only = problem(module, made=_raises(error))
    assert only.code == "PLUGIN_FAILED"
    assert type(error).__name__ in only.message
    assert "\n" not in only.message
    assert only.place is not None
    assert only.place.file == __file__


def test_a_plugin_does_not_swallow_an_interrupt(module: ModuleType) -> None:
    with pytest.raises(KeyboardInterrupt):
        found(module, made=_raises(KeyboardInterrupt()))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (3, "a int, not a wfsync.runtime.registry.Plugin"),
        (lambda: {"name": "acme"}, "a dict, not a wfsync"),
        (Plugin(""), "name is empty"),
        (Plugin("p", [ACTION, {"id": "x"}]), "actions[1] is a dict, not Action"),  # type: ignore[arg-type]
        (Plugin("p", None), "actions is None, not a tuple"),  # type: ignore[arg-type]
        (Plugin("p", (Action("", 1),)), "actions[0]: id is empty"),
        (Plugin("p", (Action("a", 0),)), "actions[0]: version is 0"),
        (Plugin("p", (Action("a", True),)), "actions[0]: version is True"),
        (Plugin("p", (Action("a", 1, input_schema={"type": "x"}),)), "actions[0]: input_schema/type: must be one of"),
        (Plugin("p", (Action("a", 1, output_schema=[]),)), "output_schema is a list"),  # type: ignore[arg-type]
        (Plugin("p", (Action("a", 1, input_schema={"default": {1}}),)), "input_schema"),
        (Plugin("p", (Action("a", 1, run=3),)), "run is a int, which cannot be called"),  # type: ignore[arg-type]
        (Plugin("p", (Action("a", 1, retry_hint=3),)), "retry_hint is a int"),  # type: ignore[arg-type]
        (Plugin("p", (Action("a", 1, ambiguous="x"),)), "ambiguous is neither"),  # type: ignore[arg-type]
        (Plugin("p", (ACTION, ACTION)), "acme.greet version 1 stands in this plugin already"),
        (Plugin("p", (), (NodeType("control.loop"),)), "control.loop belongs to the language"),
        (Plugin("p", (), (NodeType("n", {"properties": 1}),)), "node_types[0]: config_schema/properties"),
        (Plugin("p", (), (), (PayloadSchema("r", {"$ref": "http://x/y"}),)), "schemas[0]: schema/$ref"),
    ],
)
def test_nonsense_is_named(module: ModuleType, given: Any, words: str) -> None:
    only = problem(module, made=given)
    assert only.code == "PLUGIN_FAILED"
    assert words in only.message
    assert only.details["plugin"] == "made"


def test_every_fault_of_every_plugin_at_once(module: ModuleType) -> None:
    discovery = found(module, one=Plugin("one", (Action("", 0),)), two=3, good=Plugin("good", (ACTION,)))
    assert [p.details["plugin"] for p in discovery.problems] == ["one", "one", "two"]
    assert ("acme.greet", 1) in discovery.registry.actions
    with pytest.raises(ConfigError) as caught:
        raise_if_failed(discovery)
    assert caught.value.code == "PLUGIN_FAILED"
    assert "2 plugins cannot be used: one, two" in caught.value.message
    assert caught.value.problems == discovery.problems


def test_two_plugins_that_offer_the_same(module: ModuleType) -> None:
    entries = ((NodeType("n"),), (PayloadSchema("r"),))
    discovery = found(
        module, one=Plugin("One", (ACTION,), *entries), two=Plugin("Two", (ACTION, Action("other", 1)), *entries)
    )
    assert [p.code for p in discovery.problems] == ["PLUGIN_DUPLICATE"] * 3
    assert "the plugin two offers the action acme.greet version 1, and so does One" in discovery.problems[0].message
    assert discovery.registry.actions["acme.greet", 1].origin == "One"
    assert ("other", 1) not in discovery.registry.actions


def test_another_version_of_an_action_may_be_anybodys(module: ModuleType) -> None:
    second = Action("acme.greet", 2)
    assert found(module, one=Plugin("One", (ACTION,)), two=Plugin("Two", (second,))).problems == ()


@pytest.mark.parametrize(
    "plugin", [Plugin("p", (Action("transform.parse_json", 1),)), Plugin("p", (), (NodeType("state.set"),))]
)
def test_nobody_takes_the_place_of_what_wfsync_brings(module: ModuleType, plugin: Plugin) -> None:
    only = problem(module, made=plugin)
    assert only.code == "PLUGIN_DUPLICATE"
    assert "built-in" in only.message


def test_what_is_installed_is_found_once() -> None:
    assert installed() is installed()

"""docs/actions.md says what the schemas say, and every pure action has an example there that runs."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

from runtime_actions import call
from wfsync.bundle.json_schema import compile_schema
from wfsync.runtime.actions import built_in_actions

ROOT = Path(__file__).parents[4]


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("action_page", ROOT / "tools" / "action_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_current() -> None:
    assert (ROOT / "docs" / "actions.md").read_text("utf-8") == tool().page(), "run `make docs`"


def test_every_pure_action_has_an_example_that_fits() -> None:
    examples = tool().EXAMPLES
    assert set(examples) == {a.id for a in built_in_actions() if not a.side_effects} - {"log.write"}
    for name, given in examples.items():
        call(name, given)


def test_every_action_is_whole() -> None:
    """What a designer, `registry export` and the checks before a publish need to know of an action."""
    names = [(action.id, action.version) for action in built_in_actions()]
    assert names == sorted(set(names))
    for action in built_in_actions():
        assert action.run is not None
        assert action.label
        assert action.description
        for schema in (action.input_schema, action.output_schema):
            assert isinstance(schema, dict)
            compile_schema(schema)
            assert all(rule["description"] for rule in schema["properties"].values())
    assert {a.id for a in built_in_actions() if a.side_effects} == {"http.request", "email.send"}

"""docs/plugins.md: the package that it shows is installed as it stands there, found, and does what it says."""

from __future__ import annotations

import json
import os
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Final, Literal

import pytest

from command_line import CommandLine
from documents import blocks
from wfsync.bundle.json_schema import compile_schema
from wfsync.bundle.model import Json
from wfsync.runtime.plugins import GROUP, discover
from wfsync.runtime.registry import Action, ActionFailed, Registry

PAGE: Final = Path(__file__).parents[2] / "docs" / "plugins.md"


def _shown(language: str) -> str:
    [text] = [block["text"] for _, block in blocks(PAGE) if block["language"] == language]
    return str(text)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder in which the package is installed, as an installer would do it."""
    project = tomllib.loads(_shown("toml"))["project"]
    [[name, value]] = project["entry-points"][GROUP].items()
    module = value.partition(":")[0]
    (tmp_path / f"{module}.py").write_text(_shown("python"), encoding="utf-8")
    info = tmp_path / f"{module}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n", encoding="utf-8"
    )
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{name} = {value}\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def registry(site: Path) -> Iterator[Registry]:
    """What is found with it."""
    sys.path.insert(0, str(site))
    try:
        points = [e for found in distributions(path=[str(site)]) for e in found.entry_points if e.group == GROUP]
        discovery = discover(points)
        assert discovery.problems == ()
        assert [(p.plugin, p.distribution, p.version) for p in discovery.packages] == [("ACME", "wfsync-acme", "1.0")]
        yield discovery.registry
    finally:
        sys.path.remove(str(site))
        sys.modules.pop("wfsync_acme", None)


@dataclass
class Context:
    """What an instance lets an action know."""

    settings: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    run_id: str = "run-1"
    step_path: str = "root.steps[0]"
    attempt: int = 1
    idempotency_key: str = "key-1"
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    transaction: Any = None

    def log(self, level: Literal["DEBUG", "INFO", "WARN", "ERROR"], message: str, context: Json = None) -> None:
        assert context is None
        self.lines.append(f"{level} {message}")

    def setting(self, name: str) -> str | None:
        return self.settings.get(name)


def _call(action: Action, given: Json, context: Context) -> Json:
    """Call ``action``, with both ends checked as an instance does."""
    assert action.run is not None
    assert compile_schema(action.input_schema or False).faults(given) == ()
    output = action.run(given, context)
    assert compile_schema(action.output_schema or False).faults(output) == ()
    return output


def test_the_action_that_checks(registry: Registry) -> None:
    check = registry.actions["acme.check_iban", 1]
    assert _call(check, {"iban": "GB82 WEST 1234 5698 7654 32"}, Context())["valid"] is True
    assert _call(check, {"iban": "GB82 WEST 1234 5698 7654 33"}, Context())["valid"] is False
    with pytest.raises(ActionFailed) as caught:
        _call(check, {"iban": "?"}, Context())
    assert (caught.value.category, caught.value.code) == ("ValidationError", "NOT_AN_IBAN")
    assert not check.side_effects


def test_the_action_that_sends(registry: Registry, tmp_path: Path) -> None:
    post = registry.actions["acme.post_invoice", 1]
    invoice = {"invoiceId": "R-1", "amount": 12.5}
    outbox = tmp_path / "outbox"
    context = Context({"ACME_OUTBOX": str(outbox)})
    with pytest.raises(ActionFailed) as caught:
        _call(post, invoice, context)
    assert (caught.value.category, caught.value.retryable) == ("TransientError", True)
    outbox.mkdir()
    for _ in range(2):
        assert _call(post, invoice, context) == {"reference": "key-1"}
    assert [json.loads(path.read_bytes()) for path in outbox.iterdir()] == [invoice]
    assert context.lines == ["INFO invoice R-1 is on its way"] * 2
    with pytest.raises(ActionFailed, match="ACME_OUTBOX is not set"):
        _call(post, invoice, Context())
    assert post.idempotency is not None
    assert post.idempotency(invoice) == post.idempotency({"invoiceId": "R-1", "amount": 99})


def test_the_command_line_finds_it(cli: CommandLine, site: Path) -> None:
    env = {"PYTHONPATH": os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])}
    found = cli("registry", "list", "--format", "json", env=env, cwd=site).json()
    ours = {
        kind: [e.get("id", e.get("ref")) for e in found[kind] if e["origin"] == "ACME"]
        for kind in found
        if kind in ("actions", "nodeTypes", "schemas")
    }
    assert ours == {
        "actions": ["acme.check_iban", "acme.post_invoice"],
        "nodeTypes": ["acme.check_iban"],
        "schemas": ["payload.AcmeInvoice.v1"],
    }

"""The real side of the model test through the command line: each command its own process, read from its JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from command_line import CommandLine, Result
from model_flows import Flow, as_bundle
from model_site import SCHEMA, Said, Site
from model_world import Ask
from small_bundles import canonical

__all__ = ["CommandLineSite"]


@dataclass
class CommandLineSite(Site):
    """Commands that write go through the program; what is compared afterwards is read in this process."""

    cli: CommandLine = field(kw_only=True)

    def _run(self, name: str, *args: str, stdin: bytes = b"") -> Result:
        tenant = ["--tenant", self.database.tenant] if self.database.tenant else []
        where = ["--database", self.database.conninfo, *tenant, "--lock-timeout", "0.2", "--actor", "me"]
        done = self.cli(*where, *args, "--format", "json", cwd=self.sources[name], stdin=stdin)
        assert "Traceback" not in done.output, done.output
        return done

    def apply(self, name: str, ask: Ask, between: Callable[[], None] = lambda: None) -> Said:
        between()
        prune = "--prune" if ask.prune else "--no-prune"
        return _said(self._run(name, "apply", *_options(ask), prune, "--on-drift", ask.on_drift, *_select(ask)))

    def roll_back(self, reference: str, ask: Ask, between: Callable[[], None] = lambda: None) -> Said:
        between()
        return _said(self._run("one", "rollback", reference, *_options(ask), "--on-drift", ask.on_drift, *_select(ask)))

    def import_(self, name: str, flows: Mapping[str, Flow], ask: Ask) -> Said:
        files = []
        for key, flow in flows.items():
            files.append(self.folder / f"{key}.json")
            files[-1].write_bytes(canonical(as_bundle(key, flow)))
        return _said(self._run(name, "import", *map(str, files), *_options(ask)))

    def adopt(self, name: str, key: str) -> Said:
        return _ended(self._run(name, "adopt", key))

    def release(self, name: str, key: str) -> Said:
        return _ended(self._run(name, "release", key))


def _options(ask: Ask) -> list[str]:
    given = [(ask.force, "--force"), (ask.allow_running, "--allow-running")]
    return ["--overwrite", ask.overwrite, *(option for is_given, option in given if is_given)]


def _select(ask: Ask) -> list[str]:
    return [f"--select={key}" for key in sorted(ask.select or ())]


def _ended(done: Result) -> Said:
    document = json.loads(done.stdout) if done.stdout else {}
    codes = frozenset(error["code"] for error in document.get("errors", ()))
    return Said(done.code, codes, error=SimpleNamespace(code=min(codes)) if codes else None)  # type: ignore[arg-type]


def _said(done: Result) -> Said:
    """What the document of a plan or an outcome says, as the values have it."""
    said = _ended(done)
    document = json.loads(done.stdout)
    SCHEMA.validate(document)
    if document["summary"] is None:
        return said
    members = _values(document)
    said.plan = members
    said.blocks = frozenset((block.code, block.key) for block in members.blocks)
    if "outcome" in document:
        said.outcome = members.outcome
    return said


def _values(tree: Any) -> Any:
    match tree:
        case dict():
            return SimpleNamespace(**{name: _values(value) for name, value in tree.items() if name.isidentifier()})
        case list():
            return [_values(value) for value in tree]
        case _:
            return tree

"""What can be said of a test before it is run: does everything exist that it names?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from wfsync.runtime.registry import Registry
from wfsync.testing.model import Case
from wfsync.testing.outcome import Trouble
from wfsync.testing.workflows import NotRunnable, Prepared, Workflows

__all__ = ["misnamed"]


def misnamed(case: Case, prepared: Prepared, workflows: Workflows, registry: Registry) -> Trouble | None:
    """Why ``case`` cannot mean what it says: stubs, answers and steps that no workflow of the test has."""
    reachable = list(_reachable(case, prepared, workflows))
    lines = [*_stubs(case, reachable, registry), *_tasks(case, reachable), *_children(case, reachable)]
    lines += _path(case, prepared)
    if not lines:
        return None
    return Trouble(lines[0], "a name that nothing answers to would hide what the test is about", tuple(lines[1:]))


def _reachable(case: Case, prepared: Prepared, workflows: Workflows) -> Iterator[Prepared]:
    """The tested version and those that it may call, directly or not, and that are run."""
    found = {(prepared.program.key, prepared.version)}
    waiting = [prepared]
    while waiting:
        one = waiting.pop()
        yield one
        for _, step in one.steps.values():
            if step["type"] != "control.callWorkflow" or step["workflowId"] in case.children:
                continue
            called = (step["workflowId"], step["workflowVersion"])
            if called not in found:
                found.add(called)
                try:
                    waiting.append(workflows.get(*called))
                except NotRunnable:
                    continue  # a verdict if the step is reached


def _steps(case: Case, reachable: Iterable[Prepared]) -> set[str]:
    names: set[str] = set()
    for prepared in reachable:
        key = prepared.program.key
        names.update(f"{key}/{step}" for step in prepared.step_ids)
        if key == case.workflow:
            names |= prepared.step_ids
    return names


def _stubs(case: Case, reachable: list[Prepared], registry: Registry) -> Iterator[str]:
    own = [name for name in case.stubs if name not in case.shared_stubs]
    if not own:
        return
    actions: set[str] = set()
    for prepared in reachable:
        for _, step in prepared.steps.values():
            actions |= _actions_of(step["type"], step.get("config", {}), registry)
    known = actions | _steps(case, reachable)
    for name in own:
        if name not in known:
            yield f"stubs: neither a step nor an action of {case.workflow} is called {name}{_nearest(name, known)}"


_MAIL = {"email.parseBody": "parse_email_reply", "email.renderCommentBlocks": "convert_html_to_blocks"}


def _actions_of(kind: str, config: dict[str, object], registry: Registry) -> set[str]:
    if kind == "action.call":
        action, version = config.get("actionId"), config.get("version", 1)
        return {str(action), f"{action}@{version}"}
    name = _MAIL.get(kind, kind)
    return {name, *(f"{name}@{version}" for version in registry.versions(name))}


def _tasks(case: Case, reachable: list[Prepared]) -> Iterator[str]:
    if not case.tasks:
        return
    types: set[str] = set()
    steps: set[str] = set()
    for prepared in reachable:
        for _, step in prepared.steps.values():
            if step["type"] == "human.task":
                own = {step["id"]} if prepared.program.key == case.workflow else set()
                steps |= {f"{prepared.program.key}/{step['id']}", *own}
                kind = step.get("config", {}).get("taskType")
                if not isinstance(kind, str):
                    return  # computed: any name may be right
                types.add(kind)
    for name in case.tasks:
        if name not in types | steps:
            yield f"tasks: neither a task nor its type is called {name}{_nearest(name, types | steps)}"


def _children(case: Case, reachable: list[Prepared]) -> Iterator[str]:
    called = {
        step["workflowId"]
        for prepared in reachable
        for _, step in prepared.steps.values()
        if step["type"] == "control.callWorkflow"
    }
    for key in case.children:
        if key not in called:
            yield f"children: {case.workflow} does not call {key}{_nearest(key, called)}"


def _path(case: Case, prepared: Prepared) -> Iterator[str]:
    known = prepared.step_ids
    for member, steps in (("path", case.expect.path), ("pathIncludes", case.expect.path_includes)):
        for step in dict.fromkeys(steps or ()):
            if step not in known:
                yield f"expect.{member}: no step of {prepared.name} is called {step}{_nearest(step, known)}"


def _nearest(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""

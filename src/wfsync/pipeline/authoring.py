"""A new workflow, and the files of a new repository: pure.

A new workflow says as little as a valid one can: nothing that an instance might lack, so that it passes `validate`
before a line of it was edited. Its only dependency is the payload schema that the format demands; where a registry is
known, one that the registry offers.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Final

from wfsync.bundle.model import MAX_KEY_LENGTH, JsonObject, Workflow
from wfsync.bundle.parse import Syntax
from wfsync.bundle.registry import Registry
from wfsync.bundle.rules.keys import key_fault
from wfsync.bundle.structure import DEFAULT_SCHEMA_MODE, bundle_tree
from wfsync.errors import InputError
from wfsync.pipeline.formatting import written

__all__ = ["EXAMPLE_KEY", "bundle_text", "check_key", "new_workflow", "now", "offered_schema", "starter_files"]

EXAMPLE_KEY: Final = "example.hello"
EMPTY_PAYLOAD: Final = "payload.Empty.v1"
"""What a workflow asks for when nobody said what the instance offers."""

_KEY: Final = re.compile(r"[a-z0-9][a-z0-9._-]*")


def check_key(key: str, reserved: Collection[str] = ()) -> None:
    """Raise `InputError` (``INVALID_VALUE``) when ``key`` may not be a workflow's key, with the reason."""
    shown = key if len(key) <= 60 else key[:59] + "…"
    if _KEY.fullmatch(key) is None:
        fault: str | None = f"key {shown!r} must begin with a-z or 0-9 and go on with a-z, 0-9, '.', '_' or '-'"
    elif len(key) > MAX_KEY_LENGTH:
        fault = f"key {shown!r} has {len(key)} characters; {MAX_KEY_LENGTH} are allowed"
    else:
        fault = key_fault(key, reserved)
    if fault is not None:
        raise InputError(
            fault, code="INVALID_VALUE", hint="choose another key, such as billing.dunning", details={"key": shown}
        )


def new_workflow(key: str, name: str | None = None, schema_ref: str | None = None) -> Workflow:
    """A workflow that does nothing yet: a draft of one step, no published version, no trigger."""
    title = name or _title(key)
    ref = schema_ref or EMPTY_PAYLOAD
    metadata: JsonObject = {
        "name": title,
        "description": None,
        "payloadSchemaRef": ref,
        "payloadSchemaMode": DEFAULT_SCHEMA_MODE,
        "pinnedPayloadSchemaRef": None,
        "trigger": None,
        "isSystem": False,
        "isVisible": True,
        "isPaused": False,
        "concurrencyLimit": None,
        "autoPauseOnFailure": False,
        "failureRateThreshold": None,
        "failureRateMinRuns": None,
        "retentionPolicyOverride": None,
    }
    draft: JsonObject = {
        "version": 1,
        "name": title,
        "payloadSchemaRef": ref,
        "steps": [{"id": "done", "type": "control.return"}],
    }
    return Workflow(key, metadata, 1, draft, ())


def offered_schema(registry: Registry | None) -> str | None:
    """A payload schema that the instance has: an empty one if it can be told, else the first; None if none is known."""
    refs = sorted(registry.schema_refs) if registry is not None else []
    return next((ref for ref in refs if "empty" in ref.lower()), refs[0] if refs else None)


def bundle_text(workflow: Workflow, syntax: Syntax, exported_at: str) -> bytes:
    """The canonical file of one workflow."""
    return written(bundle_tree([workflow], exported_at), syntax)


def now() -> str:
    """This moment as ``exportedAt`` wants it: UTC, milliseconds, ``Z``."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def starter_files(exported_at: str) -> Mapping[str, bytes]:
    """The files of a small working repository, by their path."""
    texts = {"wfsync.yaml": _CONFIG, ".github/workflows/wfsync.yml": _CI, "workflows/README.md": _README}
    example = bundle_text(new_workflow(EXAMPLE_KEY, "Hello"), "json", exported_at)
    return {**{path: text.encode() for path, text in texts.items()}, f"workflows/{EXAMPLE_KEY}.json": example}


def _title(key: str) -> str:
    words = " ".join(word for word in re.split(r"[._-]+", key) if word)
    return words[:1].upper() + words[1:]


_CONFIG: Final = """\
# Settings of this repository of workflows; `wfsync schema config` prints what may stand here.
version: 1

# One file a workflow, named <key>.json or <key>.yaml, in any sub-folder.
directory: workflows

# What the instance offers (actions, node types, payload schemas). With such a file `wfsync validate` and `wfsync plan`
# name whatever a workflow needs and the instance lacks; `wfsync schema registry` prints its form.
# registry: registry.yaml

# How `wfsync apply --force` overwrites a workflow that exists. update keeps its id, and with it the history of its
# runs. The default, replace, deletes the workflow and inserts it again under a new id: its runs, their steps and their
# logs are deleted with it.
overwrite: update

policy:
  definitions: error # a published version that cannot work is an error; warn lets it pass
"""

_CI: Final = """\
# Every change is checked; what reaches main is applied.
name: wfsync

on:
  pull_request:
  push:
    branches: [main]

permissions:
  contents: read

jobs:
  check:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.13"
      - name: Install
        run: pip install wfsync
      - name: Files are in canonical form
        run: wfsync fmt --check
      - name: Files are valid
        run: wfsync validate --format github

  apply:
    needs: check
    if: github.ref == 'refs/heads/main'
    runs-on: ubuntu-latest
    concurrency: wfsync-apply
    env:
      # Add this secret (Settings, Secrets and variables, Actions): the URL of the instance's PostgreSQL. Until it is
      # there, the steps below are passed over.
      WFSYNC_DATABASE_URL: ${{ secrets.WFSYNC_DATABASE_URL }}
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.13"
      - name: Install
        run: pip install wfsync
      - name: Apply
        if: env.WFSYNC_DATABASE_URL != ''
        run: wfsync apply --force
      - name: Nothing is left to do
        if: env.WFSYNC_DATABASE_URL != ''
        run: wfsync plan --detailed-exitcode
"""

_README: Final = """\
# Workflows

One file in this folder is one workflow. The files are the source of truth; `wfsync` makes the database say the same.

```sh
wfsync new team.my-workflow    # writes a valid file, ready to edit
wfsync fmt                     # canonical form, derived dependencies
wfsync validate                # every check that needs no database
wfsync plan                    # what apply would do; changes nothing
wfsync apply                   # does it; --force to overwrite what exists
wfsync export --all            # the other way: the database into files
```

With no database named, wfsync starts a PostgreSQL of its own under `.wfsync/`. Name yours by `WFSYNC_DATABASE_URL`.
"""

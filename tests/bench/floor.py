"""The floor: what the same work costs when nothing is decided, in one small script and one process.

It reads the same files, parses them with orjson, validates them with the compiled schema, COPYs the same rows in the
same binary format, reads rows back raw and parses them, and writes files by temporary file and rename. No digest, no
canonical form, no comparison, no error that a person could read, and the garbage collector off. It imports nothing of
wfsync, and only the libraries that the sub-command at hand needs: start-up counts on both sides.

    floor.py validate|plan|create|export --schema FILE --folder DIR [--database CONNINFO] [--git DIR --rev REV]

With ``--tenants N`` the files are read once, and written or compared for each of so many tenants, on a connection each.
"""

from __future__ import annotations

import gc

gc.disable()

import argparse  # noqa: E402 - the collector is off before anything is imported
import os  # noqa: E402
import struct  # noqa: E402
import time  # noqa: E402
import uuid  # noqa: E402
from collections.abc import Callable, Iterable, Iterator  # noqa: E402
from typing import Any  # noqa: E402

import orjson  # noqa: E402

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
NULL = b"\xff\xff\xff\xff"
CHUNK = 1 << 20

FIELDS = (
    "name",
    "description",
    "payloadSchemaRef",
    "payloadSchemaMode",
    "pinnedPayloadSchemaRef",
    "trigger",
    "isSystem",
    "isVisible",
    "isPaused",
    "concurrencyLimit",
    "autoPauseOnFailure",
    "failureRateThreshold",
    "failureRateMinRuns",
    "retentionPolicyOverride",
)
COLUMNS = (
    "name, description, payload_schema_ref, payload_schema_mode, pinned_payload_schema_ref, trigger, is_system,"
    " is_visible, is_paused, concurrency_limit, auto_pause_on_failure, failure_rate_threshold, failure_rate_min_runs,"
    " retention_policy_override"
)
DEFINITIONS = f"tenant, created_at, updated_at, workflow_id, key, draft_version, draft_definition, status, {COLUMNS}"
VERSIONS = "tenant, created_at, updated_at, published_at, workflow_id, version, definition_json, payload_schema_json"
VERSIONS += ", version_id"


def texts(folder: str) -> Iterator[bytes]:
    """Every file below ``folder``."""
    with os.scandir(folder) as listing:
        children = sorted(listing, key=lambda child: child.name)
    for child in children:
        if child.is_dir():
            yield from texts(child.path)
        else:
            handle = os.open(child.path, os.O_RDONLY)
            yield os.read(handle, child.stat().st_size + 1)
            os.close(handle)


def blobs(git: str, rev: str, folder: str) -> Iterator[bytes]:
    """Every file below ``folder`` in a revision."""
    import pygit2

    repository = pygit2.Repository(git)

    def walk(tree: Any) -> Iterator[bytes]:
        for child in tree:
            if child.type_str == "tree":
                yield from walk(child)
            else:
                yield repository.read(child.id)[1]

    yield from walk(repository.revparse_single(rev).peel(pygit2.Tree)[folder])


def wanted(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Every file, read, parsed and validated."""
    import jsonschema_rs

    with open(options.schema, "rb") as file:  # noqa: PTH123 - pathlib costs as much as a file
        is_valid = jsonschema_rs.Draft7Validator(orjson.loads(file.read()), validate_formats=True).is_valid
    for data in blobs(options.git, options.rev, options.folder) if options.rev else texts(options.folder):
        tree = orjson.loads(data)
        if not is_valid(tree):
            raise SystemExit("a file of the corpus is not valid")
        yield tree["workflows"][0]


def field(data: bytes | None) -> bytes:
    """One value of a binary COPY."""
    return NULL if data is None else struct.pack(">i", len(data)) + data


def text(value: str | None) -> bytes | None:
    return None if value is None else value.encode()


def integer(value: int | None) -> bytes | None:
    return None if value is None else struct.pack(">i", value)


def jsonb(value: Any) -> bytes | None:
    return None if value is None else b"\x01" + orjson.dumps(value)


def numeric(value: float | None) -> bytes | None:
    """PostgreSQL's numeric, for values from 0 to 999.99."""
    if value is None:
        return None
    hundredths = round(value * 100)
    return struct.pack(">hhhhhh", 2, 0, 0, 2, hundredths // 100, hundredths % 100 * 100)


def boolean(value: bool) -> bytes:
    return b"\x01" if value else b"\x00"


ENCODERS: tuple[Callable[[Any], bytes | None], ...] = (
    *(text, text, text, text, text, jsonb, boolean, boolean, boolean),
    *(integer, boolean, numeric, integer, jsonb),
)


def tenants(options: argparse.Namespace) -> list[uuid.UUID]:
    """wfsync's default tenant, or so many others."""
    return [uuid.UUID(int=number + 1) for number in range(options.tenants)] or [uuid.UUID(int=0)]


def create(options: argparse.Namespace) -> int:
    """Files → rows, in one transaction for each tenant."""
    if not options.tenants:
        return insert(options, wanted(options), uuid.UUID(int=0))
    workflows = list(wanted(options))
    return sum(insert(options, workflows, tenant) for tenant in tenants(options))


def insert(options: argparse.Namespace, workflows: Iterable[dict[str, Any]], tenant: uuid.UUID) -> int:
    """Workflows → rows of a tenant, in one transaction."""
    import psycopg

    now = struct.pack(">q", int((time.time() - 946684800) * 1_000_000))
    of_definition = struct.pack(">h", 8 + len(FIELDS)) + field(tenant.bytes) + 2 * field(now)
    of_version = struct.pack(">h", 9) + field(tenant.bytes) + 3 * field(now)
    count = 0
    later: list[bytes] = []  # definitions go first
    with psycopg.connect(options.database) as conn, conn.cursor() as cursor:
        with cursor.copy(f"COPY workflow_definitions ({DEFINITIONS}) FROM STDIN (FORMAT binary)") as copy:
            rows, size = [HEADER], 0
            for workflow in workflows:
                workflow_id = os.urandom(16)
                draft = workflow["draft"]
                draft["definition"]["id"] = workflow_id.hex()
                metadata = workflow["metadata"]
                row = [of_definition, field(workflow_id), field(text(workflow["key"]))]
                row += [field(integer(draft["draftVersion"])), field(jsonb(draft["definition"])), field(b"published")]
                row += [field(encode(metadata[name])) for name, encode in zip(FIELDS, ENCODERS, strict=True)]
                rows += row
                size += 4000
                for version in workflow["publishedVersions"]:
                    version["definition"]["id"] = workflow_id.hex()
                    later += (of_version, field(workflow_id), field(integer(version["version"])))
                    later += (field(jsonb(version["definition"])), field(jsonb(version["payloadSchemaJson"])))
                    later.append(field(os.urandom(16)))
                count += 1
                if size >= CHUNK:
                    copy.write(b"".join(rows))
                    rows, size = [], 0
            copy.write(b"".join((*rows, TRAILER)))
        with cursor.copy(f"COPY workflow_definition_versions ({VERSIONS}) FROM STDIN (FORMAT binary)") as copy:
            copy.write(HEADER)
            for start in range(0, len(later), 2000):
                copy.write(b"".join(later[start : start + 2000]))
            copy.write(TRAILER)
    return count


def live(options: argparse.Namespace, tenant: uuid.UUID) -> Iterator[dict[str, Any]]:
    """Every row of a tenant with its versions, read raw, every document parsed."""
    import psycopg
    from psycopg.types.json import set_json_loads

    with psycopg.connect(options.database) as conn:
        set_json_loads(orjson.loads, conn)
        columns = ", ".join(f"d.{name.strip()}" for name in COLUMNS.split(","))
        nothing = ", NULL" * len(FIELDS)
        statement = (
            "SELECT u.* FROM ("
            "SELECT d.workflow_id, NULL::integer AS version, d.draft_definition, NULL::jsonb, d.key, d.draft_version,"
            f" {columns} FROM workflow_definitions d WHERE d.tenant = '{tenant}'"
            " UNION ALL SELECT v.workflow_id, v.version, v.definition_json, v.payload_schema_json, NULL, NULL"
            f"{nothing} FROM workflow_definition_versions v"
            f" WHERE v.tenant = '{tenant}') u ORDER BY u.workflow_id"
        )
        with conn.cursor(binary=True) as cursor:
            workflow: dict[str, Any] = {}
            for row in cursor.execute(statement):
                if row[0] != workflow.get("id"):
                    if workflow:
                        yield workflow
                    workflow = {"id": row[0], "publishedVersions": []}
                if row[1] is None:
                    workflow["key"] = row[4]
                    workflow["metadata"] = dict(zip(FIELDS, row[6:], strict=True))
                    workflow["draft"] = {"draftVersion": row[5], "definition": row[2]}
                else:
                    version = {"version": row[1], "definition": row[2], "payloadSchemaJson": row[3]}
                    workflow["publishedVersions"].append(version)
            if workflow:
                yield workflow


def validate(options: argparse.Namespace) -> int:
    """Files only."""
    return sum(1 for _ in wanted(options))


def plan(options: argparse.Namespace) -> int:
    """Files and rows, each looked at once."""
    count = sum(1 for _ in wanted(options))
    for tenant in tenants(options):
        if sum(1 for _ in live(options, tenant)) != count:
            raise SystemExit("the database does not hold the corpus")
    return count * len(tenants(options))


def export(options: argparse.Namespace) -> int:
    """Rows → files."""
    os.makedirs(options.folder, exist_ok=True)  # noqa: PTH103
    form = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    count = 0
    for workflow in live(options, uuid.UUID(int=0)):
        del workflow["id"]
        bundle = {"format": "alga-psa.workflow-bundle", "formatVersion": 1, "workflows": [workflow]}
        path = f"{options.folder}/{workflow['key']}.json"
        handle = os.open(path + ".tmp", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        os.write(handle, orjson.dumps(bundle, float, form))
        os.close(handle)
        os.rename(path + ".tmp", path)  # noqa: PTH104
        count += 1
    return count


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("validate", "plan", "create", "export"))
    parser.add_argument("--schema", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--database", default="")
    parser.add_argument("--git", default="")
    parser.add_argument("--rev", default="")
    parser.add_argument("--tenants", type=int, default=0)
    options = parser.parse_args()
    count = {"validate": validate, "plan": plan, "create": create, "export": export}[options.what](options)
    print(count)


if __name__ == "__main__":
    main()
    os._exit(0)  # as the documents are not collected, neither are they freed one by one

"""A different canary in every field: none is in anything that any command says or writes, but in workflow files.

The canaries are of two kinds. *Tokens* have a well-known form and must be hidden wherever they stand, in texts and in
names; *values* look like nothing and must be hidden because of the name they stand under. Nothing is listed twice: what
leaks is named by its field.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from command_line import CommandLine, Result
from corpus_edits import JsonObject
from databases import Databases
from small_bundles import bundle, canonical, set_state
from workplace import Workplace


class Canaries:
    """Makes texts that exist nowhere else, and finds them again."""

    def __init__(self) -> None:
        self.planted: dict[str, str] = {}

    def token(self, field: str) -> str:
        return self._plant(field, "ghp_Q" + f"{len(self.planted):04d}" * 9)

    def name(self, field: str) -> str:
        """A token that may be a key of a workflow as well."""
        return self._plant(field, "ghp_q" + f"{len(self.planted):04d}" * 9)

    def value(self, field: str) -> str:
        return self._plant(field, f"canary-{len(self.planted):04d}-Zx")

    def _plant(self, field: str, text: str) -> str:
        field = f"{field} {len(self.planted)}"
        self.planted[field] = text
        return text

    def found_in(self, text: str) -> list[str]:
        return [field for field, canary in self.planted.items() if canary in text]


def step(canaries: Canaries, side: str) -> JsonObject:
    c = canaries
    return {
        "id": "send",
        "type": "action.call",
        "name": f"Send with {c.token(f'{side} step name')}",
        "config": {
            "actionId": "http.request",
            "version": 1,
            "inputMapping": {
                "url": f"https://bot:{c.value(f'{side} address')}@api.example.com/?token={c.value(f'{side} query')}",
                "dsn": f"host=db password={c.value(f'{side} dsn')}",
                "json": json.dumps({"user": "x", "password": c.value(f"{side} JSON text")}),
                "template": '{"id": {{id}}, "password": "' + c.value(f"{side} JSON template") + '"}',
                "yaml": f"user: x\npassword: {c.value(f'{side} YAML text')}\n",
                "header": f"X-Api-Key: {c.value(f'{side} header text')}",
                "cmd": f"export DB_PASSWORD={c.value(f'{side} command')}",
                "login": f"curl -u admin:{c.value(f'{side} login')} https://x",
                "dbPass": c.value(f"{side} dbPass"),
                "sshKey": c.value(f"{side} sshKey"),
                "apiKey": c.value(f"{side} apiKey"),
                "headers": [{"name": "Authorization", "value": c.value(f"{side} header pair")}],
                "credentials": {"a": {"b": [c.value(f"{side} nested")]}},
                "body": f"text with {c.token(f'{side} text')}",
                c.token(f"{side} member name"): "x",
                "pin": 1,
                "expr": {"$expr": f"'{c.token(f'{side} expression')}'"},
            },
        },
    }


def planted(canaries: Canaries, side: str) -> JsonObject:
    """A workflow with a canary wherever a value may stand."""
    c = canaries
    tree = bundle(
        "demo.leaky",
        [step(c, f"{side} draft")],
        versions={1: [step(c, f"{side} version")]},
        name=f"Name {c.token(f'{side} name')}",
        description=f"See {c.token(f'{side} description')}",
        retentionPolicyOverride={"secret": c.value(f"{side} retention")},
        trigger={
            "type": "event",
            "eventName": "X",
            "sourcePayloadSchemaRef": "payload.Ticket.v1",
            "payloadMapping": {"password": c.value(f"{side} trigger"), "text": c.token(f"{side} trigger text")},
        },
    )
    [workflow] = tree["workflows"]
    workflow["draft"]["definition"]["description"] = c.token(f"{side} definition")
    workflow["publishedVersions"][0]["payloadSchemaJson"] = {
        "type": "object",
        "title": c.token(f"{side} schema title"),
        "properties": {"password": {"type": "string", "default": c.value(f"{side} schema default")}},
    }
    return tree


class Place:
    """Runs commands and keeps everything that they say."""

    def __init__(self, work: Workplace, canaries: Canaries) -> None:
        self.work = work
        self.canaries = canaries
        self.leaks: list[str] = []
        self.codes: list[int] = []
        self.environment = {
            "PGPASSWORD": canaries.value("PGPASSWORD"),
            "WFSYNC_DATABASE_URL": f"postgresql://nobody:{canaries.value('other URL')}@127.0.0.1:1/nowhere",
            "GITHUB_TOKEN": canaries.token("environment"),
        }
        password = canaries.value("database URL")
        self.url = work.database.conninfo + f" password={password}"

    def run(self, *args: str, url: str | None = None) -> Result:
        result = self.work.cli(
            "--database", url or self.url, *self._tenant(), *args, cwd=self.work.folder, env=self.environment
        )
        self.codes.append(result.code)
        self.look(" ".join(args), result.output)
        assert "Traceback" not in result.output, result.output
        assert "INTERNAL" not in result.output, result.output
        return result

    def look(self, where: str, text: str) -> None:
        self.leaks += [f"{where}: {field}" for field in self.canaries.found_in(text)]

    def look_at_files(self) -> None:
        for path in (self.work.folder / "out").glob("*"):
            self.look(path.name, path.read_text(encoding="utf-8"))

    def _tenant(self) -> list[str]:
        tenant = self.work.database.tenant
        return ["--tenant", tenant] if tenant else []


@pytest.fixture
def place(cli: CommandLine, database: Databases, tmp_path: Path) -> Iterator[Place]:
    work = Workplace(cli, database("wfsync"), tmp_path)
    work.configure()
    (tmp_path / "out").mkdir()
    made = Place(work, Canaries())
    yield made
    made.look_at_files()
    assert made.leaks == []


EVERY_FORM: Final = ("text", "json", "markdown", "github")
OUTPUTS: Final = tuple(f"--output={form}=out/{form}" for form in EVERY_FORM)


def test_what_succeeds(place: Place) -> None:
    work, run = place.work, place.run
    work.write(planted(place.canaries, "before"))
    for form in ("text", "json", "github", "junit"):
        assert "SECRET_LITERAL" in run("-v", "validate", "--format", form).output
    run("fmt", "--check")
    run("-v", "plan", *OUTPUTS)
    run("apply", "--format", "json", "--output=out/created")
    run("apply", "--format", "markdown")
    work.write(planted(place.canaries, "after"))
    run("-vv", "plan", "--format", "json", *OUTPUTS)
    assert "[SECRET:REDACTED]" in run("plan").stdout
    run("plan", "--out", "out/pinned.json")
    run("diff", "demo.leaky")
    run("diff", "demo.leaky", "--format", "json")
    run("refs")
    run("refs", "demo.leaky")
    run("export", "--all", "--check")
    run("--log-format", "json", "-vv", "apply", "--force", "--overwrite", "update", *OUTPUTS[:3])
    run("apply", "out/pinned.json", "--force")
    run("status")
    run("status", "--format", "json")
    run("history")
    run("history", "--format", "json")
    run("db", "status")
    run("watch", "--once")
    run("export", "--all", "--commit", "-m", "x")
    applies = run("history", "--format", "json").json()
    newest = str(applies["applies"][0]["id"])
    assert run("show", newest).code == 0
    assert run("show", newest, "--format", "json").code == 0
    run("-v", "rollback", newest, "--format", "json")
    run("-v", "rollback", newest, "--force", "--overwrite", "update")
    run("-v", "export", "--all")
    (work.folder / "bundle.json").write_bytes(canonical(planted(place.canaries, "import")))
    run("import", "bundle.json")
    run("import", "bundle.json", "--force", "--format", "json")
    assert place.codes.count(0) > 20


def test_what_is_refused(place: Place) -> None:
    work, run = place.work, place.run
    work.write(planted(place.canaries, "before"))
    run("apply")
    work.write(planted(place.canaries, "after"))
    for form in ("text", "json", "markdown"):
        assert run("-v", "apply", "--format", form, "--output=out/refused").code == 3
    assert run("--log-format", "json", "apply").code == 3
    work.configure("policy: {secrets: error}\n")
    for form in ("json", "markdown", "github"):
        assert run("plan", "--format", form).code == 1
    assert run("apply", "--format", "json").code == 1
    assert run("validate", "--format", "junit").code == 1
    work.configure(f"source: https://bot:{place.canaries.value('config')}@git.example.com/x\n")
    assert run("plan").code == 1
    work.configure(f"overwrite: {place.canaries.token('config value')}\n{place.canaries.token('config name')}: 1\n")
    assert run("plan").code == 1
    work.configure("environments: {prod: {database_env: PROD_URL}}\n")
    place.environment["PROD_URL"] = f"postgresql://u:{place.canaries.value('environment URL')}@127.0.0.1:1/x"
    run("-e", "prod", "plan")
    assert run("db", "status", url=f"postgresql://u:{place.canaries.value('status URL')}@127.0.0.1:1/x").output
    for url in (
        f"postgresql://u:{place.canaries.value('refused URL')}@127.0.0.1:1/x",
        f"host=127.0.0.1 port=1 password='{place.canaries.value('refused conninfo')}",
        f"postgresql://u:{place.canaries.value('bad URL')}@[::1/x?sslmode=strange",
        f"postgresql://u@127.0.0.1:1/x?password={place.canaries.value('URL query')}",
    ):
        assert run("plan", url=url).code != 0


def spoilt(canaries: Canaries) -> dict[str, bytes]:
    """Files that are wrong, each with a token at the very fault."""
    good = bundle("demo.bad", [set_state()])
    broken: dict[str, Any] = {}

    def spoil(name: str, *path: str | int) -> None:
        tree = json.loads(json.dumps(good))
        here: Any = tree
        for part in path[:-1]:
            here = here[part]
        here[path[-1]] = canaries.token(f"bad {name}")
        broken[name] = json.dumps(tree).encode()

    spoil("format", "format")
    spoil("formatVersion", "formatVersion")
    spoil("exportedAt", "exportedAt")
    spoil("key", "workflows", 0, "key")
    spoil("threshold", "workflows", 0, "metadata", "failureRateThreshold")
    spoil("mode", "workflows", 0, "metadata", "payloadSchemaMode")
    spoil("paused", "workflows", 0, "metadata", "isPaused")
    spoil("unknown", "workflows", 0, "metadata", canaries.token("bad member"))
    spoil("type", "workflows", 0, "publishedVersions", 0, "definition", "steps", 0, "type")
    text = json.dumps(good)
    name = canaries.token("twice")
    broken["twice"] = text.replace('"workflows"', f'"{name}": 1, "{name}": 2, "workflows"').encode()
    broken["syntax"] = text[:-2].encode() + canaries.token("syntax").encode()
    step = set_state("X", canaries.token("step id"))
    broken["steps"] = json.dumps(bundle("demo.bad", [step, step])).encode()
    call = {"id": "c", "type": "control.callWorkflow", "workflowId": canaries.token("callee"), "workflowVersion": 1}
    broken["callee"] = json.dumps(bundle("demo.bad", [call])).encode()
    return broken


def test_what_is_wrong(place: Place) -> None:
    folder = place.work.folder / "workflows"
    folder.mkdir()
    for number, (name, data) in enumerate(spoilt(place.canaries).items()):
        (folder / f"{number}").mkdir()
        (folder / f"{number}" / "demo.bad.json").write_bytes(data)
        assert name
    (folder / "a.yaml").write_text(f"a: &x {place.canaries.token('yaml')}\nb: *y\n")
    (folder / "b.yaml").write_text(f"a: 'b\n{place.canaries.token('yaml quote')}\n")
    for form in ("text", "json", "github", "junit"):
        place.run("-v", "validate", "--format", form)
    for form in ("text", "json", "markdown", "github"):
        place.run("-v", "plan", "--format", form)
    place.run("--log-format", "json", "-v", "plan")
    assert set(place.codes) == {1}


def test_tokens_in_the_place_of_names(place: Place) -> None:
    """Ids, keys of others, conditions and names of tests, in what looks into workflows and tries them."""
    work, run, c = place.work, place.run, place.canaries
    branch = {
        "id": c.name("id of if"),
        "type": "control.if",
        "condition": {"$expr": f"'{c.token('condition')}' = 'x'"},
        "then": [set_state("X", c.name("id of then"))],
    }
    call: JsonObject = {"type": "control.callWorkflow", "workflowId": c.name("workflowId"), "workflowVersion": 1}
    absent: JsonObject = {"type": "action.call", "config": {"actionId": "no.such", "version": 1, "inputMapping": {}}}
    work.write(
        bundle("demo.caller", [branch, {"id": c.name("id of call"), **call}]),
        bundle("demo.callee", [set_state("X", c.name("id of callee")), branch]),
        bundle("demo.draft", [{"id": c.name("id of absent action"), **absent}], versions=()),
    )
    (work.folder / "tests").mkdir()
    names = [c.token("name of test"), c.token("name of failing test")]
    (work.folder / "tests" / "t.yaml").write_text(
        "version: 1\nworkflow: demo.caller\ntests:\n"
        f"  - {{name: {names[0]}, payload: {{}}, expect: {{status: SUCCEEDED}}}}\n"
        f"  - {{name: {names[1]}, payload: {{}}, expect: {{status: FAILED, path: ['{c.token('path')}']}}}}\n"
    )
    for form in ("text", "json"):
        assert "[SECRET:REDACTED]" in run("refs", "--format", form).stdout
        assert "[SECRET:REDACTED]" in run("publish", "demo.draft", "--check", "--format", form).stdout
    for form in ("text", "json", "mermaid"):
        for key in ("demo.caller", "demo.callee"):
            assert run("simulate", key, "--format", form).stdout
    for form in ("text", "json", "junit"):
        assert "[SECRET:REDACTED]" in run("-v", "test", "--coverage", "--format", form).stdout


def test_what_the_database_says(place: Place) -> None:
    work, canaries = place.work, place.canaries
    work.write(planted(canaries, "before"))
    place.run("apply")
    with psycopg.connect(work.database.conninfo, autocommit=True) as conn:
        conn.execute("UPDATE workflow_definitions SET name = %s", (canaries.token("row name"),))
        conn.execute(
            "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'refused %: % of %', NEW.description, NEW.draft_definition, row_to_json(NEW);"
            " END $$"
        )
        conn.execute(
            "CREATE TRIGGER spoil BEFORE INSERT OR UPDATE ON workflow_definitions FOR EACH ROW EXECUTE FUNCTION spoil()"
        )
    place.run("plan", "--format", "json")
    assert place.run("-vv", "apply", "--force", "--on-drift", "overwrite").code != 0
    assert place.run("-vv", "apply", "--force", "--format", "json").code != 0
    look_at_what_failed(place, "refused")
    with psycopg.connect(work.database.conninfo, autocommit=True) as conn:
        conn.execute("DROP TRIGGER spoil ON workflow_definitions")
        conn.execute("ALTER TABLE workflow_definitions ADD CHECK (name = 'x') NOT VALID")
    assert place.run("-vv", "apply", "--force", "--on-drift", "overwrite").code != 0
    look_at_what_failed(place, "forbids the change")


def look_at_what_failed(place: Place, word: str) -> None:
    """Where the words of a failed apply are kept and told: `watch`, the ledger, and who reads that."""
    work = place.work
    (failed, *_) = place.run("history", "--format", "json").json()["applies"]
    assert failed["outcome"] == "failed"
    assert word in failed["error"]
    consent = ("--force", "--on-drift", "overwrite")
    for told in (
        place.run("-vv", "watch", "--once", *consent),
        place.run("--log-format", "json", "-vv", "watch", "--once", *consent),
        place.run("show", failed["id"]),
        place.run("show", failed["id"], "--format", "json"),
    ):
        assert word in told.output
    place.run("history")
    with psycopg.connect(work.database.conninfo) as conn:
        kept = conn.execute("SELECT row_to_json(a)::text FROM wfsync.applies a ORDER BY at").fetchall()
    assert word in kept[-1][0]
    place.look("wfsync.applies", "\n".join(text for (text,) in kept))

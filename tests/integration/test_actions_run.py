"""Built-in actions in a run: the nodes for mails, a secret from the store that reaches a service and nothing else."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from command_line import CommandLine
from databases import Databases
from small_bundles import bundle
from web_servers import Reply, web_server
from workplace import Workplace

SECRET = "pl4nted-secret-value"
KEY = base64.b64encode(b"k" * 32).decode()


def expr(text: str) -> dict[str, str]:
    return {"$expr": text}


def call(step_id: str, action: str, save_as: str | None = None, **mapping: Any) -> dict[str, Any]:
    config: dict[str, Any] = {"actionId": action, "version": 1, "inputMapping": mapping}
    return {"id": step_id, "type": "action.call", "config": config | ({"saveAs": save_as} if save_as else {})}


STEPS = [
    {"id": "parse", "type": "email.parseBody", "config": {"text": expr("payload.text"), "saveAs": "parsed"}},
    {
        "id": "render",
        "type": "email.renderCommentBlocks",
        "config": {
            "html": expr("coalesce(vars.parsed.html, '')"),
            "text": expr("vars.parsed.text"),
            "saveAs": "blocks",
        },
    },
    call("find", "transform.regex_extract", "found", text=expr("payload.text"), pattern="#([0-9]+)", group=1),
    call(
        "send",
        "http.request",
        "answer",
        method="POST",
        url=expr("payload.url"),
        headers={"authorization": {"$secret": "TOKEN"}},
        body={"ticket": expr("vars.found.value")},
    ),
    call(
        "note", "log.write", level="warn", message=expr("'ticket ' & vars.found.value & ': ' & vars.answer.json.echo")
    ),
]


def test_a_mail_becomes_a_call_of_a_service(cli: CommandLine, database: Databases, tmp_path: Path) -> None:
    work = Workplace(cli, database("wfsync"), tmp_path)
    work.configure()
    written = bundle("support.mail", steps=STEPS)
    work.write(written)
    work.ok("apply")
    environment = {"WFSYNC_SECRETS_KEY": KEY, "WFSYNC_HTTP_ALLOW": "127.0.0.1"}
    assert work("secrets", "set", "TOKEN", env=environment, stdin=SECRET.encode()).code == 0

    def reply(seen: Any) -> Reply:
        body = json.dumps({"echo": seen.headers["authorization"]}).encode()
        return Reply(200, body, {"Content-Type": "application/json"})

    with web_server(reply) as server:
        payload = {"text": "It works. [#4711]\n\nOn 4 May 2026, Bo wrote:\n> No?\n", "url": server.url("/tickets")}
        done = work(
            "run", "support.mail", "--payload", json.dumps(payload), "--wait", "--format", "json", env=environment
        )
    assert done.code == 0, done.output

    (seen,) = server.seen
    assert seen.headers["authorization"] == SECRET
    assert seen.headers["idempotency-key"] == f"{done.json()['run']['id']}/root.steps[3]"
    assert json.loads(seen.body) == {"ticket": "4711"}

    values = done.json()["run"]["output"]["vars"]
    assert values["parsed"]["text"] == "It works. [#4711]"
    assert values["blocks"]["blocks"] == [
        {"type": "paragraph", "content": [{"type": "text", "text": "It works. [#4711]"}]}
    ]
    assert values["answer"]["json"] == {"echo": "[SECRET:REDACTED]"}
    (line,) = work.rows("SELECT level, message FROM workflow_run_logs")
    assert line == {"level": "WARN", "message": "ticket 4711: [SECRET:REDACTED]"}

    # The outputs of other steps are only looked at: the value must be in no table of any schema, nor on a stream.
    assert SECRET not in done.output
    tables = work.rows(
        "SELECT quote_ident(table_schema) || '.' || quote_ident(table_name) AS name FROM information_schema.tables"
        " WHERE table_schema NOT IN ('pg_catalog', 'information_schema') AND table_type = 'BASE TABLE'"
    )
    assert len(tables) > 15
    for table in tables:
        assert SECRET not in str(work.rows(f"SELECT t::text FROM {table['name']} t"))

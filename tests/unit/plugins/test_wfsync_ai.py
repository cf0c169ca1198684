"""`plugins/wfsync-ai`: ai.infer against a real server, and a package that wfsync never imports."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from runtime_actions import Calling
from web_servers import Reply, Seen, WebServer, raw_server, web_server
from wfsync.bundle.json_schema import compile_schema
from wfsync.runtime.plugins import GROUP, discover
from wfsync.runtime.registry import ActionFailed
from wfsync_ai import PLUGIN

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "plugins" / "wfsync-ai"
KEY = "pl4nted-key"
SCHEMA = {
    "type": "object",
    "required": ["topic"],
    "additionalProperties": False,
    "properties": {"topic": {"enum": ["billing", "outage"]}},
}


def says(*texts: str, **more: Any) -> Any:
    """Answers with ``texts``, one after the other."""
    left = list(texts)

    def reply(_: Seen) -> Reply:
        choice = {"message": {"role": "assistant", "content": left.pop(0)}, "finish_reason": "stop", **more}
        usage = {"prompt_tokens": 3, "total_tokens": 5, "cost": 0.1, "details": {}}
        return Reply(200, json.dumps({"model": "m-1", "choices": [choice], "usage": usage}).encode())

    return reply


@pytest.fixture
def server() -> Iterator[WebServer]:
    with web_server(says("hello")) as running:
        yield running


def context(server: WebServer | None = None, **settings: str) -> Calling:
    url = {} if server is None else {"WFSYNC_AI_URL": server.url("/v1/")}
    return Calling({**url, "WFSYNC_AI_KEY": KEY, "WFSYNC_AI_MODEL": "m", **settings})


def infer(calling: Calling, **given: Any) -> Any:
    (action,) = PLUGIN.actions
    assert action.run is not None
    assert action.input_schema is not None
    assert action.output_schema is not None
    given = {"prompt": "Which?", **given}
    assert compile_schema(action.input_schema).faults(given) == ()
    output = action.run(given, calling)
    assert compile_schema(action.output_schema).faults(output) == ()
    return output


def failure(calling: Calling, **given: Any) -> ActionFailed:
    with pytest.raises(ActionFailed) as caught:
        infer(calling, **given)
    assert KEY not in json.dumps([caught.value.message, caught.value.details, repr(caught.value)])
    return caught.value


def test_a_question_and_its_answer(server: WebServer) -> None:
    output = infer(context(server), system="Be brief.", temperature=0, maxTokens=9)
    assert output == {"text": "hello", "model": "m-1", "usage": {"prompt_tokens": 3, "total_tokens": 5}}
    (seen,) = server.seen
    assert (seen.method, seen.path) == ("POST", "/v1/chat/completions")
    assert seen.headers["authorization"] == f"Bearer {KEY}"
    assert len(seen.headers["idempotency-key"]) == 64
    assert json.loads(seen.body) == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Which?"}],
        "temperature": 0,
        "max_tokens": 9,
    }


def test_an_answer_that_fits_the_schema(server: WebServer) -> None:
    for text in ('{"topic": "billing"}', '```json\n{"topic": "billing"}\n```', ' {"topic":"billing"}\n'):
        server.reply = says(text)
        assert infer(context(server), schema=SCHEMA, model="other")["output"] == {"topic": "billing"}
    asked = json.loads(server.seen[0].body)
    assert asked["model"] == "other"
    assert asked["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "output", "schema": SCHEMA, "strict": True},
    }


@pytest.mark.parametrize("wrong", ["no JSON", '{"topic": "weather"}', '{"topic": NaN}', "[" * 50_000])
def test_one_that_does_not_fit_is_corrected_once(server: WebServer, wrong: str) -> None:
    server.reply = says(wrong, '{"topic": "outage"}')
    assert infer(context(server), schema=SCHEMA)["output"] == {"topic": "outage"}
    told = json.loads(server.seen[1].body)["messages"]
    assert told[1] == {"role": "assistant", "content": wrong}
    assert "does not fit" in told[2]["content"]

    server.reply = says(wrong, wrong)
    failed = failure(context(server), schema=SCHEMA)
    assert (failed.code, failed.category, failed.retryable) == ("AI_OUTPUT_INVALID", "ActionError", True)
    assert len(server.seen) == 4
    assert "weather" not in failed.message, "what the model was told may be in its answer"


@pytest.mark.parametrize(
    ("status", "category", "code"),
    [
        (400, "ActionError", "AI_REFUSED"),
        (401, "ActionError", "AI_REFUSED"),
        (302, "ActionError", "AI_REFUSED"),
        (429, "TransientError", "AI_CONNECTION"),
        (500, "TransientError", "AI_CONNECTION"),
    ],
)
def test_statuses(server: WebServer, status: int, category: str, code: str) -> None:
    server.reply = lambda _: Reply(status, KEY.encode(), {"Location": server.url("/elsewhere")})
    failed = failure(context(server))
    assert (failed.category, failed.code, failed.details) == (category, code, {"status": status})
    assert failed.retryable == (category == "TransientError")
    assert len(server.seen) == 1


def test_answers_that_are_none(server: WebServer) -> None:
    for body in (b"", b"[]", b"{}", b'{"choices": []}', b'{"choices": [{"message": {"content": null}}]}', b"\xff"):
        server.reply = lambda _, body=body: Reply(200, body)  # type: ignore[misc]
        assert failure(context(server)).code == "AI_CONNECTION"
    server.reply = lambda _: Reply(200, b"x" * (1024 * 1024 + 1))
    assert failure(context(server)).code == "AI_REFUSED"
    server.reply = says("half an answ", finish_reason="length")
    assert failure(context(server)).code == "AI_TRUNCATED"
    server.reply = says("", finish_reason="content_filter")
    assert failure(context(server)).code == "AI_REFUSED"


def test_no_answer_in_time_and_no_server() -> None:
    def silent(_: socket.socket, done: threading.Event) -> None:
        done.wait(10)

    with raw_server(silent) as port:
        began = time.monotonic()
        failed = failure(context(WFSYNC_AI_URL=f"http://127.0.0.1:{port}"), timeoutMs=200)
        assert (failed.category, failed.code, failed.retryable) == ("TimeoutError", "AI_TIMEOUT", True)
        assert time.monotonic() - began < 9
    assert failure(context(WFSYNC_AI_URL=f"http://127.0.0.1:{port}")).code == "AI_CONNECTION"


def test_settings_and_schemas_that_are_wrong(server: WebServer) -> None:
    for url in ("", "ftp://x", "x", "http://", "http://u:p@x", "http://x?a=1", "http://[x"):
        assert failure(context(WFSYNC_AI_URL=url)).code == "AI_NOT_CONFIGURED"
    assert failure(context(server, WFSYNC_AI_MODEL="")).code == "AI_NOT_CONFIGURED"
    wrong = failure(context(server), schema={"type": "nonsense"})
    assert (wrong.code, wrong.category) == ("AI_SCHEMA_INVALID", "ValidationError")
    assert server.seen == []


def test_wfsync_finds_it_by_its_entry_point() -> None:
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text("utf-8"))["project"]
    points = project["entry-points"][GROUP]
    found = discover([EntryPoint(name, value, GROUP) for name, value in points.items()])
    assert found.problems == ()
    assert [package.plugin for package in found.packages] == ["wfsync-ai"]
    assert found.registry.actions["ai.infer", 1].origin == "wfsync-ai"


def test_wfsync_itself_never_imports_it() -> None:
    """The contract in pyproject.toml reads the source; this looks at what is loaded."""
    program = (
        "import sys, pkgutil, importlib, wfsync.runtime\n"
        "for module in pkgutil.walk_packages(wfsync.runtime.__path__, 'wfsync.runtime.'):\n"
        "    importlib.import_module(module.name)\n"
        "assert not [name for name in sys.modules if name.startswith('wfsync_ai')]\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, timeout=60)
    source = "".join(path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py"))
    assert "wfsync_ai" not in source

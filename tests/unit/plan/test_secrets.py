"""Nothing that looks like a secret gets into a difference, and what is none stays readable."""

from __future__ import annotations

import json
from typing import Any

import pytest

from wfsync.bundle.model import PublishedVersion, Workflow
from wfsync.plan.change import MISSING, FieldChange
from wfsync.plan.diff import compare
from wfsync.plan.secrets import REDACTED, hide, hide_text, is_secret_name


def differing(old: Any, new: Any) -> tuple[FieldChange, ...]:
    one, two = (
        Workflow("k", {}, 1, {"steps": [{"id": "s", "type": "t", "config": config}]}, ()) for config in (old, new)
    )
    return compare(one, two)


@pytest.mark.parametrize(
    "name",
    [
        "password", "dbPassword", "DB_PASSWORD", "passwd", "secret", "clientSecret", "client_secret", "token",
        "accessToken", "access_token", "authtoken", "apiKey", "api-key", "APIKEY", "x-api-key", "Authorization",
        "credential", "credentials", "privateKey", "private_key", "passphrase", "pwd", "webhookSecret", "bearer",
        "Cookie", "auth", "basicAuth", "connectionString", "tokenValue", "signingKey", "pin",
        "pass", "dbPass", "pw", "sshKey", "ssh_key", "privKey", "hmacKey", "pinCode",
    ],
)  # fmt: skip
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)
    [change] = differing({name: "one"}, {name: "two"})
    assert change == FieldChange("change", f"draft.steps[s].config{place(name)}", REDACTED, REDACTED, masked=True)


def place(name: str) -> str:
    return f".{name}"


@pytest.mark.parametrize(
    "name",
    ["name", "body", "key", "keyboard", "secretary", "tokenize", "maxTokens", "secretName", "tokenType",
     "passwordPolicy", "author", "pinnedPayloadSchemaRef", "opinion", "compass", "monkey", "spin", "", "id",
     "passenger", "bypass", "sshHost", "hmacName", "zipCode"],
)  # fmt: skip
def test_names_of_other_things(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize("value", ["hunter2", 1234, 0.5, ["hunter2"], {"deep": {"er": "hunter2"}}])
def test_everything_below_a_secret_name_is_hidden(value: Any) -> None:
    for old, new in (({}, {"password": value}), ({"password": value}, {}), ({"password": value}, {"password": None})):
        [change] = differing(old, new)
        assert change.masked
        assert "hunter2" not in repr(change)
        assert "1234" not in repr(change)


def test_a_secret_deep_below_a_changed_name_is_hidden() -> None:
    [change] = differing(
        {"credentials": {"a": {"user": "u", "code": "1"}}}, {"credentials": {"a": {"user": "u", "code": "2"}}}
    )
    assert (change.path, change.old, change.new) == ("draft.steps[s].config.credentials.a.code", REDACTED, REDACTED)


def test_the_value_of_a_pair_with_a_secret_name_is_hidden() -> None:
    header = {"name": "Authorization", "value": "hunter2"}
    [change] = differing({"headers": []}, {"headers": [header]})
    assert change.new == {"name": "Authorization", "value": REDACTED}
    [change] = differing({"headers": [header]}, {"headers": [{**header, "value": "hunter3"}]})
    assert (change.old, change.new) == (REDACTED, REDACTED)


def test_references_stay_readable() -> None:
    [change] = differing({"password": {"$secret": "OLD"}}, {"password": {"$secret": "NEW"}})
    assert (change.path, change.old, change.new) == ("draft.steps[s].config.password.$secret", "OLD", "NEW")
    [change] = differing({"password": "hunter2"}, {"password": {"$secret": "NEW"}})
    assert (change.old, change.new, change.masked) == (REDACTED, {"$secret": "NEW"}, True)
    [change] = differing({}, {"token": {"$expr": "vars.t"}})
    assert (change.new, change.masked) == ({"$expr": "vars.t"}, False)
    [change] = differing({}, {"token": {"$secret": "NAME", "value": "hunter2"}})
    assert "hunter2" not in repr(change)


@pytest.mark.parametrize("value", [True, False, None, ""])
def test_what_gives_nothing_away_can_be_read(value: Any) -> None:
    assert hide(value, secret=True) == (value, False)


FORMS = [
    "AKIA" + "A1B2C3D4E5F6G7H8",
    "ghp_" + "a" * 36,
    "github_pat_" + "b" * 30,
    "xoxb-" + "123456789012-abcdef",
    "glpat-" + "c" * 20,
    "sk_live_" + "d" * 24,
    "AIza" + "e" * 35,
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----\nMIIEow",
    "npm_" + "f" * 36,
]


@pytest.mark.parametrize("form", FORMS)
def test_tokens_are_known_by_their_form_anywhere(form: str) -> None:
    assert hide_text(f"use {form} here") in (f"use {REDACTED} here", f"use {REDACTED}")
    [change] = differing({"body": f"say {form}!"}, {"body": {"text": [form]}})
    assert form not in repr(change)
    assert change.masked
    for changes in (differing({form: 1}, {form: 2}), differing({}, {"x": {form: 2}})):
        assert form not in repr(changes)


def test_parts_of_addresses_and_headers() -> None:
    assert hide_text("postgres://u:hunter2@db/x") == f"postgres://{REDACTED}@db/x"
    assert hide_text("Authorization: Bearer abcdefghijklmnop.qrst") == f"Authorization: Bearer {REDACTED}"
    assert hide_text("https://h/x?a=1&token=hunter2&b=2") == f"https://h/x?a=1&token={REDACTED}&b=2"
    for text in (
        "550e8400-e29b-41d4-a716-446655440000",
        "http://host:80/a@b",
        "the bearer of news",
        "sha256:" + "a" * 64,
    ):
        assert hide_text(text) == text


@pytest.mark.parametrize("part", ["eyJ-", "://a:", "SG.", "-----BEGIN A", "bearer ", "sk_live_ "])
def test_no_text_makes_hiding_slow(part: str) -> None:
    text = part * (400_000 // len(part))  # seconds if linear time were lost: hours
    assert hide_text(text) == text


@pytest.mark.parametrize(
    "part",
    ["eyJ-", "://a:", " -u ", "a-", "a=", 'password="', "password: a ", "token=", '{"', '{"a":', '{"password":"x"}',
     '\\"token\\":', "--token ", "'a':'b'", "a" * 64 + "-"],
)  # fmt: skip
def test_no_text_makes_hiding_a_value_slow(part: str) -> None:
    hide(part * (400_000 // len(part)), secret=False)  # seconds if linear time were lost: hours


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"user":"x","password":"CANARY"}', f'{{"user": "x", "password": "{REDACTED}"}}'),
        ('POST {"a": [{"apiKey": 1234}]} now', f'POST {{"a": [{{"apiKey": "{REDACTED}"}}]}} now'),
        ('{"password": "CANARY", "n": {{n}}}', f'{{"password": "{REDACTED}", "n": {{{{n}}}}}}'),
        ('{"a": "{\\"password\\": \\"CANARY\\"}"}', json.dumps({"a": json.dumps({"password": REDACTED})})),
        ("{'password': 'CANARY'}", f"{{'password': '{REDACTED}'}}"),
        ("password: CANARYgg", f"password: {REDACTED}"),
        ("user: x\npassword: CANARY\nhost: y", f"user: x\npassword: {REDACTED}\nhost: y"),
        ("X-Api-Key: CANARYee12345678", f"X-Api-Key: {REDACTED}"),
        ("Authorization: Bearer CANARY", f"Authorization: Bearer {REDACTED}"),
        ("export DB_PASSWORD=CANARY; run", f"export DB_PASSWORD={REDACTED}; run"),
        ("export DB_PASS='CANARY x' && run", f"export DB_PASS='{REDACTED}' && run"),
        ("curl -u admin:CANARY https://x", f"curl -u {REDACTED} https://x"),
        ("deploy --token CANARY --now", f"deploy --token {REDACTED} --now"),
        ("pinCode: 1234", f"pinCode: {REDACTED}"),
        ("secret=CANARY", f"secret={REDACTED}"),
    ],
)
def test_names_within_a_text(text: str, shown: str) -> None:
    assert hide(text, secret=False) == (shown, True)
    assert hide(shown, secret=False) == (shown, False)
    [change] = differing({"body": "x"}, {"body": text})
    assert "CANARY" not in repr(change)
    assert change.masked


@pytest.mark.parametrize(
    "text",
    [
        '{"user":"x","city":"y"}', '{"n": {{n}}}', '{"password": {"$secret": "NAME"}}', '{"maxTokens": 5}',
        "ask for the password: it is in the vault", "{'password': payload.p}", "vars.token ? 'a' : 'b'",
        "password: {{ vars.p }}", "password: ${P}", "'password=' & vars.p & '&x'", "token: null",
        "$secret: x", "secret://vault/x", "docker run -u 1000:1000 app",
    ],
)  # fmt: skip
def test_other_texts_stay_readable(text: str) -> None:
    assert hide(text, secret=False) == (text, False)


def test_json_that_is_too_deep_is_left_out() -> None:
    for depth in (200, 300, 500, 900, 5000):
        text = '{"a":' * depth + '{"password":"CANARY"}' + "}" * depth
        assert "CANARY" not in hide(text, secret=False)[0]


def test_hiding_twice_is_hiding_once() -> None:
    text = " ".join(FORMS) + " postgres://u:hunter2@db"
    assert hide_text(hide_text(text)) == hide_text(text)


def test_a_payload_schema_says_what_a_secret_looks_like_but_not_what_it_is() -> None:
    schema = {"properties": {"password": {"type": "string", "minLength": 8, "default": "hunter2"}}}
    old, new = PublishedVersion(1, {}, {"properties": {}}), PublishedVersion(1, {}, schema)
    [change] = compare(Workflow("k", {}, 1, {}, (old,)), Workflow("k", {}, 1, {}, (new,)))
    assert (change.old, change.new) == (MISSING, {"type": "string", "minLength": 8, "default": REDACTED})
    other = PublishedVersion(
        1, {}, {"properties": {"password": {"type": "integer", "minLength": 8, "default": "hunter3"}}}
    )
    kinds, default = sorted(
        compare(Workflow("k", {}, 1, {}, (new,)), Workflow("k", {}, 1, {}, (other,))), key=lambda c: c.masked
    )
    assert (kinds.old, kinds.new) == ("string", "integer")
    assert (default.old, default.new) == (REDACTED, REDACTED)


def test_steps_and_versions_that_come_or_go_are_hidden_too() -> None:
    step = {"id": "s", "type": "t", "name": f"uses {FORMS[1]}", "config": {"apiKey": "hunter2"}}
    empty = Workflow("k", {}, 1, {"steps": []}, ())
    version = PublishedVersion(1, {"name": FORMS[1], "steps": [step]}, None)
    full = Workflow("k", {}, 1, {"steps": [step]}, (version,))
    for changes in (compare(empty, full), compare(full, empty)):
        assert "hunter2" not in repr(changes)
        assert FORMS[1] not in repr(changes)

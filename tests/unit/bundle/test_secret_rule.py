"""Literals that look like secrets: found by name and by form, seldom without reason, never repeated."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from small_bundles import bundle, canonical, many
from wfsync.bundle.load import LoadOptions, load
from wfsync.bundle.rules.fault import Fault
from wfsync.bundle.rules.secret_policy import SecretPolicy
from wfsync.bundle.rules.secret_scan import may_hold_secrets
from wfsync.bundle.rules.secrets import check
from wfsync.plan.secrets import hide

UUID = "3f2b8c1e-5d4a-4e6f-9a7b-0c1d2e3f4a5b"
HEX = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def faults(config: Any, *allowed: str) -> list[Fault]:
    workflow = {"key": "demo.flow", "draft": {"config": config}}
    return list(check(workflow, SecretPolicy("warning", allowed), ("workflows", 0)))


def scanned(config: Any) -> bool:
    """What the quick look says of the same, canonical and compact."""
    texts = {json.dumps(config, sort_keys=True, indent=indent, ensure_ascii=False) for indent in (None, 2)}
    [answer] = {may_hold_secrets(text.encode()) for text in texts}
    return answer


TOKENS = [
    ("aws", "AKIA" + "A1B2C3D4E5F6G7H8"),
    ("aws", "AKIA" + "IOSFODNN7EXAMPLE"),
    ("github", "ghp_" + "a1B2" * 9),
    ("github", "github_pat_" + "b" * 30),
    ("gitlab", "glpat-" + "c" * 20),
    ("gitlab", "glrt-" + "c1" * 10),
    ("slack", "xoxb-" + "123456789012-abcdef"),
    ("slack", "https://hooks.slack.com/services/" + "T000/B000/abcdef123"),
    ("stripe", "sk_live_" + "d1" * 12),
    ("stripe", "whsec_" + "d1" * 12),
    ("google", "AIza" + "e1" * 17 + "f"),
    ("service", "sk-proj-" + "e1" * 17),
    ("service", "SG." + "a1" * 11 + "." + "b2" * 20),
    ("service", "npm_" + "f1" * 18),
    ("service", "hvs." + "f1" * 18),
    ("jwt", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"),
    ("private_key", "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----"),
    ("private_key", "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQ"),
    ("address", "postgres://app:s3cr3t@db.example.com/app"),
    ("address", "https://bot:hunter2@git.example.com/x.git"),
    ("connection", "Server=db;Database=app;User Id=sa;Password=Tr0ub4dor;"),
    ("connection", "host=db user=app password=hunter2"),
    ("connection", "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=abc123def456=="),
    ("query", "https://example.com/hook?token=a8f5f167f44f4964e6c998dee827110c"),
    ("service", "https://discord.com/api/webhooks/" + "123456789012345678/a1B2_c3D4-e5F6"),
    ("service", "https://discordapp.com/api/webhooks/" + "1234567890/a1B2c3D4e5F6"),
    ("service", "https://api.telegram.org/bot" + "123456789:AA" + "f1-" * 11 + "/sendMessage"),
    ("service", "SK" + "0a1b2c3d" * 4),
    ("connection", "export DB_PASSWORD=hunter2"),
    ("connection", "MYSQL_PWD=hunter2 mysqldump"),
    ("login", "curl -u admin:hunter2 https://example.com"),
    ("login", "curl -sS --user 'admin:hunter2' https://example.com"),
    ("header", "Bearer a8f5f167f44f4964e6c998dee827110c"),
]


@pytest.mark.parametrize(("kind", "token"), TOKENS)
@pytest.mark.parametrize("place", ["{}", "use {} here", "'{}'"])
def test_forms_of_tokens_anywhere(kind: str, token: str, place: str) -> None:
    text = place.format(token)
    for config in ({"body": text}, {"list": [{"deep": text}]}, {"body": {"$expr": text}}):
        [fault] = faults(config)
        assert (fault.code, fault.severity, fault.details["kind"]) == ("SECRET_LITERAL", "warning", kind)
        assert token not in repr(fault)
        assert scanned(config)


def test_a_token_as_a_members_name_is_named_by_its_owner() -> None:
    [fault] = faults({"map": {TOKENS[2][1]: 1}})
    assert fault.path == ("draft", "config", "map")
    assert TOKENS[2][1] not in repr(fault)
    assert scanned({"map": {TOKENS[2][1]: 1}})


NAMES = [
    "password", "dbPassword", "DB_PASSWORD", "db-password", "passwd", "passphrase", "secret", "clientSecret",
    "client_secret", "CLIENT_SECRET", "secretKey", "token", "accessToken", "access_token", "TOKEN", "apiKey", "api_key",
    "api-key", "API_KEY", "apikey", "APIKEY", "x-api-key", "X-API-Key", "privateKey", "private_key", "PRIVATE_KEY",
    "accessKey", "AWS_SECRET_ACCESS_KEY", "signingKey", "signing_key", "encryptionKey", "accountKey", "Authorization",
    "authorization", "connectionString", "CONNECTION_STRING", "connection_string", "pwd", "webhookSecret", "pin",
    "passcode", "authorisation", "secretValue", "pw", "db_pw", "DB_PW", "userPw", "sshKey", "ssh_key", "SSH_KEY",
    "hmacKey", "HMAC_KEY", "privKey", "priv-key", "deploySshKey",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "value", ["hunter2", "s3cr3t-value", "correcthorsebattery", HEX, "aB3$xY9!", "Bearer abcdef123"]
)
def test_literals_under_names_of_secrets(name: str, value: str) -> None:
    configs: list[Any] = [
        {name: value},
        {"headers": [{"name": name, "value": value}]},
        {"headers": [{"key": name, "type": "text {x}", "value": value}]},
        {name: {"$secret": "NAME", "value": value}},
        {"properties": {name: {"type": "string", "default": value}}},
    ]
    for config in configs:
        [fault] = faults(config)
        assert fault.code == "SECRET_LITERAL"
        assert value not in repr(fault)
        assert scanned(config)
    backward = '{"headers": [{"value": "' + value + '", "name": "' + name + '"}]}'
    assert may_hold_secrets(backward.encode())


@pytest.mark.parametrize(
    "name",
    ["auth", "cookie", "jwt", "otp", "bearer", "tokens", "credentials", "authCookie",
     "pass", "dbPass", "DB_PASS", "pinCode", "pincode"],
)  # fmt: skip
def test_everyday_words_need_a_value_with_letters_and_digits(name: str) -> None:
    assert len(faults({name: "a1b2c3d4"})) == 1
    assert scanned({name: "a1b2c3d4"})
    for value in ("basic", "session", "github", "fresh", "none", "client credentials"):
        assert faults({name: value}) == []


@pytest.mark.parametrize("name", ["password", "apiKey", "token", "clientSecret", "authorization"])
@pytest.mark.parametrize(
    "value",
    [
        "", " ", "changeme", "CHANGE_ME", "change-me!", "***", "********", "xxxx", "XXXXXXXX", "...", "…", "<token>",
        "<your token here>", "[redacted]", "[SECRET:REDACTED]", "${TOKEN}", "{{ vars.token }}", "$TOKEN", "%TOKEN%",
        "Bearer ${TOKEN}", "Bearer <token>", "Bearer {{ token }}", "your-api-key", "your_token_here", "insert-key-here",
        "TODO", "tbd", "placeholder", "example", "dummy", "password", "secret", "none", "N/A", "null", "DB_PASSWORD",
        "STRIPE_API_KEY", "payload.token", "vars.auth.token", "secrets.API_KEY", UUID, UUID.upper(),
        "https://example.com/oauth/token", "/run/secrets/token", "vault:secret/data/app", "sha256:" + HEX,
        "Enter your password", "The token of the customer", "The customer's password, please", "string",
        {"$secret": "NAME"}, {"$expr": "vars.x"}, {"$expr": "'a' & vars.apiKey"}, None, True, False, 0, [], {},
        {"type": "string", "title": "Password", "description": "at least 8", "minLength": 8},
    ],
)  # fmt: skip
def test_what_only_stands_in_the_place_of_a_secret(name: str, value: Any) -> None:
    assert faults({name: value}) == []
    assert faults({"headers": [{"name": name, "value": value}]}) == []


@pytest.mark.parametrize(
    "config",
    [
        {"id": UUID}, {"correlationKey": UUID}, {"checksum": HEX}, {"commit": HEX[:40]}, {"idempotencyKey": HEX},
        {"url": "https://example.com/a/b?page=2&sort=name"}, {"url": "http://host:80/a@b"},
        {"image": "a@sha256:" + HEX},
        {"url": "https://user@example.com/x"}, {"dsn": "postgres://app:${DB_PASSWORD}@db/app"},
        {"dsn": "postgres://user:password@localhost/db"}, {"dsn": "postgres://app:***@db/app"},
        {"dsn": "postgres://app:<password>@db/app"}, {"dsn": "host=db password=changeme"}, {"maxTokens": 4000},
        {"tokens": 4000}, {"tokenLimit": 4000}, {"tokenUrl": "/oauth/x1y2z3"}, {"passwordPolicy": "strong1"},
        {"passwordHash": HEX}, {"secretName": "stripe1"}, {"tokenType": "jwt1"}, {"passwordField": "pw1"},
        {"secretary": "Ada1"}, {"author": "b0b"}, {"shippingPin": {"$expr": "1"}}, {"tokenExpiryDays": 12345},
        {"text": "ask for the password: it is in the vault"}, {"text": "basic responsibilities of the team"},
        {"text": "the bearer of this letter1234567890"}, {"text": "Authorization: Bearer <token>"},
        {"text": "task-force-for-risk-management-and-so-on"}, {"token": "AKIAxxxxxxxxxxxxxxxx"},
        {"text": "glpat-xxxxxxxxxxxxxxxxxxxx"}, {"text": "https://example.com/?key=invoice-list"},
        {"credentials": {"user": "ada", "host": "db1.example.com", "port": 5432}},
        {"auth": {"type": "oauth2", "clientId": "app-1234", "scopes": ["read1", "write1"]}},
        {"secrets": [{"$secret": "A"}, {"$secret": "B"}]}, {"password": {"minLength": 8, "pattern": "^.{8,}$"}},
        {"image": "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4"},
    ],
)  # fmt: skip
def test_other_things_that_are_none(config: Any) -> None:
    assert faults(config) == []


SAID = [
    '{"user":"x","password":"hunter2"}',
    '[{"user": "x", "apiKey": "hunter2"}]',
    'POST {"a": {"b": ["x", {"clientSecret": "hunter2"}]}}',
    '{"headers": [{"name": "Authorization", "value": "hunter2"}]}',
    '{"inner": "{\\"password\\": \\"hunter2\\"}"}',
    '{"auth": "hunter2", "pin": "1234"}',
    '{"id": {{id}}, "password": "hunter2"}',
    "{'password': 'hunter2'}",
    'password = "hunter2abc"',
    "export DB_PASSWORD=hunter2",
    "export DB_PASS=hunter2 && run",
    "API_KEY=hunter2 ./run",
    "TOKEN='hunter2abc'",
    "X-Api-Key: hunter2abcdef",
    "x-api-key: 9f86d081884c7d659a2feaa0c55ad015",
    "user: x\npassword: Tr0ub4dor\n",
    "Authorization: Bearer a8f5f167f44f4964e6c998dee827110c",
    "deploy --token=a8f5f167f44f4964e6c998dee827110c",
    "deploy --token a8f5f167f44f4964e6c998dee827110c --now",
    "ssh_key: a8f5f167f44f4964e6c998dee827110c",
]
"""Texts that give a secret its name themselves."""


@pytest.mark.parametrize("text", SAID)
def test_names_within_a_text(text: str) -> None:
    for config in ({"body": text}, {"cmd": ["sh", "-c", text]}):
        [fault] = faults(config)
        assert fault.code == "SECRET_LITERAL"
        assert "hunter2" not in repr(fault)
        assert "9f86d0" not in repr(fault)
        assert "a8f5f1" not in repr(fault)
        assert hide(config, secret=False)[1]
        assert scanned(config)


@pytest.mark.parametrize(
    "text",
    [
        '{"user":"x","password":"changeme"}', '{"password": {"$secret": "NAME"}}', '{"tokenUrl": "/oauth/x1y2z3"}',
        '{"password": "{{ vars.p }}"}', '{"id": {{id}}, "password": "<password>"}', "export DB_PASSWORD=$SECRET",
        "DB_PASSWORD=${DB_PASSWORD} run", 'TOKEN="$(cat token)"', "X-Api-Key: {{ key }}", "password: ", "password:",
        "Reset password: customer", "Token: none", "The token: it expires after 30 days", "Secret: see the vault",
        "ask for the password: abc or so", "password=", "'password=' & vars.p & '&x=1'", "vars.token = 'expired'",
        "{'password': payload.p, 'token': vars.t}", "$token := $lookup(vars, 'a')", "vars.token ? 'a1' : 'b2'",
        "auth: basic1 and digest2", "pass=first", "docker run -u 1000:1000 app", "docker run -u root:docker app",
        "curl -u $USER:$PASSWORD https://x", "curl -u '${USER}:${PASSWORD}' https://x", "class=header1 style=wide2",
        "tokens: 4000", "maxTokens=4000", "passwordHash=a8f5f167f44f4964e6c998dee827110c", '{"' * 50, '{"a":' * 5000,
        "secretName: stripe1abc", "{'type': 'token', 'n': 5}", "sk-123 SK123 https://discord.com/api/webhooks",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ada@example.com",
    ],
)  # fmt: skip
def test_texts_that_are_only_about_secrets(text: str) -> None:
    assert faults({"body": text}) == []
    assert faults({"body": {"$expr": text}}) == []


def test_a_public_key_is_none() -> None:
    assert (
        faults({"sshKey": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl a@b"}) == []
    )


def test_numbers_are_pins_and_passwords_only() -> None:
    assert [f.path[-1] for f in faults({"pin": 4711, "password": 12345678, "token": 5000, "otp": 123456})] == [
        "pin",
        "password",
    ]
    assert scanned({"pin": 4711})
    assert scanned({"password": 4711})


def test_below_a_secret_name_what_looks_made_by_a_machine_counts() -> None:
    config = {"credentials": {"main": {"user": "ada", "id": "a8f5f167f44f4964e6c998dee827110c"}}}
    [fault] = faults(config)
    assert fault.path[-1] == "id"
    assert scanned(config)


def test_a_value_is_allowed_by_key_and_by_pointer() -> None:
    config = {"password": "hunter2", "list": [{"apiKey": "hunter2"}]}
    assert len(faults(config)) == 2
    assert faults(config, "demo.flow") == []
    assert faults(config, "demo.*") == []
    assert len(faults(config, "other.*", "demo")) == 2
    [left] = faults(config, "demo.*#/workflows/0/draft/config/password")
    assert left.path[-1] == "apiKey"
    [left] = faults(config, "*#*/apiKey")
    assert left.path[-1] == "password"
    odd = {"a[1]*": {"password": "hunter2"}}
    [fault] = faults(odd)
    assert fault.hint is not None
    entry = fault.hint.split('list "')[1].split('" under')[0]
    assert faults(odd, entry) == []


def test_sound_texts_need_no_closer_look() -> None:
    for config in (
        {"token": {"$secret": "API_TOKEN"}},
        {"headers": {"Authorization": {"$expr": "'Bearer ' & secrets.x"}}},
        {"text": "Your password was reset; keep this token, it is secret."},
        {"pinnedPayloadSchemaRef": "payload.X.v1", "idempotencyKey": "a", "author": "b", "keyboard": "c"},
        {"url": "https://example.com:8080/a", "mail": "a@b.example"},
    ):
        assert not scanned(config)


words = st.sampled_from(
    ["password", "secret", "token", "api", "key", "private", "access", "auth", "pin", "cookie", "name", "client", "x",
     "pass", "pw", "ssh", "hmac"]
)  # fmt: skip


@st.composite
def names(draw: st.DrawFn) -> str:
    chosen = draw(st.lists(words, min_size=1, max_size=3))
    return draw(
        st.sampled_from(
            [
                "_".join(chosen),
                "-".join(chosen),
                "".join(chosen),
                chosen[0] + "".join(w.capitalize() for w in chosen[1:]),
                "".join(w.capitalize() for w in chosen),
                "-".join(w.capitalize() for w in chosen),
                "_".join(chosen).upper(),
                "".join(chosen).upper(),
            ]
        )
    )


texts = st.sampled_from([token for _, token in TOKENS] + ["hunter2", "a1b2c3d4", "x", UUID, 'quote " {brace}', "é✓"])


@st.composite
def said(draw: st.DrawFn) -> str:
    """A text that gives a value to a name."""
    form = draw(
        st.sampled_from(
            ['{"%s":"%s"}', '{"%s": ["%s"]}', '{"n": {{n}}, "%s" : "%s"}', "{'%s': '%s'}", "%s=%s", "x\n%s: %s",
             "%s := %s", "export %s='%s'", "--%s %s", '{"name": "%s", "value": "%s"}', '{"value": "%s", "name": "%s"}']
        )
    )  # fmt: skip
    pair = (draw(names()), draw(texts))
    return form % (pair[::-1] if form.startswith('{"value') else pair)


trees = st.recursive(
    st.one_of(
        texts,
        said(),
        said().map(lambda text: json.dumps({"in": text})),
        st.integers(0, 99999),
        st.booleans(),
        st.none(),
        st.just({"$secret": "NAME"}),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(names(), inner, max_size=3),
        st.fixed_dictionaries({"name": names(), "value": inner}, optional={"type": texts}),
        st.fixed_dictionaries({"value": inner, "key": names()}),
    ),
    max_leaves=6,
)


@given(trees, st.booleans(), st.sampled_from([None, 2]), st.booleans())
def test_the_quick_look_misses_nothing(tree: Any, in_order: bool, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(tree, sort_keys=in_order, indent=indent, ensure_ascii=ascii_only)
    if faults(tree):
        assert may_hold_secrets(text.encode())
        assert hide(tree, secret=False)[1]


def leaky(key: str = "demo.leaky") -> dict[str, Any]:
    return bundle(key, [{"id": "s", "type": "state.set", "config": {"state": "X", "apiKey": "hunter2"}}], versions=())


def test_loading_warns_with_the_place_or_refuses() -> None:
    data = canonical(leaky())
    line = data[: data.index(b'"hunter2"')].count(b"\n") + 1
    for severity, workflows in (("warning", 1), ("error", 0)):
        options = LoadOptions(secrets=SecretPolicy(severity))  # type: ignore[arg-type]
        loaded = load(data, "json", "a.json", options)
        [problem] = [p for p in loaded.problems if p.code == "SECRET_LITERAL"]
        assert problem.place is not None
        assert (problem.severity, problem.place.line, problem.key) == (severity, line, "demo.leaky")
        assert (problem.place.pointer or "").endswith("/steps/0/config/apiKey")
        assert len(loaded.workflows) == workflows
        assert "hunter2" not in repr(loaded)


def test_all_ways_to_write_a_file_are_looked_at() -> None:
    tree = leaky()
    spellings = [
        (canonical(tree), "json"),
        (json.dumps(tree).encode(), "json"),
        (json.dumps(tree).replace("apiKey", "api\\u004bey").encode(), "json"),
        (json.dumps(tree).encode(), "yaml"),
    ]
    for data, syntax in spellings:
        problems = load(data, syntax, "f", LoadOptions()).problems  # type: ignore[arg-type]
        assert "SECRET_LITERAL" in {p.code for p in problems}, data


def test_each_workflow_of_a_bundle_of_many_is_allowed_by_its_own_key() -> None:
    data = canonical(many(leaky("a.one"), leaky("b.two")))
    loaded = load(data, "json", "f", LoadOptions(many=True, secrets=SecretPolicy("warning", ("a.*",))))
    assert [p.key for p in loaded.problems if p.code == "SECRET_LITERAL"] == ["b.two"]

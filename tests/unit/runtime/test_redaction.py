"""Nothing secret is written or shown (runtime.md "Semantics", "Envelope")."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machines import begun, call, expr
from wfsync.runtime.calling import failure_of
from wfsync.runtime.protocol import Failure, Pos
from wfsync.runtime.redaction import MASK, Redactor, redacted_envelope


def test_a_secret_is_masked_wherever_it_stands() -> None:
    redactor = Redactor({"A": "hunter2-long", "B": "hunter2"})
    value = {"x": "hunter2", "deep": [{"y": "token=hunter2-long;"}], "hunter2": 1, "n": 7, "t": True, "z": None}
    assert redactor.value(value) == {
        "x": MASK,
        "deep": [{"y": f"token={MASK};"}],
        MASK: 1,
        "n": 7,
        "t": True,
        "z": None,
    }


def test_a_secret_is_masked_in_a_failure() -> None:
    failure = Redactor({"A": "hunter2"}).failure(
        Failure("ActionError", "got hunter2", "hunter2", {"a": "hunter2"}, True)
    )
    assert failure == Failure("ActionError", f"got {MASK}", MASK, {"a": MASK}, True)


def test_a_short_secret_is_masked_only_where_it_stands_alone() -> None:
    assert Redactor({"A": "1"}).value(["1", "2026-01-01", 1]) == [MASK, "2026-01-01", MASK]


def test_an_empty_secret_masks_nothing() -> None:
    value = {"a": ""}
    assert Redactor({"A": ""}).value(value) is value


@given(st.text(min_size=4), st.lists(st.text(max_size=9)), st.text(max_size=9))
def test_no_secret_of_four_characters_is_left_in_any_text(secret: str, texts: list[str], between: str) -> None:
    masked = Redactor({"A": secret}).value([*texts, between.join([secret, *texts, secret])])
    for text in masked:
        assert all(secret not in part for part in text.split(MASK))


def test_meta_redactions_mask_inputs_outputs_and_errors_of_steps() -> None:
    run = begun(
        call("a", given={"ssn": expr("payload.person.ssn"), "note": expr("'ssn ' & payload.person.ssn")}, saveAs="out"),
        call("b", given={"t": expr("vars.out.token"), "n": expr("payload.pin")}, onError={"policy": "continue"}),
        payload={"person": {"ssn": "123-45-6789", "name": "Ann"}, "pin": 4711},
        meta={"redactions": ["payload.person.ssn", "/pin", "vars.out.token", "vars.nothing", "no path"]},
    )
    (first,) = run.asked
    assert first.input == {"ssn": "123-45-6789", "note": "ssn 123-45-6789"}  # type: ignore[union-attr]
    assert run.records[Pos("root.steps[0]")].input == {"ssn": MASK, "note": f"ssn {MASK}"}
    run.succeed({"token": "t0ps3cret", "name": "Ann"})
    assert run.records[Pos("root.steps[0]")].output == {"token": MASK, "name": "Ann"}
    run.fail(message="bad token t0ps3cret", details={"pin": 4711})
    record = run.records[Pos("root.steps[1]")]
    assert record.input == {"t": MASK, "n": MASK}
    assert record.error is not None
    assert (record.error["message"], record.error["details"]) == (f"bad token {MASK}", {"pin": MASK})


def test_a_redacted_envelope_keeps_everything_else() -> None:
    envelope = {
        "v": 1,
        "run": {"id": "r"},
        "payload": {"a": {"secret": "abcdef", "flag": True}, "b": ["abcdef", 1]},
        "meta": {"redactions": ["payload.a.secret", "payload.a.flag", "payload.gone"]},
        "vars": {"copy": "x abcdef"},
    }
    assert redacted_envelope(envelope) == {
        "v": 1,
        "run": {"id": "r"},
        "payload": {"a": {"secret": MASK, "flag": MASK}, "b": [MASK, 1]},
        "meta": {"redactions": ["payload.a.secret", "payload.a.flag", "payload.gone"]},
        "vars": {"copy": f"x {MASK}"},
    }
    plain = {**envelope, "meta": {}}
    assert redacted_envelope(plain) is plain


def test_a_redacted_path_may_lead_through_lists_and_to_whole_objects() -> None:
    envelope = {
        "v": 1,
        "run": {},
        "payload": {"people": [{"name": "Ann", "card": {"number": "4711 0815", "cvc": 123}}, {"name": "Bob"}]},
        "meta": {"redactions": ["/people/0/card", "payload.people[1].name", "payload.people.7.name", 7]},
        "vars": {"copy": ["4711 0815", 123, "Bobby"]},
    }
    shown = redacted_envelope(envelope)
    assert shown["payload"] == {"people": [{"name": "Ann", "card": MASK}, {"name": MASK}]}
    assert shown["vars"] == {"copy": [MASK, MASK, "Bobby"]}


@pytest.mark.parametrize(
    "spelled",
    [
        lambda secret: json.dumps({"k": secret}),
        lambda secret: json.dumps({"k": secret}, ensure_ascii=False),
        lambda secret: "https://example.com/?k=" + quote(secret),
        lambda secret: "https://example.com/?k=" + quote(secret, safe=""),
        lambda secret: urlencode({"k": secret}),
        lambda secret: base64.b64encode(secret.encode()).decode(),
        lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
        repr,
        html.escape,
    ],
)
@pytest.mark.parametrize(
    "secret", ['q"uo\\te/+ &é', "-----BEGIN KEY-----\nc2VjcmV0\n-----END KEY-----\n", "~~~~????>>>>"]
)
def test_a_secret_is_masked_as_services_spell_it(secret: str, spelled: Callable[[str], str]) -> None:
    around, _, rest = spelled("MARK").partition("MARK")
    masked = Redactor({"A": secret}).text(f"<{spelled(secret)}>")
    assert masked.replace("'", '"') in {f"<{around}{MASK}{rest}>".replace("'", '"'), f"<{MASK}>"}


def test_what_is_cut_short_is_masked_before() -> None:
    error = ValueError("x" * 1970 + "t0ps3cret-and-long")
    assert "t0ps" not in failure_of(error, Redactor({"A": "t0ps3cret-and-long"})).message

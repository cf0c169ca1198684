"""Overlays: what lies on what, and that taking one out gives back what it was laid on."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfsync.bundle.canonical import compact_bytes
from wfsync.bundle.field_policies import GIT_OWNS_ALL, Policies, field_names, has_overlay
from wfsync.bundle.model import METADATA_FIELDS, Workflow
from wfsync.bundle.overlay import Overlay, merge, parse_overlay, subtract
from wfsync.bundle.rules.secret_policy import SecretPolicy
from wfsync.bundle.schema_files import schema_bytes
from wfsync.errors import InputError, Problem

SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "é"]) | st.just(0.5)
NAMES = st.sampled_from("abcd")
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=3))
OBJECTS = st.dictionaries(NAMES, JSON, max_size=4)


def same(one: Any, other: Any) -> bool:
    return compact_bytes(one) == compact_bytes(other)


class TestMerge:
    def test_objects_deeply_and_everything_else_as_a_whole(self) -> None:
        base = {"t": {"a": 1, "b": {"c": [1], "d": 2}}, "n": {"x": 1}, "k": 1}
        over = {"t": {"b": {"c": [2]}, "e": None}, "n": None, "k": {"y": 1}}
        assert merge(base, over) == {"t": {"a": 1, "b": {"c": [2], "d": 2}, "e": None}, "n": None, "k": {"y": 1}}
        assert base["t"] == {"a": 1, "b": {"c": [1], "d": 2}}

    @given(OBJECTS, OBJECTS)
    def test_laying_it_twice_changes_nothing(self, base: dict[str, Any], over: dict[str, Any]) -> None:
        assert same(merge(merge(base, over), over), merge(base, over))


class TestSubtract:
    @given(OBJECTS, OBJECTS)
    def test_what_was_laid_comes_off(self, base: dict[str, Any], over: dict[str, Any]) -> None:
        taken, moved = subtract(merge(base, over), over, base)
        assert same(taken, base)
        assert moved == ()

    @given(OBJECTS, OBJECTS, OBJECTS)
    def test_what_was_changed_meanwhile_is_in_the_base_or_named(
        self, base: dict[str, Any], over: dict[str, Any], changed: dict[str, Any]
    ) -> None:
        """Laid on again, the result is what the target holds, but for the fields that are named."""
        taken, moved = subtract(changed, over, base)
        again = merge(taken, over)
        if not moved:
            assert same(again, changed)
        else:
            assert not same(again, changed)
            for path in moved:
                assert path.split(".")[0] in over

    @given(OBJECTS, OBJECTS, OBJECTS)
    def test_it_settles(self, base: dict[str, Any], over: dict[str, Any], changed: dict[str, Any]) -> None:
        taken, moved = subtract(changed, over, base)
        again, still = subtract(changed, over, taken)
        assert same(again, taken)
        assert still == moved

    def test_true_is_not_one(self) -> None:
        assert subtract({"a": True}, {"a": 1}, {"a": 5}) == ({"a": 5}, ("a",))

    def test_a_field_below_is_named_with_its_path(self) -> None:
        taken, moved = subtract({"t": {"a": 9, "b": 2}}, {"t": {"a": 1}}, {"t": {"a": 0, "b": 0}})
        assert taken == {"t": {"a": 0, "b": 2}}
        assert moved == ("t.a",)


class TestParse:
    def test_later_patterns_win_and_objects_of_both_are_merged(self) -> None:
        overlay = parse_overlay(
            b"'*': { concurrencyLimit: 1, trigger: { a: 1, b: 1 } }\n"
            b"billing.*: { trigger: { b: 2 } }\nbilling.x: { concurrencyLimit: 2 }\n",
            "o.yaml",
        )
        assert overlay.of("other") == {"concurrencyLimit": 1, "trigger": {"a": 1, "b": 1}}
        assert overlay.of("billing.x") == {"concurrencyLimit": 2, "trigger": {"a": 1, "b": 2}}
        assert [p.message for p in overlay.unmatched({"other"})] == [
            "the overlay's pattern 'billing.*' matches no workflow",
            "the overlay's pattern 'billing.x' matches no workflow",
        ]

    def test_json_and_an_empty_object(self) -> None:
        assert parse_overlay(b'{"a": {"isSystem": true}}', "o.json").of("a") == {"isSystem": True}
        assert not parse_overlay(b"{}", "o.json")

    def test_values_are_read_as_those_of_a_file(self) -> None:
        overlay = parse_overlay(b"a: { failureRateThreshold: '0.50', payloadSchemaMode: null }\n", "o.yaml")
        assert overlay.of("a") == {"failureRateThreshold": 0.5, "payloadSchemaMode": "pinned"}

    @pytest.mark.parametrize(
        ("text", "place"),
        [
            (b"a: { name: '' }", "o.yaml:1:12"),
            (b"a: { key: b }", "o.yaml:1:6"),
            (b"a:\n  isSystem: 1\n", "o.yaml:2:13"),
            (b"a: { concurrencyLimit: 3000000000 }", "o.yaml:1:24"),
            (b"a: { failureRateThreshold: '0.555' }", "o.yaml:1:28"),
            (b"a: {}\na: {}", "o.yaml:2:1"),
            (b"- a", "o.yaml:1:1"),
            (b"a: [", "o.yaml:1:5"),
            (b'a: { description: "\\0" }', "o.yaml:1:19"),
        ],
    )
    def test_faults_are_placed(self, text: bytes, place: str) -> None:
        assert [str(problem.place) for problem in faults(text)] == [place]

    def test_all_faults_in_the_order_of_the_file(self) -> None:
        found = faults(b"a: { isSystem: 1, what: 2 }\nb: 3\nc: { trigger: [] }\n")
        assert [p.place.line for p in found if p.place] == [1, 1, 2, 3]

    def test_what_would_nest_too_deeply_in_a_file(self) -> None:
        deep = b'{"a": {"trigger": ' + b'{"x": ' * 197 + b"1" + b"}" * 197 + b"}}"
        assert faults(deep, "o.json")[0].message == "trigger is nested too deeply for a workflow"

    def test_the_schema_is_that_of_a_workflow_with_nothing_required(self) -> None:
        import orjson

        metadata = orjson.loads(schema_bytes("workflow-bundle.v1"))["definitions"]["metadata"]
        assert (
            orjson.loads(schema_bytes("overlay.v1"))["definitions"]["metadata"]["properties"] == metadata["properties"]
        )


def faults(data: bytes, file: str = "o.yaml") -> tuple[Problem, ...]:
    with pytest.raises(InputError) as caught:
        parse_overlay(data, file)
    assert caught.value.code == "INVALID_OVERLAY"
    assert all(problem.code == "INVALID_OVERLAY" for problem in caught.value.problems)
    return caught.value.problems


def workflow(**metadata: Any) -> Workflow:
    defaults = {field.name: None for field in METADATA_FIELDS} | {"name": "a", "payloadSchemaRef": "x"}
    return Workflow("a", defaults | metadata, 1, {"steps": []}, ())


class TestPolicies:
    @given(st.sets(st.sampled_from([f.name for f in METADATA_FIELDS])), st.data())
    def test_kept_fields_never_count_and_all_others_do(self, kept: set[str], data: st.DataObject) -> None:
        policies = Policies(tuple(sorted(kept)))
        name = data.draw(st.sampled_from([f.name for f in METADATA_FIELDS]))
        one, other = workflow(**{name: "one"}), workflow(**{name: "other"})
        assert (policies.digest(one) == policies.digest(other)) == (name in kept)

    def test_nothing_kept_is_the_digest_of_the_specification(self) -> None:
        from wfsync.bundle import fingerprint

        assert GIT_OWNS_ALL.digest(workflow()) == fingerprint.digest(workflow())

    def test_the_fingerprint_says_what_makes_digests_and_nothing_else(self) -> None:
        owned = Policies.of(["metadata.isPaused"], [])
        assert owned.fingerprint("a") == Policies.of([], ["metadata.isPaused"]).fingerprint("a")
        assert owned.fingerprint("a") != GIT_OWNS_ALL.fingerprint("a")
        laid = Policies(overlay=Overlay("o", (("b*", {"isSystem": True}),)))
        assert laid.fingerprint("a") == GIT_OWNS_ALL.fingerprint("a")  # another key's overlay is no matter of this one
        assert laid.fingerprint("b1") != GIT_OWNS_ALL.fingerprint("b1")

    def test_whether_an_overlay_is_in_a_fingerprint_can_be_told(self) -> None:
        for kept in ((), ("isPaused",), tuple(field.name for field in METADATA_FIELDS)):
            policies = Policies(kept, overlay=Overlay("o.yaml", (("b*", {"isPaused": True}),)))
            assert [has_overlay(policies.fingerprint(key)) for key in ("a", "b1")] == [False, True]

    def test_a_field_in_both_lists_is_the_database_s(self) -> None:
        both = Policies.of(["metadata.name"], ["metadata.name", "metadata.trigger"])
        assert both == Policies(("name",), ("trigger",))

    def test_every_field_of_the_metadata_can_be_named(self) -> None:
        import orjson

        schema = orjson.loads(schema_bytes("wfsync-config.v1"))
        assert tuple(schema["definitions"]["fields"]["items"]["enum"]) == field_names()

    def test_taking_out_keeps_what_the_file_says(self) -> None:
        policies = Policies(("isPaused",), overlay=Overlay("o", (("a", {"concurrencyLimit": 3, "isPaused": True}),)))
        base = workflow(isPaused=False, concurrencyLimit=1)
        stored = workflow(isPaused=True, concurrencyLimit=3, description="theirs")
        taken, moved = policies.take_out(stored, base)
        assert taken == workflow(isPaused=False, concurrencyLimit=1, description="theirs")
        assert moved == ()


TOKEN = "ghp_" + "CANARY0123456789abcdefghijklmnopqrst"


def test_what_looks_like_a_secret_is_said_with_its_place() -> None:
    data = f"a.b:\n  retentionPolicyOverride:\n    apiToken: {TOKEN}\n".encode()
    (note,) = parse_overlay(data, "o.yaml").notes
    assert (note.code, note.severity, str(note.place)) == ("SECRET_LITERAL", "warning", "o.yaml:3:15")
    assert TOKEN not in f"{note.message} {note.hint}"
    with pytest.raises(InputError) as caught:
        parse_overlay(data, "o.yaml", SecretPolicy("error"))
    assert [problem.code for problem in caught.value.problems] == ["SECRET_LITERAL"]
    for allowed in ("a.*", "a.b#/metadata/retentionPolicyOverride/apiToken"):
        assert parse_overlay(data, "o.yaml", SecretPolicy("error", (allowed,))).notes == ()

"""Every stage of a file's check: codes, places, order."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samples import bundle, call, definition, step, workflow
from wfsync.bundle.canonical import canonical_bytes
from wfsync.bundle.load import Loaded, LoadOptions, key_place, load, read_workflows, stage
from wfsync.bundle.registry import Registry
from wfsync.errors import InputError, Problem


def check(tree: Any, *, name: str | None = "a.b", **options: Any) -> Loaded:
    data = canonical_bytes(tree) if not isinstance(tree, bytes) else tree
    return load(data, "json", "w/a.b.json", LoadOptions(**options), name=name)


def only(loaded: Loaded) -> Problem:
    assert loaded.workflows == ()
    (problem,) = loaded.problems
    return problem


def at(loaded: Loaded) -> list[tuple[str, str | None]]:
    return [(p.code, p.place.pointer if p.place else None) for p in loaded.problems]


def test_a_sound_file_gives_its_workflow() -> None:
    loaded = check(bundle())
    assert loaded.problems == ()
    (item,) = loaded.workflows
    assert (item.key, item.versions, item.calls, item.is_canonical) == ("a.b", (1,), (), True)


@pytest.mark.parametrize("tree", [[], 1, "x", None])
def test_a_bundle_is_an_object(tree: Any) -> None:
    assert only(check(tree)).code == "INVALID_BUNDLE"


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("format", "other", "UNSUPPORTED_FORMAT"),
        ("format", None, "UNSUPPORTED_FORMAT"),
        ("formatVersion", 2, "UNSUPPORTED_FORMAT_VERSION"),
        ("formatVersion", "1", "UNSUPPORTED_FORMAT_VERSION"),
        ("formatVersion", True, "UNSUPPORTED_FORMAT_VERSION"),
    ],
)
def test_the_header_is_checked_first(name: str, value: Any, code: str) -> None:
    tree = {**bundle(), name: value, "workflows": "not even a list"}
    problem = only(check(tree))
    assert problem.code == code
    assert problem.place is not None
    assert problem.place.pointer == f"/{name}"
    assert problem.details["received"] == value


def test_a_missing_header_is_named() -> None:
    tree = bundle()
    del tree["format"]
    assert only(check(tree)).message == "format is missing"


def test_format_version_one_in_another_spelling_is_the_number_one() -> None:
    assert check(canonical_bytes(bundle()).replace(b'"formatVersion": 1', b'"formatVersion": 1.0')).problems == ()


def test_all_schema_faults_are_reported_with_their_places() -> None:
    broken = workflow(extra=1)
    del broken["metadata"]["name"]
    broken["metadata"]["isPaused"] = "no"
    broken["metadata"]["nmae"] = "x"
    loaded = check(bundle(broken))
    assert {code for code, _ in at(loaded)} == {"SCHEMA_VALIDATION_FAILED"}
    found = {(pointer, p.message) for p, (_, pointer) in zip(loaded.problems, at(loaded), strict=True)}
    assert found == {
        ("/workflows/0/extra", 'unknown property "extra"'),
        ("/workflows/0/metadata", '"name" is missing'),
        ("/workflows/0/metadata/isPaused", "must be true or false, not text"),
        ("/workflows/0/metadata/nmae", 'unknown property "nmae"; did you mean "name"?'),
    }
    assert all(p.place is not None and p.place.line is not None and p.place.column for p in loaded.problems)


@pytest.mark.parametrize("when", ["2026-02-30T00:00:00Z", "2026-01-25", "2026-01-25T24:00:00Z", "yesterday", ""])
def test_exported_at_is_a_date_time(when: str) -> None:
    assert at(check({**bundle(), "exportedAt": when})) == [("SCHEMA_VALIDATION_FAILED", "/exportedAt")]


@pytest.mark.parametrize("when", ["2024-02-29T23:59:60Z", "2026-01-25t00:00:00.1234567z", "2026-01-25T00:00:00+05:30"])
def test_every_rfc_3339_date_time_will_do(when: str) -> None:
    assert check({**bundle(), "exportedAt": when}).problems == ()


@pytest.mark.parametrize("key", ["A", "a b", "", "-a", "a\n", "ä", "a/b"])
def test_keys_match_their_pattern_whole(key: str) -> None:
    assert ("SCHEMA_VALIDATION_FAILED", "/workflows/0/key") in at(check(bundle(workflow(key)), name=None))


def test_a_key_has_at_most_200_characters() -> None:
    assert check(bundle(workflow("a" * 200)), name=None).problems == ()
    assert at(check(bundle(workflow("a" * 201)), name=None)) == [("SCHEMA_VALIDATION_FAILED", "/workflows/0/key")]


@pytest.mark.parametrize(
    "key",
    [
        "550e8400-e29b-41d4-a716-446655440000",
        "550e8400e29b41d4a716446655440000",
        "550e-8400-e29b-41d4-a716-4466-5544-0000",
        "con",
        "nul.orders",
        "com1",
        "lpt9",
        "wfsync",
    ],
)
def test_keys_that_would_be_taken_for_something_else(key: str) -> None:
    loaded = check(bundle(workflow(key)), name=None, reserved=frozenset({"wfsync"}))
    assert at(loaded) == [("INVALID_VALUE", "/workflows/0/key")]


def test_the_file_is_named_like_the_key() -> None:
    assert at(check(bundle(), name="other")) == [("KEY_FILENAME_MISMATCH", "/workflows/0/key")]


def test_version_numbers() -> None:
    published = [{"version": v, "definition": definition(), "payloadSchemaJson": None} for v in (2, 0, 2**31, 2)]
    loaded = check(bundle(workflow(publishedVersions=published)))
    assert at(loaded) == [
        ("INVALID_VALUE", "/workflows/0/publishedVersions/1/version"),
        ("INVALID_VALUE", "/workflows/0/publishedVersions/2/version"),
        ("DUPLICATE_VERSION", "/workflows/0/publishedVersions/3/version"),
    ]
    (first,) = loaded.problems[2].related
    assert first.pointer == "/workflows/0/publishedVersions/0/version"


@pytest.mark.parametrize(
    "value", [0.555, 1000, -0.1, "0.555", "abc", "", " 1", "+1", "1e3", "1_0", "٣", "0.5e-2", 999.999]
)
def test_thresholds_that_would_have_to_be_rounded(value: Any) -> None:
    entry = workflow()
    entry["metadata"]["failureRateThreshold"] = value
    assert at(check(bundle(entry))) == [("INVALID_VALUE", "/workflows/0/metadata/failureRateThreshold")]


@pytest.mark.parametrize("value", [0, 0.5, 999.99, "0.50", "0.500", "5e-1", "-0", None, "100"])
def test_thresholds_that_fit(value: Any) -> None:
    entry = workflow()
    entry["metadata"]["failureRateThreshold"] = value
    assert check(bundle(entry)).problems == ()


@pytest.mark.parametrize(("section", "name"), [("metadata", "concurrencyLimit"), ("draft", "draftVersion")])
def test_integers_fit_the_database(section: str, name: str) -> None:
    entry = workflow()
    entry[section][name] = 2**31
    assert at(check(bundle(entry))) == [("INVALID_VALUE", f"/workflows/0/{section}/{name}")]


def test_values_that_jsonb_cannot_hold_are_found_after_the_schema() -> None:
    entry = workflow(draft={"draftVersion": 1, "definition": definition(step("a", config={"x": 12345}))})
    raw = canonical_bytes(bundle(entry)).replace(b'"A workflow"', b'"A \\u0000 \\ud800"').replace(b"12345", b"1e400")
    assert {code for code, _ in at(check(raw))} == {"INVALID_VALUE"}
    without_key = raw.replace(b'"draftVersion"', b'"draftVersio"')
    assert {code for code, _ in at(check(without_key))} == {"SCHEMA_VALIDATION_FAILED"}


def test_unsound_published_definitions_are_errors_or_warnings() -> None:
    broken = definition(step("x", "control.if"), step("x", "control.loop"), step("y", wrong=1))
    entry = workflow(publishedVersions=[{"version": 1, "definition": broken, "payloadSchemaJson": None}])
    loaded = check(bundle(entry))
    assert {code for code, _ in at(loaded)} == {"INVALID_DEFINITION"}
    assert {(p.details["stepPath"], p.severity) for p in loaded.problems} == {
        ("root.steps[0]", "error"),
        ("root.steps[1]", "error"),
        ("root.steps[2]", "error"),
    }
    tolerant = check(bundle(entry), definitions="warn")
    assert len(tolerant.workflows) == 1
    assert {p.severity for p in tolerant.problems} == {"warning"}


def test_a_draft_may_be_unfinished() -> None:
    loaded = check(bundle(workflow(draft={"draftVersion": 1, "definition": {"steps": "later"}})))
    assert len(loaded.workflows) == 1
    assert {(p.code, p.severity) for p in loaded.problems} == {("INVALID_DEFINITION", "warning")}


def test_a_duplicate_step_id_names_both_places() -> None:
    nested = step("x", "control.forEach", items={"$expr": "1"}, itemVar="i", body=[step("same")])
    published = [{"version": 1, "definition": definition(step("same"), nested), "payloadSchemaJson": None}]
    problem = only(check(bundle(workflow(publishedVersions=published))))
    assert problem.details == {
        "stepPath": "root.steps[1].body.steps[0]",
        "stepId": "same",
        "reason": "DUPLICATE_STEP_ID",
    }
    assert problem.related[0].pointer == "/workflows/0/publishedVersions/0/definition/steps/0/id"


def test_a_repository_file_holds_one_workflow() -> None:
    two = bundle(workflow("a.b"), workflow("c.d"))
    assert ("INVALID_VALUE", "/workflows/1") in at(check(two))
    assert [w.key for w in check(two, name=None, many=True).workflows] == ["a.b", "c.d"]


def test_a_key_twice_in_one_bundle() -> None:
    loaded = check(bundle(workflow("a.b"), workflow("a.b")), name=None, many=True)
    assert at(loaded) == [("DUPLICATE_KEY", "/workflows/1/key")]
    assert loaded.problems[0].related[0].pointer == "/workflows/0/key"


def test_a_file_over_the_limit_is_not_read() -> None:
    assert only(check(b" " * 101, max_bytes=100)).message.startswith("the file is larger")


def test_what_the_registry_lacks() -> None:
    action = step("s", "action.call", config={"actionId": "mail.send", "version": 2})
    entry = workflow(draft={"draftVersion": 1, "definition": definition(action)})
    entry["dependencies"]["schemaRefs"].append("payload.Declared.v1")
    registry = Registry(frozenset({("mail.send", 1)}), frozenset({"action.call", "state.set"}), frozenset())
    (item,) = check(bundle(entry), registry=registry).workflows
    assert item.missing is not None
    assert item.missing.actions == (("mail.send", 2),)
    assert item.missing.node_types == ()
    assert item.missing.schema_refs == ("payload.Declared.v1", "payload.X.v1")


def test_calls_and_origin() -> None:
    entry = workflow(
        draft={
            "draftVersion": 1,
            "definition": definition(call("c", "x.y", 3), id="550E8400-e29b-41d4-a716-446655440000"),
        }
    )
    (item,) = check(bundle(entry)).workflows
    assert [(c.target, c.version, c.in_version, c.path) for c in item.calls] == [("x.y", 3, None, ("steps", 0))]
    assert item.origin_id == "550e8400-e29b-41d4-a716-446655440000"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"failureRateThreshold": 0.5}, {"failureRateThreshold": "0.50"}),
        ({"payloadSchemaMode": None}, {"payloadSchemaMode": "pinned"}),
    ],
)
def test_spellings_with_one_digest(one: dict[str, Any], other: dict[str, Any]) -> None:
    def digest(changes: dict[str, Any]) -> str:
        entry = workflow()
        entry["metadata"].update(changes)
        return check(bundle(entry)).workflows[0].digest

    assert digest(one) == digest(other)


def test_what_never_counts_as_a_difference() -> None:
    plain = check(bundle()).workflows[0].digest
    entry = workflow()
    entry["draft"]["definition"]["id"] = "anything"
    entry["dependencies"]["actions"] = [{"actionId": "declared.only", "version": 1}]
    assert check({**bundle(entry), "exportedAt": "2030-01-01T00:00:00Z"}).workflows[0].digest == plain


def test_true_is_not_one() -> None:
    one = workflow(draft={"draftVersion": 1, "definition": definition(step("a", config={"x": 1}))})
    true = workflow(draft={"draftVersion": 1, "definition": definition(step("a", config={"x": True}))})
    assert check(bundle(one)).workflows[0].digest != check(bundle(true)).workflows[0].digest


def test_the_order_of_versions_is_no_difference() -> None:
    published = [{"version": v, "definition": definition(step(f"s{v}")), "payloadSchemaJson": {}} for v in (1, 2)]
    up, down = (check(bundle(workflow(publishedVersions=p))).workflows[0] for p in (published, published[::-1]))
    assert up.digest == down.digest
    assert up.versions == down.versions == (1, 2)


@given(st.binary(max_size=200))
def test_any_bytes_give_problems_not_exceptions(data: bytes) -> None:
    for syntax in ("json", "yaml"):
        loaded = load(data, syntax, "f", LoadOptions())
        assert any(p.is_error for p in loaded.problems)


@given(st.data())
def test_any_mutation_of_a_sound_file_gives_problems_or_a_workflow(data: st.DataObject) -> None:
    raw = bytearray(json.dumps(bundle()).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(raw) - 1))
        raw[position : position + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    loaded = load(bytes(raw), "json", "f", LoadOptions(), name="a.b")
    assert bool(loaded.workflows) != any(p.is_error for p in loaded.problems)


def test_reading_again_what_changed_is_an_error_for_people() -> None:
    assert read_workflows(canonical_bytes(bundle()), "json", "f")[0].key == "a.b"
    with pytest.raises(InputError, match="changed while"):
        read_workflows(b'{"workflows": [{}]}', "json", "f")


def test_the_place_of_a_key() -> None:
    place = key_place(canonical_bytes(bundle()), "json", "f", 0)
    assert (place.pointer, place.line is not None) == ("/workflows/0/key", True)
    assert key_place(b"{", "json", "f", 0).line is None


def test_earlier_stages_come_first() -> None:
    codes = [
        "WORKFLOW_KEY_CONFLICT",
        "MISSING_DEPENDENCIES",
        "DUPLICATE_VERSION",
        "SCHEMA_VALIDATION_FAILED",
        "INVALID_BUNDLE",
    ]
    assert sorted(codes, key=stage) == codes[::-1]


def test_other_dependencies_than_the_derived_are_a_note() -> None:
    entry = workflow()
    entry["dependencies"]["actions"] = [{"actionId": "declared.only", "version": 1}]
    (note,) = check(bundle(entry)).problems
    assert (note.code, note.severity, note.is_error) == ("DEPENDENCIES_DIFFER", "note", False)
    entry["dependencies"] = {**workflow()["dependencies"], "nodeTypes": ["control.if", "state.set"]}
    assert check(bundle(entry)).problems == ()


def test_one_workflow_of_many_has_a_limit_of_its_own() -> None:
    large = workflow("large", draft={"draftVersion": 1, "definition": definition(step("s", config={"x": "y" * 2**24}))})
    loaded = check(bundle(workflow("small"), large), name=None, many=True, max_bytes=2**26)
    assert at(loaded) == [("INVALID_BUNDLE", "/workflows/1")]

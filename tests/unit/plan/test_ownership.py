"""The three-way state of a key: every combination of file, row, base, policy, hold and source."""

from __future__ import annotations

from itertools import product
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfsync.plan.managed import Managed, ManagedState, Origin
from wfsync.plan.ownership import NO_FILE, STATES, Owner, Standing, may_take, standing, standings
from wfsync.plan.state import Live, LiveState, live_state

OURS: Final = Owner("git.example.org/team/flows/workflows", lambda key: f"policy of {key}")
OTHER: Final = "git.example.org/another/flows"
ID: Final = "11111111-1111-4111-8111-111111111111"
ANOTHER_ID: Final = "22222222-2222-4222-8222-222222222222"


def row(digest: str, key: str = "k", workflow_id: str = ID) -> Live:
    return Live(key, workflow_id, digest, (), ())


def managed(
    base: str = "b",
    *,
    key: str = "k",
    source: str = OURS.source,
    origin: Origin = "created",
    policy: str | None = None,
    held: str | None = None,
    workflow_id: str = ID,
) -> Managed:
    return Managed(key, source, origin, workflow_id, base, policy or f"policy of {key}", held)


@pytest.mark.parametrize(
    ("file", "live", "remembered", "expected"),
    [
        ("b", "b", managed("b"), "in_sync"),
        ("n", "n", managed("b"), "in_sync"),  # both moved to the same
        ("n", "n", None, "in_sync"),
        ("n", "b", managed("b"), "git_changed"),
        ("b", "x", managed("b"), "database_changed"),
        ("n", "x", managed("b"), "both_changed"),
        ("n", None, None, "git_only"),
        ("n", None, managed("b"), "database_deleted"),
        ("b", None, managed("b"), "database_deleted"),
        (None, "b", managed("b"), "database_only_managed"),
        (None, "b", None, "database_only_unmanaged"),
        ("n", "x", None, "unmanaged_differs"),
        ("n", "x", managed("b", held="n"), "held"),
        ("n", None, managed("b", held="n"), "held"),  # a create was rolled back
        (None, "x", managed("b", held=NO_FILE), "held"),  # a prune was rolled back
        ("m", "b", managed("b", held="n"), "git_changed"),  # the file moved on: the hold is over
        (None, "b", managed("b", held="n"), "database_only_managed"),
        ("n", "n", managed("b", held="n"), "in_sync"),
        ("n", "x", managed("b", policy="another"), "git_changed"),  # the base is unknown: never drift
        ("b", "x", managed("b", policy="another"), "git_changed"),
        ("n", "x", managed("b", source=OTHER), "unmanaged_differs"),
        ("n", None, managed("b", source=OTHER), "git_only"),
        (None, "x", managed("b", source=OTHER), "database_only_unmanaged"),
        ("n", "x", managed("b", source=OTHER, held="n"), "unmanaged_differs"),
    ],
)
def test_states(file: str | None, live: str | None, remembered: Managed | None, expected: str) -> None:
    found = standing("k", file, None if live is None else row(live), remembered, OURS)
    assert found is not None
    assert found.state == expected
    assert found.drift == (expected in ("database_changed", "both_changed"))


def test_a_key_that_neither_side_has_is_nothing() -> None:
    assert standing("k", None, None, managed(), OURS) is None
    assert standing("k", None, None, None, OURS) is None


FILES: Final = (None, "b", "f", "x")
ROWS: Final = (None, "b", "f", "x")
SOURCES: Final = (None, OURS.source, OTHER, "file:/elsewhere")
ORIGINS: Final[tuple[Origin, ...]] = ("created", "adopted")
HELD: Final = (None, NO_FILE, "b", "f", "x")


@pytest.mark.parametrize(
    ("file", "live", "source", "origin", "policy", "held", "workflow_id"),
    list(product(FILES, ROWS, SOURCES, ORIGINS, ("policy of k", "another"), HELD, (ID, ANOTHER_ID))),
)
def test_what_holds_for_every_combination(
    file: str | None,
    live: str | None,
    source: str | None,
    origin: Origin,
    policy: str,
    held: str | None,
    workflow_id: str,
) -> None:
    remembered = (
        None
        if source is None
        else managed("b", source=source, origin=origin, policy=policy, held=held, workflow_id=workflow_id)
    )
    found = standing("k", file, None if live is None else row(live), remembered, OURS)
    if file is None and live is None:
        assert found is None
        return
    assert found is not None
    ours = source == OURS.source
    base = "b" if ours and policy == "policy of k" else None
    assert found.state in STATES
    assert found.base_known == (base is not None)
    assert (found.state == "in_sync") == (file is not None and file == live)
    assert found.managed_by == (source if source is not None and not ours else None)
    waits = ours and held is not None and held == (NO_FILE if file is None else file)
    assert (found.state == "held") == (waits and found.state != "in_sync")
    if found.drift:  # only what is ours, of a known base, and moved in the database away from base and file
        assert base is not None
        assert live is not None
        assert live not in (base, file)
        assert found.state in ("database_changed", "both_changed", "database_only_managed")
    if base is not None and live is not None and live not in (base, file) and found.state != "held":
        assert found.drift
    if found.prunable:
        assert ours
        assert file is None
        assert origin == "created"
        assert workflow_id == ID
        assert found.state == "database_only_managed"
    assert (found.unprunable is not None) == (found.state == "database_only_managed" and not found.prunable)
    if not ours:
        assert found.state in ("in_sync", "git_only", "database_only_unmanaged", "unmanaged_differs")


@pytest.mark.parametrize(
    ("remembered", "force", "expected"),
    [
        (None, False, True),
        (managed(), False, True),
        (managed(source=OTHER), False, False),
        (managed(source=OTHER), True, False),
        (managed(source="file:/elsewhere"), False, False),
        (managed(source="file:/elsewhere"), True, True),
    ],
)
def test_what_may_be_taken(remembered: Managed | None, force: bool, expected: bool) -> None:
    assert may_take(remembered, OURS, force=force) is expected


def test_every_chosen_key_once_and_files_left_out_are_not_gone() -> None:
    live = live_state(
        [row("x", "gone", "1"), row("x", "left-out", "2"), row("x", "both", "3"), row("x", "not-chosen", "4")],
        (),
        {},
    )
    remembered = ManagedState({k: managed("x", key=k, workflow_id="1") for k in ("gone", "left-out", "both")}, True)
    found = standings(
        {"both": "x", "new": "n"},
        live,
        remembered,
        OURS,
        elsewhere=["left-out"],
        chosen=lambda key: key != "not-chosen",
    )
    assert [(s.key, s.state, s.prunable) for s in found.values()] == [
        ("both", "in_sync", False),
        ("gone", "database_only_managed", True),
        ("new", "git_only", False),
    ]


def test_a_key_of_several_rows_has_no_state() -> None:
    live = live_state([row("x", "twice", "1"), row("y", "twice", "2")], (), {})
    assert standings({"twice": "x"}, live, ManagedState(), OURS) == {}
    assert standings({}, live, ManagedState({"twice": managed(key="twice")}, True), OURS) == {}


KEYS: Final = st.sampled_from(["a", "b", "c"])
DIGESTS: Final = st.sampled_from(["1", "2", "3"])


@st.composite
def remembered_keys(draw: st.DrawFn) -> Managed:
    return Managed(
        draw(KEYS),
        draw(st.sampled_from([OURS.source, OTHER, "file:/x"])),
        draw(st.sampled_from(ORIGINS)),
        draw(st.sampled_from([ID, ANOTHER_ID])),
        draw(DIGESTS),
        draw(st.sampled_from(["policy of a", "policy of b", "policy of c", "another"])),
        draw(st.none() | st.just(NO_FILE) | DIGESTS),
    )


@given(
    st.dictionaries(KEYS, DIGESTS),
    st.dictionaries(KEYS, DIGESTS),
    st.dictionaries(KEYS, remembered_keys()),
)
def test_the_whole_is_the_sum_of_its_keys(
    files: dict[str, str], rows: dict[str, str], remembered: dict[str, Managed]
) -> None:
    live = LiveState({key: row(digest, key) for key, digest in rows.items()})
    found = standings(files, live, ManagedState(remembered, True), OURS)
    assert list(found) == sorted(files.keys() | rows.keys())
    each: list[Standing | None] = [
        standing(key, files.get(key), live.by_key.get(key), remembered.get(key), OURS) for key in found
    ]
    assert list(found.values()) == each
    for key, its in found.items():  # law 6: what may be pruned is a row that we created from this source
        if its.prunable:
            ours = remembered[key]
            assert (ours.source, ours.origin, ours.workflow_id) == (OURS.source, "created", ID)
            assert key not in files

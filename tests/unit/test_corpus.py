"""The generators that other tests and the bench stand on: deterministic, valid, of the promised size."""

from __future__ import annotations

import json
from random import Random
from statistics import mean

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus import bundle_at, canonical, corpus, key_at, write_corpus
from corpus_edits import EDITS, JsonObject, dependencies, mutate, steps_of
from strategies import repositories
from wfsync.bundle.canonical import canonical_bytes
from wfsync.bundle.load import Desired, LoadOptions, load


def _loaded(key: str, data: bytes) -> Desired:
    loaded = load(data, "json", f"{key}.json", LoadOptions(), name=key)
    assert loaded.problems == ()
    (found,) = loaded.workflows
    return found


def test_a_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    first = [canonical(bundle) for _, bundle in corpus(7, 30)]
    assert [canonical(bundle) for _, bundle in corpus(7, 30)] == first
    assert canonical(bundle_at(7, 11, 30)) == first[11]
    assert all(canonical(bundle) not in first for _, bundle in corpus(8, 30))


def test_the_corpus_has_the_sizes_that_the_bench_is_specified_for() -> None:
    bundles = [bundle for _, bundle in corpus(1, 2000)]
    assert 8_300 < mean(len(orjson.dumps(bundle)) for bundle in bundles) < 9_100
    assert 18_500 < mean(len(canonical(bundle)) for bundle in bundles) < 20_500
    drafts = [bundle["workflows"][0]["draft"]["definition"] for bundle in bundles]
    assert 9 < mean(len(list(steps_of(draft["steps"]))) for draft in drafts) < 13
    calling = sum("control.callWorkflow" in json.dumps(bundle) for bundle in bundles)
    assert 0.02 < calling / len(bundles) < 0.04
    kinds = {(bundle["workflows"][0]["metadata"]["trigger"] or {"type": "none"})["type"] for bundle in bundles}
    assert kinds == {"event", "recurring", "schedule", "none"}


def test_the_corpus_is_sound_canonical_and_calls_only_what_exists() -> None:
    found = [_loaded(key, canonical(bundle)) for key, bundle in corpus(3, 400)]
    assert all(desired.is_canonical and desired.versions == (1, 2) for desired in found)
    targets = {(call.target, call.version) for desired in found for call in desired.calls}
    assert targets
    assert targets <= {(key_at(index), 1) for index in range(400)}


def test_both_serialisers_agree_on_the_corpus() -> None:
    assert all(canonical_bytes(bundle) == canonical(bundle) for _, bundle in corpus(5, 60))


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_changes_the_digest_and_stays_sound(edit: str) -> None:
    rng = Random(edit)
    for key, bundle in corpus(2, 40):
        before = canonical(bundle)
        edited = mutate(bundle, rng, edit)
        assert canonical(bundle) == before, "the argument is left alone"
        assert _loaded(key, canonical(edited)).digest != _loaded(key, before).digest
        assert edited["workflows"][0]["dependencies"] == dependencies(edited["workflows"][0])


def test_files_are_written_in_folders(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(folder, 1, 7, per_folder=3)
    assert sorted(path.name for path in folder.iterdir()) == ["000", "001", "002"]
    assert (folder / "001" / f"{key_at(4)}.json").read_bytes() == canonical(bundle_at(1, 4, 7))


@settings(max_examples=40)
@given(repositories())
def test_drawn_repositories_are_sound_however_hostile(repository: dict[str, JsonObject]) -> None:
    for key, bundle in repository.items():
        desired = _loaded(key, canonical_bytes(bundle))
        assert desired.key == key
        assert all(call.target in repository for call in desired.calls)


@settings(max_examples=40)
@given(repositories(), st.randoms(use_true_random=False))
def test_drawn_bundles_can_be_edited(repository: dict[str, JsonObject], rng: Random) -> None:
    for key, bundle in repository.items():
        desired = _loaded(key, canonical_bytes(mutate(bundle, rng, "metadata")))
        assert desired.digest != _loaded(key, canonical_bytes(bundle)).digest

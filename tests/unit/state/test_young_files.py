"""A file that was touched a moment ago has no stamp: what was recognised in it must be there still when it is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from corpus_edits import JsonObject
from small_bundles import bundle, canonical, set_state
from wfsync.bundle.dependencies import derive
from wfsync.bundle.load import LoadOptions, read_workflows
from wfsync.bundle.steps import steps_of
from wfsync.errors import Conflict
from wfsync.repo.files import stamp_of
from wfsync.repo.source import Entry, Reader, Source, SourceInfo
from wfsync.state import remembered, rules
from wfsync.state.desired import begin_loading
from wfsync.state.recognise import Known


def known(tree: JsonObject) -> Known:
    (workflow,) = read_workflows(canonical(tree), "json", "a.json")
    steps = [steps_of(definition) for definition in workflow.definitions()]
    needs = derive(workflow.metadata, workflow.definitions(), steps)
    return Known(workflow, steps, needs, (), "digest of the row")


@pytest.mark.parametrize("stamp", [None, "old"])
def test_a_recognised_file_that_changes_before_it_is_read_again(
    tmp_path: Path, stamp: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WFSYNC_CACHE_DIR", "")
    (tmp_path / "a.json").write_bytes(canonical(bundle("a")))
    known_stamp = stamp_of(str(tmp_path / "a.json")) if stamp is not None else None
    entry = Entry("a.json", "a.json", 1, stamp=known_stamp)
    source = Source(SourceInfo(str(tmp_path), "."), (entry,), (), Reader(str(tmp_path), None))
    loading = begin_loading(source, LoadOptions())
    item = loading.recogniser.recognise(known(bundle("a")))
    assert item is not None
    loading.recogniser.note(item)
    desired = loading.finish()
    if stamp is None:
        assert desired.workflow(desired.by_key["a"]).key == "a"
    (tmp_path / "a.json").write_bytes(canonical(bundle("a", [set_state("CHANGED")])))
    with pytest.raises(Conflict, match=r"a\.json changed while wfsync was at work"):
        desired.workflow(desired.by_key["a"])


def test_another_way_of_remembering_forgets_what_was_remembered() -> None:
    assert str(Path(remembered.__file__).stat().st_mtime_ns) in rules._code()

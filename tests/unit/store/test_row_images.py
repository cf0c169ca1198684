"""Before-images are read as a reader would have read the rows, whatever type their columns had."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from wfsync.store.row_images import read_image


def image(**columns: Any) -> bytes:
    row = {"workflow_id": "i", "key": "k", "draft_version": 2, "draft_definition": {"steps": []}} | columns
    version = {"version": 3, "version_id": "v", "definition_json": {"a": 1.5}, "payload_schema_json": None, "x": [1]}
    return json.dumps({"definition": row, "versions": [version]}).encode()


def test_documents_stay_text_and_numbers_exact() -> None:
    text = image(failure_rate_threshold=0.25, trigger=None, retention_policy_override={"b": 1}).replace(
        b"0.25", b"0.50"
    )
    stored = read_image(text, "k").stored
    assert (stored.workflow_id, stored.key, stored.draft_version) == ("i", "k", 2)
    assert json.loads(stored.draft) == {"steps": []}
    assert str(stored.metadata["failureRateThreshold"]) == "0.50"
    assert stored.metadata["trigger"] is None
    assert json.loads(stored.metadata["retentionPolicyOverride"]) == {"b": 1}
    (version,) = stored.versions
    assert (version.version, version.version_id, version.payload_schema) == (3, "v", None)
    assert json.loads(version.definition) == {"a": 1.5}


def test_columns_of_other_types_and_missing_ones_are_what_a_reader_makes_of_them() -> None:
    stored = read_image(
        image(draft_definition='{"steps": []}', failure_rate_threshold="0.5", draft_version=None), "k"
    ).stored
    assert json.loads(stored.draft) == {"steps": []}  # a column of text
    assert stored.metadata["failureRateThreshold"] == Decimal("0.5")
    assert stored.draft_version is None
    assert stored.metadata["isVisible"] is True  # no such column
    assert stored.metadata["description"] is None


def test_every_column_is_there_for_whoever_gives_them_back() -> None:
    found = read_image(image(folder=["a"]), "k")
    assert bytes(found.definition["folder"]) == b'["a"]'
    assert bytes(found.versions[3]["x"]) == b"[1]"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"x",
        b"[]",
        b"{}",
        b'{"definition": {}}',
        b'{"definition": 1, "versions": []}',
        b'{"definition": {"key": "another"}, "versions": []}',
        image(failure_rate_threshold="many"),
        image()[:-5],
    ],
)
def test_what_is_no_image_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_image(text, "k")

"""Files that are not what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from wfsync.errors import RepositoryError
from wfsync.repo.files import read_regular


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs a file that says it is empty and is not")
def test_a_file_that_is_longer_than_it_says_is_read_to_its_end_or_the_limit() -> None:
    assert b"VmRSS" in read_regular("/proc/self/status", limit=1 << 20, label="status")
    with pytest.raises(RepositoryError) as caught:
        read_regular("/proc/self/status", limit=10, label="status")
    assert caught.value.code == "INVALID_BUNDLE"


def test_the_limit_is_inclusive(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"12345")
    assert read_regular(f"{tmp_path}/x", limit=5, label="x") == b"12345"
    with pytest.raises(RepositoryError):
        read_regular(f"{tmp_path}/x", limit=4, label="x")


def test_a_folder_and_a_device_are_no_files(tmp_path: Path) -> None:
    for path in (str(tmp_path), "/dev/zero"):
        with pytest.raises(RepositoryError) as caught:
            read_regular(path, limit=5, label="x")
        assert caught.value.code == "REPOSITORY_SPECIAL_FILE"

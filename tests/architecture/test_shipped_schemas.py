"""The schemas are found in an editable install, and in what people install from a wheel."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from wfsync.bundle.schema_files import schema_bytes, schema_names

ROOT = Path(__file__).parents[2]
NAMES = ("overlay.v1", "registry.v1", "wfsync-config.v1", "workflow-bundle.v1", "workflow-definition.v1")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built without network and without leaving anything in the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT],
        check=True,
        capture_output=True,
    )
    [path] = folder.glob("*.whl")
    return path


def test_editable() -> None:
    assert set(NAMES) <= set(schema_names())
    for name in NAMES:
        assert schema_bytes(name) == (ROOT / "schemas" / f"{name}.schema.json").read_bytes()
        assert schema_bytes(f"{name}.schema.json") == schema_bytes(name)


def test_a_name_that_is_not_shipped() -> None:
    with pytest.raises(LookupError, match=r"registry\.v1"):
        schema_bytes("registry.v99")


def test_wheel(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    program = (
        "import sys; from wfsync.bundle.schema_files import schema_bytes, schema_names; import wfsync\n"
        "assert wfsync.__file__.startswith(sys.argv[1]), wfsync.__file__\n"
        "sys.stdout.buffer.write(b'\\0'.join(schema_bytes(n) for n in schema_names()))"
    )
    done = subprocess.run(
        # -I: nothing but what is given; the folder goes first, before the editable install's path.
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, sys.argv[1])\n{program}", tmp_path.resolve()],
        check=True,
        capture_output=True,
        cwd="/",
    )
    assert done.stdout.split(b"\0") == [(ROOT / "schemas" / f"{n}.schema.json").read_bytes() for n in schema_names()]


def test_the_wheel_holds_the_program_only(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"wfsync"}
    assert "wfsync/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    sql = {p.relative_to(ROOT / "src").as_posix() for p in (ROOT / "src").rglob("*.sql")}
    assert sql <= set(names)

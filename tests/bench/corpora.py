"""The repositories that are measured: made once for a seed and a size, then kept in ``.bench/corpora``.

Each is a git repository of its own, committed and packed: ``base`` (canonical), ``changed`` (one workflow in a hundred
edited) and ``compact`` (valid, but not canonical).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Final, Literal, get_args

import orjson

import corpus

__all__ = ["SEED", "Corpora", "Kind"]

SEED: Final = 20260301
Kind = Literal["base", "changed", "compact"]

_LAYOUT: Final = b"1"
"""Of the repositories; another one makes the kept ones stale."""
_CHANGED_IN: Final = 100
_PER_FOLDER: Final = 1000
_ENVIRONMENT: Final = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_AUTHOR_NAME": "bench",
    "GIT_AUTHOR_EMAIL": "bench@example.org",
    "GIT_COMMITTER_NAME": "bench",
    "GIT_COMMITTER_EMAIL": "bench@example.org",
    "GIT_AUTHOR_DATE": "2026-03-01T00:00:00Z",
    "GIT_COMMITTER_DATE": "2026-03-01T00:00:00Z",
}


@dataclass(frozen=True, slots=True)
class Corpora:
    """Repositories of ``size`` workflows below ``cache``."""

    cache: Path
    size: int

    def repository(self, kind: Kind) -> Path:
        """The root of a repository, made if it is not there yet."""
        made = self.cache / f"{SEED}-{_generator()}-{self.size}-{kind}"
        if not made.exists():
            making = made.with_name(f"{made.name}.{os.getpid()}")
            shutil.rmtree(making, ignore_errors=True)
            self._write(making, kind)
            _commit(making)
            making.rename(made)
        return made

    def prepare(self) -> None:
        """Make every repository, so that nothing is written while others are measured."""
        for kind in get_args(Kind):
            self.repository(kind)

    def changed(self) -> int:
        """How many workflows ``changed`` has edited."""
        return len(range(0, self.size, _CHANGED_IN))

    def _write(self, root: Path, kind: Kind) -> None:
        (root / "workflows").mkdir(parents=True)
        (root / "wfsync.yaml").write_text("version: 1\ndirectory: workflows\n")
        for index, (key, bundle) in enumerate(corpus.corpus(SEED, self.size)):
            folder = root / "workflows" / f"{index // _PER_FOLDER:03d}"
            folder.mkdir(exist_ok=True)
            if kind == "changed" and index % _CHANGED_IN == 0:
                bundle = corpus.mutate(bundle, Random(index))  # noqa: PLW2901
            data = orjson.dumps(bundle) if kind == "compact" else corpus.canonical(bundle)
            (folder / f"{key}.json").write_bytes(data)


def _generator() -> str:
    """Which bytes a seed gives: another generator is another corpus."""
    parts = [Path(corpus.__file__), Path(corpus.__file__).with_name("corpus_edits.py")]
    return sha256(_LAYOUT + b"".join(part.read_bytes() for part in parts)).hexdigest()[:8]


def _commit(root: Path) -> None:
    for arguments in (
        ("init", "-q", "-b", "main"),
        ("add", "."),
        ("commit", "-q", "-m", "corpus"),
        ("gc", "-q"),
        ("status", "--porcelain"),  # writes the index anew, later than the files: none of them is racy then
    ):
        # Nothing that git does in the background may run on into the measuring.
        command = ["git", "-C", root, "-c", "gc.auto=0", "-c", "maintenance.auto=false", *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **_ENVIRONMENT})

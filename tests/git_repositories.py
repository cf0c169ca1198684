"""Real git repositories for tests, made with the git program."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

BUNDLE = b'{"format": "alga-psa.workflow-bundle"}\n'
LFS_POINTER = b"version https://" + b"git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"


@dataclass(frozen=True)
class GitRepository:
    """A work tree (or a bare repository) at ``path``."""

    path: Path

    @classmethod
    def init(cls, path: Path, *options: str) -> GitRepository:
        """A new repository without commits, in which git knows who commits."""
        path.mkdir(parents=True, exist_ok=True)
        repository = cls(path)
        repository.git("init", "-q", "-b", "main", *options)
        repository.git("config", "user.name", "Test Author")
        repository.git("config", "user.email", "author@example.org")
        return repository

    def git(self, *arguments: str, **environment: str) -> str:
        """What git prints, without the last line's end; fails the test when git fails."""
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            env={**os.environ, **environment},
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.rstrip("\n")

    def write(self, path: str, data: bytes = BUNDLE) -> Path:
        """Write a file and the folders above it."""
        target = self.path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        return target

    def commit(self, *paths: str, message: str = "change") -> str:
        """Write a bundle at each path that does not exist, add all of them (or everything), commit; the commit's id."""
        for path in paths:
            if not os.path.lexists(self.path / path):
                self.write(path)
        self.git("add", "-f", *(paths or (".",)))
        self.git("commit", "-q", "-m", message)
        return self.head()

    def head(self) -> str:
        """HEAD's commit id."""
        return self.git("rev-parse", "HEAD")

    def status(self) -> list[str]:
        """What ``git status`` lists."""
        return self.git("status", "--porcelain", "-uall").splitlines()

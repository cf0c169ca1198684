"""``demo_repository.py FOLDER``: makes FOLDER a git repository with one commit of everything in it."""

from __future__ import annotations

import sys

import pygit2
from pygit2.enums import ConfigLevel


def main(folder: str) -> None:
    """Initialise, add, commit; by pygit2, because the git program may be missing."""
    # The demo's commit depends on nobody's git settings, and HOME may be a folder that this user cannot enter.
    for level in (ConfigLevel.SYSTEM, ConfigLevel.XDG, ConfigLevel.GLOBAL):
        pygit2.settings.search_path[level] = ""
    repository = pygit2.init_repository(folder, initial_head="main")
    repository.index.add_all()
    repository.index.write()
    author = pygit2.Signature("wfsync demo", "demo@example.org")
    tree = repository.index.write_tree()
    repository.create_commit("HEAD", author, author, "Workflows of the example team\n", tree, [])


if __name__ == "__main__":
    main(sys.argv[1])

"""Git and folders: where bundle files come from and where they go. The only room that imports pygit2.

Belongs here: finding the repository, listing and reading files of a work tree, a revision or a plain folder, the path
of a key, writing files by temporary file and rename, commits, who and what a source is (commit, branch, dirty).

Does not belong here: what a file says (`bundle`), which files should change (`export`, `plan`), settings (`config`).
"""

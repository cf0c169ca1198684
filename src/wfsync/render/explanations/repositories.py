"""Codes about git and the file system."""

from __future__ import annotations

from typing import Final

from wfsync.render.explanations.entry import Chapter, Explanation

REPOSITORIES: Final = Chapter(
    "Repository and files",
    "A file that cannot be read is never taken for a file that is gone.",
    (
        Explanation(
            "MISSING_DIRECTORY",
            1,
            'The folder of the workflows does not exist. That never means "delete everything".',
            "Create it, or correct `directory` in wfsync.yaml or the path on the command line.",
        ),
        Explanation(
            "EMPTY_DIRECTORY",
            1,
            'The folder holds no workflow file. That never means "delete everything".',
            "Check `directory` in wfsync.yaml, and .gitignore: ignored files do not count.",
        ),
        Explanation(
            "NO_REPOSITORY",
            1,
            "The working directory is a home folder or the whole machine, and nothing says that workflows are there.",
            "Go to the repository, name its folder as DIR, or begin one with `wfsync init`.",
        ),
        Explanation(
            "NOT_A_DIRECTORY",
            1,
            "Something that is no folder stands where a folder is needed.",
            "Name a folder.",
        ),
        Explanation(
            "OUTSIDE_REPOSITORY",
            1,
            "A path leads out of the repository.",
            "Use a path inside it, relative to its root.",
        ),
        Explanation(
            "FILE_MISSING",
            1,
            "A file that was named or listed does not exist (any more).",
            "Check the path; if somebody was writing, run the command again.",
        ),
        Explanation(
            "FILE_UNREADABLE",
            1,
            "A file cannot be read.",
            "Check its permissions.",
        ),
        Explanation(
            "REPOSITORY_UNREADABLE",
            1,
            "A folder cannot be read, so nobody knows which workflows it holds.",
            "Check its permissions.",
        ),
        Explanation(
            "REPOSITORY_SYMLINK",
            1,
            "A symbolic link stands where a file or folder is expected. Links are never followed. A link to a folder"
            " inside the directory is only a warning: what lies behind it is not read.",
            "Put the file itself there, or remove the link.",
        ),
        Explanation(
            "REPOSITORY_FILE_NAME",
            1,
            "A file's name does not fit. It is not UTF-8, or it does not end in .json, .yaml or .yml in small"
            " letters (a warning where such a file was only found).",
            "Rename it: a file is named like its key.",
        ),
        Explanation(
            "REPOSITORY_SPECIAL_FILE",
            1,
            "A pipe, a socket, a device or a folder stands where a file is expected.",
            "Remove it, or move it out of the directory.",
        ),
        Explanation(
            "REPOSITORY_LFS_POINTER",
            1,
            "The file is a Git LFS pointer, not its content.",
            "Run `git lfs pull`; better, keep workflows out of LFS, since a revision never has LFS content.",
        ),
        Explanation(
            "REPOSITORY_SUBMODULE",
            1,
            "The folder is a repository of its own, a submodule. Its files are not part of this one.",
            "Keep the workflows in this repository, or run wfsync inside the submodule.",
        ),
        Explanation(
            "NOT_A_REPOSITORY",
            1,
            "A revision or a commit was asked for, and the folder is in no git repository.",
            "Leave --rev or --commit out, or run the command inside a repository.",
        ),
        Explanation(
            "BARE_REPOSITORY",
            1,
            "A bare repository has revisions but no files.",
            "Name a revision with --rev, for example --rev HEAD.",
        ),
        Explanation(
            "REPOSITORY_OWNER",
            1,
            "The repository belongs to somebody else, so git refuses to read it.",
            "If you trust it: git config --global --add safe.directory PATH.",
        ),
        Explanation(
            "REPOSITORY_UNSUPPORTED",
            1,
            "The repository uses a feature of git that the library which wfsync reads it with does not know.",
            "The message names the feature; convert the repository, or read a clone without it.",
        ),
        Explanation(
            "REPOSITORY",
            1,
            "git cannot do what is needed; the repository may be damaged.",
            "`git status` and `git fsck` may say more.",
        ),
        Explanation(
            "OBJECT_MISSING",
            1,
            "An object of the repository is missing: a partial clone, or damage.",
            "`git fetch --refetch --no-filter` completes a partial clone; otherwise ask `git fsck`.",
        ),
        Explanation(
            "REVISION_NOT_FOUND",
            1,
            "There is no such commit, tag or branch.",
            "Check its name; a shallow clone may lack it (`git fetch --unshallow`).",
        ),
        Explanation(
            "REVISION_AMBIGUOUS",
            1,
            "The revision's name means more than one thing.",
            "Give more digits, or say refs/heads/NAME or refs/tags/NAME.",
        ),
        Explanation(
            "WRITE",
            1,
            "A file cannot be written. Each file is either as it was or complete.",
            "Make room or correct the permissions, then run the command again.",
        ),
        Explanation(
            "EXPORT_LOCKED",
            1,
            "Another wfsync is writing files in this repository.",
            "Try again when it has ended.",
        ),
        Explanation(
            "GIT_PROGRAM_MISSING",
            1,
            "The repository has hooks, signatures or filters, which need the git program, and it is not there.",
            "Install git, or export without --commit and commit yourself.",
        ),
        Explanation(
            "COMMIT_IDENTITY",
            1,
            "git does not know who commits.",
            "Set user.name and user.email with `git config`.",
        ),
        Explanation(
            "COMMIT_MESSAGE",
            1,
            "The commit message is empty or not UTF-8.",
            "Give one with -m TEXT.",
        ),
        Explanation(
            "COMMIT_STATE",
            1,
            "The repository is in the middle of a merge, a rebase or the like, or has unmerged files.",
            "Finish or abort that first.",
        ),
        Explanation(
            "COMMIT_FAILED",
            1,
            "git or one of its hooks refused the commit. The files are written.",
            "Correct what git names and commit them, or run the command again.",
        ),
        Explanation(
            "STAGED_CHANGES",
            1,
            "Files that would be committed have staged changes. Somebody is preparing a commit of their own.",
            "Commit or unstage them first (`git restore --staged FILE`).",
        ),
        Explanation(
            "IGNORED_PATHS",
            1,
            "Files that would be committed are ignored by .gitignore.",
            "Correct .gitignore, or add them once with `git add -f`.",
        ),
    ),
)

"""Codes about the test instance: what executes and checks workflows."""

from __future__ import annotations

from typing import Final

from wfsync.render.explanations.entry import Chapter, Explanation

RUNTIME: Final = Chapter(
    "The test instance",
    "What executes workflows, and what it needs.",
    (
        Explanation(
            "RUNTIME_NOT_INSTALLED",
            1,
            "The command needs libraries that come with the extra `wfsync[runtime]`. Without it wfsync syncs files and"
            " databases, and neither executes workflows nor checks their expressions.",
            "`pip install 'wfsync[runtime]'`, in the environment in which wfsync itself is installed.",
        ),
        Explanation(
            "INVALID_TEST",
            1,
            "A file under tests/ is no file of tests. It is not readable, breaks the schema, or says what no test can"
            " mean; every fault is named with its place, and nothing was run.",
            "Correct what is named. `wfsync schema test` prints what a file may say; docs/testing.md is the guide.",
        ),
        Explanation(
            "NOT_SIMULATED",
            1,
            "The workflow cannot be executed as it is. It is not in the repository, or its file, its definition or what"
            " publish validation checks is wrong. Every reason is listed.",
            "Correct what is listed; `wfsync publish KEY --check` finds the same. --version chooses another version.",
        ),
        Explanation(
            "NO_TESTS",
            1,
            "`wfsync test` found nothing to run. There are no files of tests where it looked, or -k leaves none over.",
            "Put *.yaml files into tests/ beside wfsync.yaml, or correct PATH or -k; `wfsync -v test` lists all tests"
            " by name.",
        ),
    ),
)

"""Codes about plans, consent and what is done with them."""

from __future__ import annotations

from typing import Final

from wfsync.render.explanations.entry import Chapter, Explanation

PLANS: Final = Chapter(
    "Plans and consent",
    "Whatever the code: nothing was written. An apply is one transaction, and it begins only with full consent.",
    (
        Explanation(
            "WORKFLOW_KEY_CONFLICT",
            3,
            "Workflows exist already and differ from the files, and --force was not given. All of them are listed.",
            "Look at `wfsync plan`; then run `wfsync apply --force`.",
        ),
        Explanation(
            "AMBIGUOUS_KEY",
            3,
            "Several rows of one tenant have the same key. wfsync cannot tell which of them the file means.",
            "Give all rows but one another key (or NULL), or leave the key out with --exclude.",
        ),
        Explanation(
            "STALE_PLAN",
            3,
            "Files or database changed since the plan was made. What was approved is not what would happen now. With a"
            " plan file every file, row and setting of the plan that moved is named; no option overrides it.",
            "Look at a new plan.",
        ),
        Explanation(
            "PLAN_TARGET_MISMATCH",
            3,
            "The plan file was made for another server, database, tenant or environment. Or the ledger, which holds the"
            " key of the plan's digests, was replaced since.",
            "Name the target that was planned for, or make a new plan for this one.",
        ),
        Explanation(
            "PLAN_FILE_INVALID",
            1,
            "The file is not a plan that `wfsync plan --out` wrote: it is something else, cut off, or was edited. Every"
            " plan file is sealed with a key that only the target's database has.",
            "Make a new plan with `wfsync plan --out FILE`. `wfsync schema plan-file` prints the format.",
        ),
        Explanation(
            "PLAN_FILE_VERSION",
            1,
            "Another version of wfsync made the plan file, in another format or by other rules of comparing workflows."
            " Nobody can tell whether this version would do the same.",
            "Apply it with the version that made it, or make a new plan with this one.",
        ),
        Explanation(
            "PLAN_KEY_UNAVAILABLE",
            1,
            "A plan file holds digests only under a secret key of the database. That is the ledger's, else one derived"
            " from the server's system identifier; this role may read neither.",
            "Create the ledger (an apply or `wfsync db upgrade` does) and GRANT SELECT ON wfsync.instance to the role,"
            " or GRANT EXECUTE ON FUNCTION pg_catalog.pg_control_system().",
        ),
        Explanation(
            "ACTIVE_RUNS",
            4,
            "A workflow that would be overwritten has runs that are queued, running or waiting.",
            "Wait for them or cancel them, or consent with --allow-running.",
        ),
        Explanation(
            "CASCADE_BLOCKED",
            4,
            "Rows of another table refer to the workflow, or to a published version of it, and forbid deleting it."
            " `replace` deletes and inserts again; `update` deletes versions that the file does not have.",
            "Remove the referring rows first, or use --overwrite update, which keeps the row and every version that"
            " the file has.",
        ),
        Explanation(
            "ROW_SECURITY",
            4,
            "Row-level security may hide workflows from this role. What looks new may exist already.",
            "Connect as a role that sees every row: BYPASSRLS, or the owner without FORCE ROW LEVEL SECURITY.",
        ),
        Explanation(
            "REFUSED",
            4,
            "A policy or a brake says no.",
            "Read the reasons that are listed.",
        ),
        Explanation(
            "CONSENT_REQUIRED",
            4,
            "The command would destroy data and was not told that this is meant. wfsync never asks back.",
            "Give the flag that the message names if that is what you want.",
        ),
        Explanation(
            "NOTHING_SELECTED",
            1,
            "--select and --exclude leave no workflow.",
            "Check the patterns: they are keys or globs such as 'billing.*'.",
        ),
        Explanation(
            "WORKFLOW_NOT_FOUND",
            1,
            "No workflow has the key that was asked for.",
            "Check the key; `wfsync plan` and `wfsync export --all --check` list keys.",
        ),
        Explanation(
            "VERSION_NOT_FOUND",
            1,
            "The workflow has no published version of that number.",
            "Name one of those that the message lists.",
        ),
        Explanation(
            "DETAILS_OMITTED",
            0,
            "Differences inside many more overwritten workflows were not worked out.",
            "Look at one with `wfsync diff KEY`, or narrow the plan with --select.",
        ),
        Explanation(
            "METADATA_NOT_HELD",
            0,
            "The table lacks columns for some metadata, so what files say of it is neither written nor compared.",
            "Upgrade the instance if the workflows need it.",
        ),
        Explanation(
            "CASCADE_UNKNOWN",
            0,
            "What a delete does to a table could not be found out, so the plan cannot count it.",
            "Let the role read that table (GRANT SELECT).",
        ),
        Explanation(
            "FOREIGN_KEY_WITHOUT_INDEX",
            0,
            "A foreign key that points to the workflows has no index. Every delete reads the whole referring table.",
            "Create the index that the hint names.",
        ),
    ),
)

"""Codes about undoing applies."""

from __future__ import annotations

from typing import Final

from wfsync.render.explanations.entry import Chapter, Explanation

ROLLBACKS: Final = Chapter(
    "Rollbacks",
    "`wfsync rollback APPLY` writes what the ledger kept of the rows before an apply.",
    (
        Explanation(
            "NOTHING_TO_ROLL_BACK",
            1,
            "The ledger has nothing of this apply that could be undone. It failed and wrote nothing, it changed no"
            " workflow (`adopt`, `release`), or what it changed has been thinned out meanwhile.",
            "`wfsync history` lists the applies that there are; `ledger.keep` in wfsync.yaml says how many are kept.",
        ),
        Explanation(
            "LEDGER_DAMAGED",
            1,
            "The ledger's image of a workflow before the apply is missing, cannot be read, or is that of another"
            " workflow. All of them are named.",
            "Leave those workflows out with --exclude; restore them from git or from a backup.",
        ),
        Explanation(
            "RUNS_NOT_RESTORED",
            0,
            "The apply deleted or replaced rows of workflows. Their definitions come back; runs, and whatever else the"
            " instance deleted with the rows, do not: the ledger never had them.",
            "Restore them from a backup if they are needed. `overwrite: update` in wfsync.yaml keeps rows and runs.",
        ),
        Explanation(
            "ROW_NOT_OURS",
            0,
            "The apply created a workflow whose row is gone, and somebody made another one with its key since. A"
            " rollback deletes only what wfsync made.",
            "Delete it in the instance if it is not wanted.",
        ),
        Explanation(
            "POLICY_NOT_AT_HAND",
            0,
            "A rollback needs no repository. But `policy:` (protected keys, brakes) stands in the `wfsync.yaml` of the"
            " source that the apply was made from, and the command was given outside of that: nothing there holds it.",
            "Run it in a checkout of that source; or read the plan (--dry-run) with the policy in mind, and choose with"
            " --select and --exclude.",
        ),
        Explanation(
            "COLUMNS_NOT_RESTORED",
            0,
            "Columns that no file holds could not be given their former values. The workflow has its content again, and"
            " the table does not take those values any more, for the reason that is given.",
            "Set them in the instance if they matter.",
        ),
    ),
)

"""Codes about whose a workflow is, and about the brakes."""

from __future__ import annotations

from typing import Final

from wfsync.render.explanations.entry import Chapter, Explanation

OWNERSHIP: Final = Chapter(
    "Ownership, drift and brakes",
    "Nothing was written. A plan lists every reason at once; what has none can be applied with --select.",
    (
        Explanation(
            "DRIFT",
            3,
            "Somebody changed the workflow in the database since the last apply, and applying would lose that.",
            "Take it into git with `wfsync export KEY`; or give --on-drift overwrite to lose it, --on-drift skip to"
            " leave it alone.",
        ),
        Explanation(
            "MANAGED_ELSEWHERE",
            4,
            "The workflow is managed by another source: another repository, or another directory of it.",
            "Remove it from one of the two, or take it over with `wfsync adopt KEY`. Where the other source is only a"
            " folder (`file:…`), --force takes it over.",
        ),
        Explanation(
            "PROTECTED",
            4,
            "The key matches policy.protected in wfsync.yaml, so the workflow is neither overwritten nor deleted.",
            "Leave it out with --exclude, or change the policy.",
        ),
        Explanation(
            "STILL_CALLED",
            4,
            "A workflow would be deleted that others call, which stay.",
            "Change or delete the callers in the same apply, or leave the workflow out with --exclude.",
        ),
        Explanation(
            "MAX_CHANGES",
            4,
            "The plan creates, overwrites and deletes more workflows than the brake allows.",
            "Look at the plan. Apply a part of it with --select, or raise --max-changes or policy.max_changes.",
        ),
        Explanation(
            "MAX_DELETES",
            4,
            "The plan deletes more workflows than the brake allows: by default the larger of 3 and 30% of the managed"
            " ones.",
            "Look at the plan. Delete a part with --select, or raise --max-deletes or policy.max_deletes.",
        ),
        Explanation(
            "PRUNE_INCOMPLETE",
            4,
            "Something in the repository looks like workflows and is not read: what is gone from git cannot be told.",
            "Mend what the warnings name: links to folders, and files with a suffix in capitals.",
        ),
        Explanation(
            "NOT_HELD",
            1,
            "No rollback holds the workflow for this source.",
            "`wfsync status` lists what is held.",
        ),
    ),
)

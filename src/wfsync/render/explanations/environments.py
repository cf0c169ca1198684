"""Codes about environments, overlays and the fields that a database owns."""

from __future__ import annotations

from typing import Final

from wfsync.render.explanations.entry import Chapter, Explanation

ENVIRONMENTS: Final = Chapter(
    "Environments and overlays",
    "`-e NAME` takes database, tenant and overlay from `environments:` in wfsync.yaml.",
    (
        Explanation(
            "UNKNOWN_ENVIRONMENT",
            1,
            "`-e` or WFSYNC_ENV names an environment that wfsync.yaml does not have. With `--rev` it is the file of"
            " that revision that counts.",
            "Name one of those that the message lists, or add it under `environments:`.",
        ),
        Explanation(
            "DATABASE_ENV_UNSET",
            1,
            "The environment takes the address of its database from a variable that has no value. No other database is"
            " taken instead, whatever else is set.",
            "Set the variable, or name the database with --database.",
        ),
        Explanation(
            "GROUP_NOT_ALLOWED",
            1,
            "`-e` or WFSYNC_ENV names a group, and the command is about one target. A group is a block with `targets`,"
            " `waves` or `tenants`; --database, --tenant and --out are about one target, too.",
            "Name one environment of the group, or one tenant with --tenant. plan, apply and status take groups.",
        ),
        Explanation(
            "DUPLICATE_TARGET",
            1,
            "Two targets of a group are the same database and tenant. Two variables hold the same address, or a tenant"
            " is named by one environment and found by another. Nothing was begun.",
            "Name each target once; `except` of `tenants` leaves a tenant out.",
        ),
        Explanation(
            "NO_TENANTS",
            1,
            "A group of all tenants of a database has no target: no row of workflow_definitions has a tenant yet.",
            "List the first tenants with `tenants: { also: [...] }`, or check that it is the right database.",
        ),
        Explanation(
            "WORKER_LOST",
            1,
            "A process that worked on one target, or on some files, was killed. What it did not commit is undone.",
            "Look at the target with `wfsync status`. If the machine ran out of memory, use fewer --jobs.",
        ),
        Explanation(
            "OVERLAY_MISSING",
            1,
            "The overlay file of an environment does not exist, in the work tree or in the revision that is read.",
            "Correct `overlay` of that environment in wfsync.yaml, or add the file.",
        ),
        Explanation(
            "INVALID_OVERLAY",
            1,
            "An overlay cannot be read, or says what no workflow's metadata can hold.",
            "Correct each place that is named; `wfsync schema overlay` prints the schema.",
        ),
        Explanation(
            "OVERLAY_UNMATCHED",
            0,
            "A pattern of the overlay matches no workflow of the repository: a warning, for it is often a slip.",
            "Correct the pattern, or take it out.",
        ),
        Explanation(
            "OVERLAY_DIFFERS",
            0,
            "`export -e` found that the database has another value than the overlay lays on a field. The base file"
            " holds for every environment, so the value cannot go there: the file keeps what it says of that field.",
            "Carry the value over into the overlay by hand, or apply again to have the overlay's value.",
        ),
    ),
)

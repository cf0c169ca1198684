"""Codes about runs: starting, following and changing them, events, tasks and workers."""

from __future__ import annotations

from typing import Final

from wfsync.render.explanations.entry import Chapter, Explanation

RUNS: Final = Chapter(
    "Runs",
    "What becomes of workflows that are executed; docs/running.md is the guide.",
    (
        Explanation(
            "RUNTIME_UNAVAILABLE",
            1,
            "Workflows cannot be executed in this database. Its tables are not wfsync's own (their instance"
            " executes its workflows itself), or they are missing, or the engine's tables in the schema `wfsync_engine`"
            " cannot be made or used.",
            "Use the embedded database, or an empty one with `wfsync db upgrade`. Where the role may not create a"
            " schema, let one that may run `wfsync db upgrade` once.",
        ),
        Explanation(
            "UNKNOWN_WORKFLOW",
            1,
            "The database has no workflow with this key, or not in this version. Files are not run: what an apply has"
            " brought there is.",
            "Run `wfsync apply`, or correct the key or --version.",
        ),
        Explanation(
            "NOT_PUBLISHED",
            1,
            "The workflow has a draft only. What is executed is a published version.",
            "`wfsync publish KEY` makes one of the draft in its file; `wfsync apply --force` brings it to the"
            " database.",
        ),
        Explanation(
            "WORKFLOW_PAUSED",
            4,
            "The workflow is paused, by its metadata or because too many of its runs failed (`autoPauseOnFailure`). A"
            " paused workflow starts nothing; what runs already goes on.",
            "Look at the failed runs (`wfsync runs list --status FAILED`). In the embedded database an apply of"
            " `isPaused: false` takes the pause back. A named database owns the field (`fields.database`): there"
            " `UPDATE workflow_definitions SET is_paused = false WHERE key = …` does.",
        ),
        Explanation(
            "INVALID_PAYLOAD",
            1,
            "What the run would be given does not fit the payload schema of the version; every fault is named.",
            "Correct --payload, or the schema.",
        ),
        Explanation(
            "INVALID_PAYLOAD_MAPPING",
            1,
            "The trigger's `payloadMapping` gives no payload for this event: an expression failed or found nothing. The"
            " answer of `events send` names the workflow; others were started.",
            "Correct the mapping, guard what may be missing with `coalesce`, or send the event with what it needs.",
        ),
        Explanation(
            "INVALID_JSON",
            1,
            "An option that takes JSON, or the file that it names with @, holds none.",
            "Quote JSON for the shell, or write it into a file and give `@FILE`; `@-` is stdin.",
        ),
        Explanation(
            "RUN_FAILED",
            1,
            "The run that was waited for failed. The message says where and why, `wfsync runs show` all of it.",
            "`wfsync runs retry RUN` goes on at the failed step, `wfsync runs replay RUN` starts anew.",
        ),
        Explanation(
            "RUN_CANCELED",
            1,
            "The run that was waited for was canceled.",
            "`wfsync runs show RUN` says by whom and why.",
        ),
        Explanation(
            "UNKNOWN_RUN",
            1,
            "No run of this tenant has this id, or its beginning.",
            "`wfsync runs list` shows the runs that there are.",
        ),
        Explanation("AMBIGUOUS_RUN", 1, "Several runs have ids that begin like this.", "Give more of the id."),
        Explanation(
            "RUN_ENDED",
            3,
            "The run has ended, so that nothing is left to cancel.",
            "Nothing; `wfsync runs show RUN` says how it ended.",
        ),
        Explanation(
            "RUN_NOT_FAILED",
            3,
            "Only a run that failed can go on at its failed step.",
            "`wfsync runs replay RUN` starts a new run of the same version with the same payload.",
        ),
        Explanation(
            "UNKNOWN_TASK",
            1,
            "No task of this tenant has this id, or its beginning.",
            "`wfsync tasks list` shows the open ones, with --all the others.",
        ),
        Explanation("AMBIGUOUS_TASK", 1, "Several tasks have ids that begin like this.", "Give more of the id."),
        Explanation(
            "TASK_CLOSED",
            3,
            "The task was answered before, or its run has ended.",
            "Nothing; `wfsync tasks list --all` says who answered.",
        ),
        Explanation(
            "INVALID_ANSWER",
            1,
            "The answer does not fit the form of the task's type: the schema `task.<taskType>` of the registry. Every"
            " fault is named, and the task stays open.",
            "Correct --answer.",
        ),
        Explanation(
            "WORKER_ENDED",
            1,
            "A worker ended itself at once. It had not said for 15 seconds that it lives, because its process was"
            " paused or its machine too busy, and was declared dead; or it lost the database.",
            "Start it again. Others have taken over what it did; nothing was lost, and nothing recorded twice.",
        ),
    ),
)

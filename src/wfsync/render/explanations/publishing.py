"""Codes of `publish`: what publish validation finds, and why a file was not written."""

from __future__ import annotations

from typing import Final

from wfsync.render.explanations.entry import Chapter, Explanation

PUBLISHING: Final = Chapter(
    "Publishing",
    "Publish validation names every fault of a draft in one run, each with the path of its step (`stepPath`, such as"
    " `root.steps[3].then.steps[0]`) and, where one is known, a suggestion. With any error nothing is published. The"
    " codes of secrets, `INVALID_CONFIG` and `MISSING_REFERENCE` belong to it as well.",
    (
        Explanation(
            "INVALID_WORKFLOW_DEFINITION",
            1,
            "The definition has not the shape that every definition has. A member is missing, unknown or of the wrong"
            " type, a `runAt` is no moment, or the variable of a loop hides `payload`, `vars`, `meta`, `error` or"
            " `index`.",
            "Correct the place that is named.",
        ),
        Explanation(
            "DUPLICATE_STEP_ID",
            1,
            "Two steps have the same id. Ids are unique in the whole tree of a definition, also across branches.",
            "Rename one of the two; the suggestion is an id that is free.",
        ),
        Explanation(
            "INVALID_EXPR",
            1,
            'An `{"$expr": text}` does not compile. The text is no JSONata, uses what workflows may not use (`$eval`,'
            " functions of one's own, `$random`, `$now`), is too long or too deep, or something stands beside it in its"
            " object.",
            "Correct the expression; the message says at which character of it.",
        ),
        Explanation(
            "UNKNOWN_NODE_TYPE",
            1,
            "A step has a type that is neither built in nor offered by a plugin or by registry.yaml.",
            "Correct the type, install the plugin, or declare the type in registry.yaml; `wfsync registry list` shows"
            " what there is.",
        ),
        Explanation(
            "UNKNOWN_ACTION",
            1,
            "A step calls an action that is not there, or not in that version. The suggestion is the nearest name, or"
            " the versions that exist.",
            "Correct `actionId` or `version`, install the plugin, or declare the action in registry.yaml.",
        ),
        Explanation(
            "MISSING_REQUIRED_MAPPING",
            1,
            "`inputMapping` lacks something that the action's input schema requires. The same holds for a called"
            " workflow and its payload schema. Literal objects are looked into; what an expression gives is checked"
            " when the step runs.",
            "Add the member to `inputMapping`.",
        ),
        Explanation(
            "INVALID_ASSIGN_PATH",
            1,
            "A step assigns to a path that is none. Paths begin with `payload.`, `vars.`, `meta.` or `error.`, or are a"
            " JSON pointer into the payload; in `saveAs`, `captureErrorAs` and `outputMapping` a bare name means"
            " `vars.<name>`; `__proto__`, `prototype` and `constructor` are refused.",
            "Write the path as the suggestion has it.",
        ),
        Explanation(
            "UNKNOWN_PAYLOAD_SCHEMA_REF",
            1,
            "The workflow, its pin or its trigger names a payload schema that nobody has. Where no payload schema at"
            " all is registered, this is not checked.",
            "Correct the reference, or add the schema to registry.yaml.",
        ),
        Explanation(
            "TRIGGER_MAPPING_REQUIRED",
            1,
            "The payload of the event that starts the workflow has another schema than the workflow's, and nothing maps"
            " one to the other.",
            "Add a `payloadMapping` to the trigger.",
        ),
        Explanation(
            "TRIGGER_MAPPING_MISSING_REQUIRED_FIELDS",
            1,
            "The trigger's `payloadMapping` does not give all that the payload schema requires, so that every run would"
            " be refused.",
            "Add what is missing to `payloadMapping`.",
        ),
        Explanation(
            "INVALID_CRON",
            1,
            "The trigger's `cron` is none, or can never fire. It has five fields: minute, hour, day, month, weekday;"
            " seconds and names such as `@daily` are not known.",
            'Correct it: `"30 1 * * *"` is half past one every night.',
        ),
        Explanation(
            "INVALID_TIMEZONE",
            1,
            "The trigger's `timezone` is no name of the IANA database, such as `Europe/Berlin` or `UTC`.",
            "Correct the name; abbreviations such as CEST are none.",
        ),
        Explanation(
            "ASSIGN_PATH_UNKNOWN",
            0,
            "A step assigns to a part of the payload that the payload schema does not know.",
            "Correct the path, or keep what is not part of the payload in `vars`.",
        ),
        Explanation(
            "UNKNOWN_SPECIAL_KEY",
            0,
            "An object has a member that begins with `$` and is neither `$expr` nor `$secret`. It is passed on as it"
            " stands; keywords of JSON Schema are not meant.",
            "Correct the name; the suggestion says what is near.",
        ),
        Explanation(
            "COMMENTS_LOST",
            1,
            "The YAML file that was to be published in has comments, which canonical text cannot hold. Nothing was"
            " written.",
            "Publish with --drop-comments, or keep the workflow as JSON.",
        ),
        Explanation(
            "FILE_CHANGED",
            1,
            "Somebody wrote the file while it was being published. Nothing was written over it.",
            "Run the command again.",
        ),
        Explanation(
            "CALLED_BY_ID",
            1,
            "Another file names the workflow by the database id that it had where it was exported. A published file has"
            " the key instead of this id, and the call would lead nowhere. Nothing was written.",
            "Run `wfsync fmt`, which writes keys in the place of such ids, and publish again.",
        ),
    ),
)

"""Codes about workflow files and about the settings of a repository."""

from __future__ import annotations

from typing import Final

from wfsync.render.explanations.entry import Chapter, Explanation

FILES: Final = Chapter(
    "Workflow files and settings",
    "All faults of all files are reported in one run. They come in stages: header, schema, rules, dependencies,"
    " references; a later stage runs only when the earlier one is clean.",
    (
        Explanation(
            "INVALID_BUNDLE",
            1,
            "The file cannot be read as a bundle. It is not JSON or YAML, not UTF-8, has an object key twice, is not an"
            " object, is nested more than 200 deep, is larger than 16 MiB, or its YAML anchors expand beyond the"
            " limit.",
            "Correct the place that is named. A large bundle of many workflows is for `wfsync import --max-size`.",
        ),
        Explanation(
            "UNSUPPORTED_FORMAT",
            1,
            "The file's `format` is not `alga-psa.workflow-bundle`. It is checked before anything else, so the file is"
            " probably something else altogether.",
            "Move files that are no workflows out of the directory; otherwise write the format as it is spelled here.",
        ),
        Explanation(
            "UNSUPPORTED_FORMAT_VERSION",
            1,
            'The file\'s `formatVersion` is not the number 1. The text "1" is not the number, and nothing is migrated.',
            "Export the workflow again where it came from.",
        ),
        Explanation(
            "SCHEMA_VALIDATION_FAILED",
            1,
            "The file breaks the bundle's JSON Schema. A field is missing, unknown, or of the wrong type.",
            "Correct each place that is named; `wfsync schema bundle` prints the schema.",
        ),
        Explanation(
            "DUPLICATE_KEY",
            1,
            "Two workflows have the same key. A key names one workflow, in a bundle and in a repository.",
            "Keep one of the two; both places are named.",
        ),
        Explanation(
            "KEY_FILENAME_MISMATCH",
            1,
            "The file is not named like the key in it. One file holds one workflow and is called <key>.json or"
            " <key>.yaml.",
            "Rename the file, or correct the key.",
        ),
        Explanation(
            "DUPLICATE_VERSION",
            1,
            "A version number is published twice in one workflow.",
            "Give each published version its own number.",
        ),
        Explanation(
            "INVALID_VALUE",
            1,
            "A value is of the right type but cannot be stored. A key that reads as a UUID or is a reserved file"
            " name, a version outside 1 to 2147483647, an integer beyond 32 bits, a failureRateThreshold outside 0"
            " to 999.99 or with more than two decimals, a number like 1e400, U+0000, or half of a surrogate pair.",
            "Write a value that the message allows; wfsync never rounds or repairs one.",
        ),
        Explanation(
            "INVALID_DEFINITION",
            1,
            "A definition is not sound. A step has an unknown shape, two steps have the same id, or an expression does"
            " not compile (`validate` looks at those when `wfsync[runtime]` is installed). In a published version this"
            " is an error, in a draft a warning, because drafts may be unfinished.",
            "Correct the step that is named. `policy.definitions: warn` in wfsync.yaml lets published ones pass as"
            " well.",
        ),
        Explanation(
            "SECRET_LITERAL",
            0,
            "A value looks like a secret: a well-known kind of token, or a literal under a name such as apiKey. Whoever"
            " can read the repository can read it, also after it is removed. The value itself is never shown. With"
            " `policy.secrets: error` it is an error (exit code 1).",
            'Write {"$secret": "NAME"} instead, give the value to the instance, and replace the secret that was'
            " committed. What is no secret is listed under policy.secrets_allowed in wfsync.yaml.",
        ),
        Explanation(
            "SECRET_ALLOWANCE_UNUSED",
            0,
            "An entry of policy.secrets_allowed in wfsync.yaml excuses no value of any file: the value is gone, or the"
            " entry has a slip. It would excuse a real secret that came to stand there.",
            "Remove the entry, or correct its key or pointer.",
        ),
        Explanation(
            "MISSING_DEPENDENCIES",
            1,
            "A workflow needs an action, a node type or a payload schema that the instance does not offer, according to"
            " the registry file.",
            "Add it to the registry file if the instance has it; otherwise install it there first.",
        ),
        Explanation(
            "MISSING_REFERENCE",
            1,
            "A workflow calls a workflow or a version that does not exist. Or an overwrite would drop a version that a"
            " stored workflow calls. Where only a draft calls, it is a warning.",
            "Add the callee (also to --select), publish the version, or change the call.",
        ),
        Explanation(
            "NON_PORTABLE_REFERENCE",
            0,
            "A call names its callee by an id that no workflow has, neither in the files nor in the database. It is"
            " left as it is and will not work on another instance.",
            "Name the callee by its key.",
        ),
        Explanation(
            "REFERENCE_UNCHECKED",
            0,
            "A workflow calls one that is in none of the files. Without a database nobody can tell whether it exists.",
            "Nothing, if the callee is in the database; `wfsync plan` looks for it there.",
        ),
        Explanation(
            "DEPENDENCIES_UNCHECKED",
            0,
            "There is no registry file, so dependencies were not checked. Nobody said what the instance offers.",
            "Name a registry with `registry:` in wfsync.yaml; `wfsync schema registry` prints its form.",
        ),
        Explanation(
            "DEPENDENCIES_DIFFER",
            0,
            "The declared dependencies are not those that the definitions have. Both are checked; files written"
            " elsewhere often list more or less.",
            "`wfsync fmt` writes the derived list.",
        ),
        Explanation(
            "COMMENTS_KEPT",
            0,
            "A YAML file with comments was left alone. Canonical text cannot hold comments, so a rewrite would lose"
            " them.",
            "Carry the change over by hand, or give --drop-comments.",
        ),
        Explanation(
            "INVALID_REGISTRY",
            1,
            "The registry file is wrong. It cannot be read, breaks its schema, lists something twice, holds a JSON"
            " Schema that is none, or a stub whose output its action would not give.",
            "Correct the places that are named; `wfsync schema registry` prints the schema.",
        ),
        Explanation(
            "REGISTRY_MISSING",
            1,
            "wfsync.yaml names a registry file that does not exist.",
            "Add the file, or correct `registry:`.",
        ),
        Explanation(
            "INVALID_CONFIG",
            1,
            "The configuration cannot be used. wfsync.yaml is not YAML, has an unknown setting, a wrong value, a path"
            " that leaves its folder or a password, or options contradict each other. Of a step (`publish`): its"
            " `config`, or a literal in its `inputMapping`, breaks the schema of its type or action.",
            "Correct what is named; `wfsync schema config` prints what wfsync.yaml may say, `wfsync registry list"
            " --format json` the schemas of types and actions.",
        ),
        Explanation(
            "USAGE",
            64,
            "The command line says something that cannot be done.",
            "`wfsync COMMAND --help` shows what a command takes. Global options stand before the command.",
        ),
        Explanation(
            "OUTPUT",
            1,
            "A file named by --output cannot be written.",
            "Check the path and its permissions. The command itself may have done its work: look at its result.",
        ),
        Explanation(
            "FILE_EXISTS",
            1,
            "A new file would overwrite one that exists. `new` and `init` never do that, and wrote nothing.",
            "Remove the file, or choose another key or folder.",
        ),
        Explanation(
            "INTERNAL",
            1,
            "Something happened that wfsync did not expect: a defect of wfsync.",
            "Run the command again with -vv and report what it prints.",
        ),
        Explanation(
            "ERROR",
            1,
            "Something went wrong that has no code of its own.",
            "Read the message.",
        ),
    ),
)

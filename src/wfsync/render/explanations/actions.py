"""Codes with which built-in actions fail: what a run's `error.code` says."""

from __future__ import annotations

from typing import Final

from wfsync.render.explanations.entry import Chapter, Explanation

ACTIONS: Final = Chapter(
    "Actions",
    "What a run's `error.code` says after an action failed. Plugins have codes of their own.",
    (
        Explanation(
            "INVALID_ACTION_INPUT",
            1,
            "What a step would hand to an action does not fit the action's input schema. Nothing was called.",
            "Correct the step's `inputMapping`, or the data that it reads; `wfsync registry list` names the action.",
        ),
        Explanation(
            "INVALID_ACTION_OUTPUT",
            1,
            "An action was called and gave something that does not fit its own output schema.",
            "Mend the action, its stub, or the schema in `registry.yaml`. The call itself has happened.",
        ),
        Explanation(
            "ACTION_NOT_EXECUTABLE",
            1,
            "The action is known by name only. No plugin here executes it, and there is no stub that may stand for it.",
            "Install its plugin where the worker runs. Stubs of `registry.yaml` count on the embedded instance and in "
            "tests only.",
        ),
        Explanation(
            "INVALID_IDEMPOTENCY_KEY",
            1,
            "The idempotency key of a call is empty, too long, or neither text nor a number. Nothing was called.",
            "Correct the step's `idempotencyKey`.",
        ),
        Explanation(
            "CONDITION_NOT_BOOLEAN",
            1,
            "The condition of a `control.if` gave something that is neither true nor false.",
            "Compare it with something, or use `$boolean(…)` where anything but empty counts as true.",
        ),
        Explanation(
            "INVALID_SCHEMA",
            1,
            "A JSON Schema of the registry that something had to be checked with is none.",
            "Correct it; `wfsync registry check` finds such schemas.",
        ),
        Explanation(
            "OUTPUT_NOT_JSON",
            1,
            "An action gave something that no JSON column can hold, such as a date, NaN, U+0000 or endless nesting.",
            "Mend the action.",
        ),
        Explanation(
            "INVALID_JSON_TEXT",
            1,
            "`transform.parse_json` was given a text that is no JSON. The message has the line and column.",
            "Look at what the text is made of. Comments, NaN, a name twice in one object and more than 200 "
            "levels are no JSON.",
        ),
        Explanation(
            "INVALID_QUERY",
            1,
            "`transform.query_json` was given a query that is no expression, or one that workflows may not use.",
            "Correct the query; the value is called `value` in it.",
        ),
        Explanation(
            "QUERY_TIME",
            1,
            "The query of `transform.query_json` did not end within the wall clock of expressions. Nothing is"
            " wrong with the run: it is tried again.",
            "If it happens again and again, ask for less: a pointer, or a part of the value.",
        ),
        Explanation(
            "INVALID_REGEX",
            1,
            "A regular expression is none for RE2, or asks for too much. Look-around and back-references do "
            "not exist; patterns, texts, matches and the work of finding them are limited.",
            "Correct or simplify the pattern, or search a shorter text.",
        ),
        Explanation(
            "FORBIDDEN_NAME",
            1,
            "A field would be called `__proto__`, `prototype` or `constructor`.",
            "Choose another name.",
        ),
        Explanation(
            "FIELD_MISSING",
            1,
            "`transform.pick_fields` with `missing: fail` did not find a field.",
            "Give the field, or let `missing` be `skip` or `null`.",
        ),
        Explanation(
            "FIELD_TWICE",
            1,
            "`transform.rename_fields` would give two fields one name.",
            "Rename the other field as well, or leave it out with `keepOthers: false`.",
        ),
        Explanation(
            "OUTPUT_TOO_LARGE",
            1,
            "The output of an action would have more than 256 KiB of JSON.",
            "Take a part of it, or keep it somewhere and hand on where.",
        ),
        Explanation(
            "OUTPUT_TOO_DEEP",
            1,
            "The output of an action is nested too deeply, or has a number that JSON has not.",
            "Take a part of it.",
        ),
        Explanation(
            "UNSTORABLE_TEXT",
            1,
            "The output of an action has U+0000 or half a surrogate pair, which PostgreSQL cannot keep.",
            "Remove such characters first, for instance with `transform.regex_replace`.",
        ),
        Explanation(
            "INVALID_SETTING",
            1,
            "A setting of the worker, such as `WFSYNC_HTTP_ALLOW`, says something that cannot be read.",
            "Correct the environment variable that the message names, and start the worker again.",
        ),
        Explanation(
            "INVALID_URL",
            1,
            "The URL of a request cannot be read, is neither `http://` nor `https://`, names no host, or "
            "holds a password.",
            "Correct the URL. Passwords belong into the header Authorization, as a secret.",
        ),
        Explanation(
            "INVALID_HEADER",
            1,
            "A header cannot be set, or has a character that would begin another one.",
            "Leave it out, or take line breaks out of its value.",
        ),
        Explanation(
            "BODY_TOO_LARGE",
            1,
            "The body of a request has more than 1 MiB.",
            "Send less.",
        ),
        Explanation(
            "HOST_NOT_ALLOWED",
            1,
            "A request would go to a place that nobody allowed. Without `WFSYNC_HTTP_ALLOW`, every public "
            "address may be called and no other one.",
            "Add the host, address or network to `WFSYNC_HTTP_ALLOW` of the worker if it is meant.",
        ),
        Explanation(
            "REDIRECT_REFUSED",
            1,
            "A redirect leads from https to http, or would hand a body to another origin.",
            "Call the new place itself.",
        ),
        Explanation(
            "TOO_MANY_REDIRECTS",
            1,
            "A request was redirected more than five times.",
            "Call the place where it ends, if it ends.",
        ),
        Explanation(
            "HTTP_CONNECTION",
            1,
            "A service could not be reached, or the connection was lost. It is a `TransientError`: `retry` "
            "tries again.",
            "Look at the service, its name and its certificate. `WFSYNC_HTTP_CA_FILE` names more authorities to trust.",
        ),
        Explanation(
            "HTTP_TIMEOUT",
            1,
            "A service did not answer in time, redirects included.",
            "Give the step a `retry`, or a longer `timeoutMs`.",
        ),
        Explanation(
            "HTTP_ANSWER",
            1,
            "An answer has more than 1 MiB, or is packed in a way that was not asked for.",
            "Ask for less.",
        ),
        Explanation(
            "HTTP_STATUS",
            1,
            "A service answered with 400 or more. 408, 425, 429 and 5xx are a `TransientError`, which `retry`"
            " tries again.",
            "Look at `details.status` and `details.body`; `acceptStatus` makes an answer no failure.",
        ),
        Explanation(
            "SMTP_NOT_CONFIGURED",
            1,
            "`WFSYNC_SMTP_URL` of the worker is missing or malformed, or would send a password without encryption.",
            "Set it: `smtp://user:password@host:port`, or `smtps://…`.",
        ),
        Explanation(
            "NO_SENDER",
            1,
            "A mail has no sender.",
            "Give `from`, or set `WFSYNC_SMTP_FROM` of the worker.",
        ),
        Explanation(
            "NO_RECIPIENT",
            1,
            "A mail has no recipient, or more than 100.",
            "Give `to`, `cc` or `bcc`.",
        ),
        Explanation(
            "INVALID_ADDRESS",
            1,
            "A field of a mail has something that is no address.",
            "Correct it: `ann@example.com` or `Ann Lee <ann@example.com>`.",
        ),
        Explanation(
            "INVALID_ATTACHMENT",
            1,
            "An attachment's name, type or content is none.",
            "Correct what the message names.",
        ),
        Explanation(
            "MAIL_TOO_LARGE",
            1,
            "A mail has more than 10 MiB.",
            "Send a link instead of a file.",
        ),
        Explanation(
            "SMTP_CONNECTION",
            1,
            "The mail server could not be reached, or ended the connection. It is a `TransientError`.",
            "Look at the server and its certificate. `WFSYNC_SMTP_CA_FILE` names the authorities to trust.",
        ),
        Explanation(
            "SMTP_TIMEOUT",
            1,
            "The mail server did not answer in time.",
            "Give the step a `retry`.",
        ),
        Explanation(
            "SMTP_LOGIN",
            1,
            "The mail server does not accept the user and password, or offers no encryption or login.",
            "Correct `WFSYNC_SMTP_URL`.",
        ),
        Explanation(
            "SMTP_REFUSED",
            1,
            "The mail server refuses the mail or every recipient. 4xx is a `TransientError`, 5xx is for good.",
            "Look at `details.status` and at the server's log.",
        ),
    ),
)

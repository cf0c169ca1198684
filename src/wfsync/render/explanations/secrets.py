"""Codes about secrets of workflows and the keys that encrypt them."""

from __future__ import annotations

from typing import Final

from wfsync.render.explanations.entry import Chapter, Explanation

SECRETS: Final = Chapter(
    "Secrets",
    '`{"$secret": NAME}` names a secret; its value is in the environment or, encrypted, in the database.',
    (
        Explanation(
            "INVALID_SECRET_NAME",
            1,
            "A secret's name has capitals, digits and underscores, a capital first, and at most 128 of them.",
            "Correct the name: `MAIL_API_KEY`.",
        ),
        Explanation(
            "INVALID_SECRET_VALUE",
            1,
            "The value of a secret is text in UTF-8, neither empty nor longer than 64 KiB, without a character 0.",
            "Encode what is binary, for instance in base64.",
        ),
        Explanation(
            "SECRET_NOT_FOUND",
            1,
            "A secret that is named is neither in the environment nor in the database of this tenant.",
            "Set the environment variable `WFSYNC_SECRET_<NAME>`, or run `wfsync secrets set NAME`.",
        ),
        Explanation(
            "SECRETS_KEY_MISSING",
            1,
            "A secret is in the database, encrypted, and no key was given.",
            "Name the file with the key in `WFSYNC_SECRETS_KEY_FILE`, or set `WFSYNC_SECRETS_KEY`. `wfsync secrets"
            " keygen` makes a key for a new store.",
        ),
        Explanation(
            "SECRETS_KEY_INVALID",
            1,
            "What was given as a key for secrets is none. It is not 32 bytes in base64, its file cannot be read or is"
            " open to other users, or both variables are set.",
            "`chmod 600` the file, or make a key with `wfsync secrets keygen`.",
        ),
        Explanation(
            "SECRET_UNREADABLE",
            1,
            "A stored secret does not open. It is encrypted under a key that was not given, or its row was damaged or"
            " moved from another name or tenant.",
            "Give that key as well, or set the secret anew with `wfsync secrets set NAME`.",
        ),
    ),
)

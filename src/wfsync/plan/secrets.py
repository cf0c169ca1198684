"""What is hidden before anybody sees a difference (spec: cli.md "Output", values under keys that look like secrets).

What looks like a secret is said in one place, `wfsync.bundle.secrets`: by name (anything below a key such as
``apiKey``, also in the text of a command, of a header or of JSON) and by form (a text that holds a well-known kind of
token). Hiding happens when a `FieldChange` is made, so
that no renderer, plan file or log can forget it. A *reference* to a secret (``{"$secret": "NAME"}``, ``{"$expr": …}``)
is no secret and stays readable.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Final

from wfsync.bundle.model import Json
from wfsync.bundle.secrets import REDACTED, assigned, hide_text, is_reference, is_secret_below, is_secret_name
from wfsync.errors import Place, Problem

__all__ = [
    "REDACTED",
    "hide",
    "hide_message",
    "hide_problem",
    "hide_text",
    "hide_tokens",
    "is_reference",
    "is_secret_below",
    "is_secret_name",
]

_OBJECT: Final = re.compile(r'\{\s*"')
"""How a JSON object begins that has a member."""
_MOST_FAULTY: Final = 20
"""Objects in one text that may be none: each attempt reads as far as it is one."""
_decode = json.JSONDecoder().raw_decode


def hide(value: Json, *, secret: bool, schema: bool = False) -> tuple[Json, bool]:
    """``value`` without what looks like a secret, and whether anything was hidden. The input is not changed.

    ``secret`` says that the value stands under a name that looks like one, ``schema`` that it is part of a JSON Schema.
    True, false, null and the empty text can be read in any case: they give nothing away and often are the point of a
    change.
    """
    if isinstance(value, str):
        if secret and value:
            return REDACTED, True
        text = _hide_within(value)
        return text, text != value
    if value is None or isinstance(value, bool):
        return value, False
    if isinstance(value, (int, float)):
        return (REDACTED, True) if secret else (value, False)
    if isinstance(value, list):
        items = [hide(item, secret=secret, schema=schema) for item in value]
        return [item for item, _ in items], any(hidden for _, hidden in items)
    if is_reference(value):
        members = {name: hide(content, secret=False) for name, content in value.items()}
    else:
        members = {
            hide_text(name): hide(
                content, secret=is_secret_below(value, name, secret=secret, schema=schema), schema=schema
            )
            for name, content in value.items()
        }
    hidden = any(hidden for _, hidden in members.values()) or members.keys() != value.keys()
    return {name: content for name, (content, _) in members.items()}, hidden


def hide_tokens(value: Json) -> Json:
    """``value``, a document of ours, without tokens. Of what is made of names there is no more to hide, and what
    tests compare must be seen.
    """
    match value:
        case str():
            return hide_text(value)
        case list():
            return [hide_tokens(item) for item in value]
        case dict():
            return {hide_text(name): hide_tokens(content) for name, content in value.items()}
        case _:
            return value


def _hide_within(text: str) -> str:
    """``text``, a value, without tokens, without what its JSON objects hold under names of secrets, and without what
    it gives to such a name itself. What is no JSON for a template in it stays readable otherwise.
    """
    parts: list[str] = []
    position = end = faulty = 0
    for match in _OBJECT.finditer(text):
        start = match.start()
        if start < end:
            continue
        if faulty == _MOST_FAULTY:
            break
        try:
            value, end = _decode(text, start)
            hidden, changed = hide(value, secret=False)
            if not changed:
                continue
            quoted = json.dumps(hidden, ensure_ascii=False)
        except RecursionError:
            return "".join([*parts, _hide_assigned(text[position:start]), "{…"])
        except ValueError:
            faulty += 1
            continue
        parts += [_hide_assigned(text[position:start]), quoted]
        position = end
    return "".join([*parts, _hide_assigned(text[position:])])


def _hide_assigned(text: str) -> str:
    text = hide_text(text)
    parts: list[str] = []
    position = 0
    for found in assigned(text):
        parts += [text[position : found.start], REDACTED]
        position = found.start + len(found.value)
    return "".join([*parts, text[position:]]) if parts else text


def hide_message(text: str) -> str:
    """A message without secrets: of tokens, and of JSON objects that it quotes, as servers do with rows. An object that
    is cut off is left out, because nobody can tell what its last values stand under.
    """
    parts: list[str] = []
    position = 0
    for match in _OBJECT.finditer(text):
        if match.start() < position:
            continue
        parts.append(hide_text(text[position : match.start()]))
        try:
            value, position = _decode(text, match.start())
        except (ValueError, RecursionError):
            return "".join([*parts, "{…"])
        hidden, changed = hide(value, secret=False)
        quoted = text[match.start() : position]
        parts.append(json.dumps(hidden, ensure_ascii=False) if changed else quoted)
    return "".join([*parts, hide_text(text[position:])])


def hide_problem(problem: Problem) -> Problem:
    """``problem`` without secrets in its words, its facts and the pointer of its place. Names of files stay: whoever
    is to mend a file must find it.
    """
    return replace(
        problem,
        message=hide_message(problem.message),
        hint=None if problem.hint is None else hide_message(problem.hint),
        place=None if problem.place is None else _hide_pointer(problem.place),
        related=tuple(map(_hide_pointer, problem.related)),
        details={name: hide(value, secret=False)[0] for name, value in problem.details.items()},
    )


def _hide_pointer(place: Place) -> Place:
    return replace(place, pointer=hide_text(place.pointer)) if place.pointer else place

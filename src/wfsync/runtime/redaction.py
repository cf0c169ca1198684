"""Nothing secret is written or shown (spec: runtime.md "Semantics", secrets; "Envelope", ``meta.redactions``).

A `Redactor` masks the values of secrets that were resolved for a call in everything that comes back from it, as they
are and as JSON, URLs, HTML, base64 and exceptions spell them.
`mask_redactions` masks, in what is shown of a step, the values that stand at the paths which ``meta.redactions`` names.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import quote, quote_plus

from wfsync.bundle.model import Json, JsonObject
from wfsync.runtime.assignment import InvalidPath, Path, parse_path
from wfsync.runtime.protocol import Failure

__all__ = ["MASK", "Redactor", "mask_redactions", "redacted_envelope"]

MASK: Final = "[SECRET:REDACTED]"

_SHORT: Final = 4
"""Text shorter than this is masked only where it stands alone: else every "1" of a text would be."""

Many = TypeVar("Many", bound=tuple[Any, ...])


class Redactor:
    """Masks values. ``secrets`` are values by name, ``paths`` redaction paths of ``envelope``."""

    __slots__ = ("_numbers", "_part", "_whole")

    def __init__(
        self, secrets: Mapping[str, str], paths: Iterable[str] = (), envelope: JsonObject | None = None
    ) -> None:
        texts = {value for value in secrets.values() if value}
        numbers: set[float] = set()
        if envelope is not None:
            for path in paths:
                for leaf in _leaves_at(envelope, path):
                    texts.add(leaf) if isinstance(leaf, str) else numbers.add(leaf)
        for value in secrets.values():
            if len(value) >= _SHORT:
                texts.update(_spellings(value))
        self._whole = frozenset(text for text in texts if text)
        # The longest first: a secret that begins like another must not leave its rest behind.
        long = sorted((text for text in self._whole if len(text) >= _SHORT), key=len, reverse=True)
        self._part = re.compile("|".join(map(re.escape, long))) if long else None
        self._numbers = frozenset(numbers)

    def __bool__(self) -> bool:
        return bool(self._whole or self._numbers)

    def text(self, text: str) -> str:
        """``text`` with every secret in it masked."""
        if text in self._whole:
            return MASK
        return text if self._part is None else self._part.sub(MASK, text)

    def value(self, value: Json) -> Json:
        """``value`` with every secret in it masked, in names of members as well; itself where there is none."""
        if not self:
            return value
        return self._value(value)

    def _value(self, value: Json) -> Json:
        match value:
            case str():
                return self.text(value)
            case dict():
                return {self.text(name): self._value(member) for name, member in value.items()}
            case list():
                return [self._value(item) for item in value]
            case bool() | None:
                return value
            case int() | float():
                return MASK if value in self._numbers or str(value) in self._whole else value
            case _:
                return value

    def failure(self, failure: Failure) -> Failure:
        """``failure`` with every secret in it masked."""
        if not self:
            return failure
        return Failure(
            failure.category,
            self.text(failure.message),
            None if failure.code is None else self.text(failure.code),
            self.value(failure.details),
            failure.retryable,
        )


def _spellings(secret: str) -> Iterator[str]:
    """``secret`` as services write it in what they answer: inside JSON, a URL, a form, HTML, base64, an exception."""
    for ascii_only in (True, False):
        yield json.dumps(secret, ensure_ascii=ascii_only)[1:-1]
    data = secret.encode("utf-8", "surrogatepass")
    for safe in ("/", "", "/:?#[]@!$&'()*+,;="):
        yield quote(data, safe=safe)
    yield quote_plus(data)
    for encoded in (base64.b64encode(data), base64.urlsafe_b64encode(data)):
        yield encoded.decode()
        yield encoded.decode().rstrip("=")
    yield repr(secret)[1:-1]
    yield html.escape(secret)
    yield html.escape(secret, quote=False)


def mask_redactions(envelope: JsonObject, values: Many) -> Many:
    """``values`` without what stands at the envelope's redacted paths."""
    redactor = Redactor({}, _paths(envelope), envelope)
    return tuple(redactor.value(value) for value in values) if redactor else values  # type: ignore[return-value]


def redacted_envelope(envelope: JsonObject) -> JsonObject:
    """``envelope`` as it may be shown: the redacted paths are masked, and so are copies of their values."""
    paths = _paths(envelope)
    if not paths:
        return envelope
    shown: JsonObject = Redactor({}, paths, envelope).value(
        {name: value for name, value in envelope.items() if name not in {"v", "run"}}
    )
    for path in paths:
        if (parsed := _parsed(path)) is not None:
            shown = _masked(shown, parsed)
    if "redactions" in envelope["meta"]:
        shown["meta"]["redactions"] = envelope["meta"]["redactions"]
    return {"v": envelope["v"], "run": envelope["run"], **shown}


def _paths(envelope: JsonObject) -> list[str]:
    paths = envelope["meta"].get("redactions")
    return [path for path in paths if isinstance(path, str)] if isinstance(paths, list) else []


def _parsed(path: str) -> Path | None:
    try:
        return parse_path(path)
    except InvalidPath:
        return None


def _masked(within: Json, path: Path) -> Json:
    if isinstance(within, dict) and path[0] in within:
        inner = MASK if len(path) == 1 else _masked(within[path[0]], path[1:])
        return {**within, path[0]: inner}
    if isinstance(within, list) and path[0].isdigit() and len(path[0]) < 10 and int(path[0]) < len(within):
        items = within.copy()
        items[int(path[0])] = MASK if len(path) == 1 else _masked(items[int(path[0])], path[1:])
        return items
    return within


def _leaves_at(envelope: JsonObject, path: str) -> Iterator[str | float]:
    parsed = _parsed(path)
    value: Json = envelope if parsed is not None else None
    for name in parsed or ():
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdigit() and len(name) < 10 and int(name) < len(value):
            value = value[int(name)]
        else:
            return
    yield from _leaves(value)


def _leaves(value: Json) -> Iterator[str | float]:
    match value:
        case str():
            yield value
        case bool() | None:
            return
        case int() | float():
            yield value
        case dict():
            for member in value.values():
                yield from _leaves(member)
        case list():
            for item in value:
                yield from _leaves(item)
        case _:
            return

"""Functions on text."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import quote, unquote

from jsonata.functions import Functions

from wfsync.expressions import limits
from wfsync.expressions.calls import Builtin, apply
from wfsync.expressions.faults import EvaluationFailed
from wfsync.expressions.gathering import add
from wfsync.expressions.limits import Run
from wfsync.expressions.patterns import Pattern, described
from wfsync.expressions.values import Array, Sequence, text_of

__all__ = ["TEXTS"]

_BLANKS: Final = re.compile("[ \t\n\r]+")
_COMPONENT: Final = "~()*!.'"
_ADDRESS: Final = "~@#$&()*!+=:;,.?/'"


def _string(run: Run, value: Any, pretty: Any) -> str | None:
    return None if value is None else text_of(value, run, pretty=bool(pretty))


def _substring(_run: Run, text: str | None, start: Any, length: Any) -> Any:
    return Functions.substring(text, start, length)


def _before(_run: Run, text: str | None, mark: str | None) -> str | None:
    return text if text is None or mark is None else text.partition(mark)[0] if mark else ""


def _after(_run: Run, text: str | None, mark: str | None) -> str | None:
    if text is None or not mark or mark not in text:
        return text
    return text.partition(mark)[2]


def _maybe(meaning: Callable[[str], Any]) -> Callable[[Run, str | None], Any]:
    """A function of one text, missing when that is."""
    return lambda _run, text: None if text is None else meaning(text)


def _trim(text: str) -> str:
    return _BLANKS.sub(" ", text).strip(" ")


def _pad(run: Run, text: str | None, width: Any, fill: str | None) -> str | None:
    if text is None or width is None:
        return text
    missing = abs(int(width)) - len(text)
    if missing <= 0:
        return text
    run.allow_text(len(text) + missing)
    fill = fill or " "
    padding = (fill * (missing // len(fill) + 1))[:missing]
    return padding + text if width < 0 else text + padding


def _contains(run: Run, text: str | None, wanted: Any) -> bool | None:
    if text is None:
        return None
    if isinstance(wanted, Pattern):
        return wanted.found_in(text, run)
    return _wanted(wanted) in text


def _match(run: Run, text: str | None, pattern: Any, limit: Any) -> Sequence | None:
    if text is None:
        return None
    found = Sequence()
    for match in _matches(run, text, pattern, _limit(limit, "D3040")):
        about = described(match)
        add(found, {"match": about["match"], "index": about["start"], "groups": about["groups"]}, run)
    return found


def _replace(run: Run, text: str | None, wanted: Any, replacement: Any, limit: Any) -> str | None:
    if text is None:
        return None
    most = _limit(limit, "D3011")
    if isinstance(wanted, Pattern):
        return _replace_matches(run, text, _matches(run, text, wanted, most), replacement)
    wanted = _wanted(wanted)
    if not wanted:
        raise EvaluationFailed("the text to replace is empty", "D3010")
    if not isinstance(replacement, str):
        raise EvaluationFailed("a text is replaced by a text", "D3012")
    count = text.count(wanted) if most is None else min(most, text.count(wanted))
    run.allow_text(len(text) + count * (len(replacement) - len(wanted)))
    return text.replace(wanted, replacement, count)


def _replace_matches(run: Run, text: str, matches: Iterator[Any], replacement: Any) -> str:
    parts: list[str] = []
    position = length = 0
    for match in matches:
        if isinstance(replacement, str):
            by = _filled(replacement, match, run)
        else:
            by = apply(run, replacement, [described(match)], None)
            if not isinstance(by, str):
                raise EvaluationFailed("a match is replaced by a text", "D3012")
        parts += (text[position : match.start()], by)
        length += len(by)
        if length > limits.MAX_TEXT:
            run.allow_text(length)  # which raises
        position = match.end()
    parts.append(text[position:])
    return "".join(parts)


def _filled(template: str, match: Any, run: Run) -> str:
    """``template`` with ``$0``, ``$1``, … replaced by what they stand for, and ``$$`` by a dollar sign."""
    if "$" not in template:
        return template
    groups = match.groups()
    digits = len(str(len(groups)))

    def fill(reference: re.Match[str]) -> str:
        name = reference[1]
        if name == "$":
            return "$"
        if name[:1] == "0":
            return str(match.group()) + name[1:]
        for size in range(min(digits, len(name)), 0, -1):
            if int(name[:size]) <= len(groups) or size == 1:
                index = int(name[:size])
                return ((groups[index - 1] or "") if index <= len(groups) else "") + name[size:]
        return reference[0]

    run.charge(1 + (len(template) >> 4))
    return re.sub(r"\$(\$|[0-9]*)", fill, template)


def _split(run: Run, text: str | None, mark: Any, limit: Any) -> Array | None:
    if text is None:
        return None
    most = _limit(limit, "D3020")
    parts = Array()
    if most == 0:
        return parts
    if isinstance(mark, Pattern):
        position = 0
        for match in mark.matches(text, run):
            add(parts, text[position : match.start()], run)
            position = match.end()
            if most is not None and len(parts) >= most:
                return parts
        add(parts, text[position:], run)
        return parts
    mark = _wanted(mark)
    count = text.count(mark) + 1 if mark else len(text)
    run.allow_sequence(count if most is None else min(count, most))
    pieces = text.split(mark, -1 if most is None else most) if mark else list(text[:most])
    return Array(pieces if most is None else pieces[:most])


def _join(run: Run, texts: list[str] | None, mark: str | None) -> str | None:
    if texts is None:
        return None
    mark = mark or ""
    run.allow_text(sum(map(len, texts)) + len(mark) * max(0, len(texts) - 1))
    return mark.join(texts)


def _matches(run: Run, text: str, pattern: Any, most: int | None) -> Iterator[Any]:
    if not isinstance(pattern, Pattern):
        raise EvaluationFailed("only a regular expression can be looked for here", "T1010")
    if most == 0:
        return
    for count, match in enumerate(pattern.matches(text, run), 1):
        yield match
        if count == most:
            return


def _wanted(value: Any) -> str:
    if not isinstance(value, str):
        raise EvaluationFailed("a text or a regular expression is looked for", "T1010")
    return value


def _limit(value: Any, code: str) -> int | None:
    if value is None:
        return None
    if value < 0:
        raise EvaluationFailed("the limit must not be negative", code)
    return int(-(-value // 1)) if code == "D3040" else int(value)


def _encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")


def _decode(text: str) -> str:
    try:
        return base64.b64decode(text).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise EvaluationFailed("this is no text in base64", "BAD_ARGUMENT") from None


def _unquote(text: str) -> str:
    return unquote(text, errors="strict")


TEXTS: Final = (
    Builtin("string", "<x-b?:s>", _string, is_cheap=True),
    Builtin("substring", "<s-nn?:s>", _substring, is_cheap=True),
    Builtin("substringBefore", "<s-s:s>", _before),
    Builtin("substringAfter", "<s-s:s>", _after),
    Builtin("lowercase", "<s-:s>", _maybe(str.lower)),
    Builtin("uppercase", "<s-:s>", _maybe(str.upper)),
    Builtin("length", "<s-:n>", _maybe(len), is_cheap=True),
    Builtin("trim", "<s-:s>", _maybe(_trim)),
    Builtin("pad", "<s-ns?:s>", _pad),
    Builtin("contains", "<s-(sf):b>", _contains),
    Builtin("match", "<s-f<s:o>n?:a<o>>", _match),
    Builtin("replace", "<s-(sf)(sf)n?:s>", _replace),
    Builtin("split", "<s-(sf)n?:a<s>>", _split),
    Builtin("join", "<a<s>s?:s>", _join),
    Builtin("base64encode", "<s-:s>", _maybe(_encode)),
    Builtin("base64decode", "<s-:s>", _maybe(_decode)),
    Builtin("encodeUrlComponent", "<s-:s>", _maybe(lambda text: quote(text, safe=_COMPONENT))),
    Builtin("encodeUrl", "<s-:s>", _maybe(lambda text: quote(text, safe=_ADDRESS))),
    Builtin("decodeUrlComponent", "<s-:s>", _maybe(_unquote)),
    Builtin("decodeUrl", "<s-:s>", _maybe(_unquote)),
)

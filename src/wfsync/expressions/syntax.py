"""Text → the syntax tree that JSONata's own parser makes, with bounds and true positions.

The parser is jsonata-python's. What is added: positions are where a token begins (its own are where it ends), the raw
tree is measured before the parser's second pass, which recurses, and what ``??`` and ``?:`` use twice is copied,
because that pass changes what it is given.
"""

from __future__ import annotations

import copy
import re
import threading
from collections.abc import Iterator
from typing import Any, Final

from jsonata.jexception import JException
from jsonata.parser import Parser
from jsonata.regex_engine import RegexFlags
from jsonata.tokenizer import Tokenizer

from wfsync.expressions import limits
from wfsync.expressions.faults import ExpressionFault
from wfsync.expressions.patterns import Pattern

__all__ = ["Symbol", "parse", "too_deep"]

Symbol = Any
"""A node of the tree: `jsonata.parser.Parser.Symbol`, which says what it is in ``type``."""

_BLANK: Final = re.compile(r"(?:[ \t\n\r]+|/\*.*?\*/)*", re.DOTALL)
_LINKS: Final = (
    "lhs",
    "rhs",
    "expression",
    "procedure",
    "body",
    "condition",
    "then",
    "_else",
    "pattern",
    "update",
    "delete",
)
_LISTS: Final = ("arguments", "expressions", "rhs_terms")
_PAIRS: Final = ("lhs_object", "rhs_object")
_MESSAGES: Final = {
    "S0101": "the text has no closing quote",
    "S0102": "the number is out of range",
    "S0104": "\\u needs four hexadecimal digits",
    "S0105": "the quoted name has no closing backquote",
    "S0106": "the comment is not closed",
    "S0203": "the expression ends too early",
    "S0207": "the expression ends too early",
    "S0209": "a filter cannot follow a grouping",
    "S0210": "there can be only one grouping in a step",
    "S0213": "a number, true, false or null cannot be a step of a path",
    "S0217": "% has no parent here",
    "S0301": "the regular expression is empty",
    "S0302": "the regular expression has no closing slash",
}


class _Tokenizer(Tokenizer):  # type: ignore[misc] # ships no types
    """Tokens that say where they begin. Skips blanks and comments itself: the library's fails at a last comment."""

    position: int

    def next(self, prefix: bool) -> Any:  # noqa: FBT001 - overrides the library's
        blank = _BLANK.match(self.path, self.position)
        start: int = self.position if blank is None else blank.end()
        self.position = start
        if self.path.startswith("/*", start):
            raise JException("S0106", start)
        try:
            token = super().next(prefix)
        except ExpressionFault as fault:  # of a regular expression
            fault.offset = start
            raise
        if token is not None:
            token.position = start
        return token


class _Patterns:
    """Compiles the regular expressions of one expression."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, pattern: str, flags: RegexFlags) -> Pattern:
        self._count += 1
        if self._count > limits.MAX_PATTERNS:
            raise ExpressionFault(f"there are more than {limits.MAX_PATTERNS} regular expressions", "TOO_LONG")
        return Pattern(pattern, flags)


class _Parsers(threading.local):
    """One parser for each thread: making one costs more than parsing."""

    def __init__(self) -> None:
        self.parser = Parser()


_parsers = _Parsers()


def parse(text: str) -> Symbol:
    """The syntax tree of ``text``. Raises `ExpressionFault` when it has none, or too large a one, and `RecursionError`
    when the stack is too short to find out.
    """
    parser = _parsers.parser
    parser.errors, parser.ancestry, parser.ancestor_label, parser.ancestor_index = [], [], 0, 0
    parser.source = text
    parser.lexer = _Tokenizer(text, _Patterns())
    try:
        return _read(parser)
    except JException as error:
        offset = min(max(error.location, 0), len(text))
        raise ExpressionFault(_message(error, text, offset), "SYNTAX", offset=offset) from None
    except (ExpressionFault, RecursionError):
        raise
    except Exception:  # noqa: BLE001 - the parser stumbles over some faulty texts, in many ways
        offset = min(parser.lexer.position, len(text))
        raise ExpressionFault("the expression cannot be read from here on", "SYNTAX", offset=offset) from None
    finally:
        parser.lexer = parser.node = None


def _read(parser: Parser) -> Symbol:
    """What the library's own `parse` does, with a look at the raw tree."""
    parser.advance()
    raw = parser.expression(0)
    if parser.node.id != "(end)":
        raise JException("S0201", parser.node.position, parser.node.value)
    _measure(raw)
    _unshare(raw)
    tree = parser.process_ast(raw)
    if tree.type == "parent" or tree.seeking_parent is not None:
        raise JException("S0217", tree.position, tree.type)
    return tree


def children(node: Symbol) -> Iterator[Symbol]:
    """The parts of a raw node."""
    for name in _LINKS:
        child = getattr(node, name)
        # Parser.Prefix has a method of the name `expression` until it has been read
        if child is not None and isinstance(child, Parser.Symbol):
            yield child
    for name in _LISTS:
        yield from getattr(node, name) or ()
    for name in _PAIRS:
        for pair in getattr(node, name) or ():
            yield from pair


def _measure(raw: Symbol) -> None:
    """Raise `ExpressionFault` when the tree is too deep or too large, counting what is used twice twice."""
    sizes: dict[int, tuple[int, int]] = {}
    stack = [(raw, False)]
    while stack:
        node, is_done = stack.pop()
        if id(node) in sizes:
            continue
        if not is_done:
            stack.append((node, True))
            stack += [(child, False) for child in children(node)]
            continue
        known = [sizes[id(child)] for child in children(node)]
        size = 1 + sum(known_size for known_size, _ in known)
        depth = 1 + max((known_depth for _, known_depth in known), default=0)
        if depth > limits.MAX_DEPTH:
            raise too_deep()
        if size > limits.MAX_NODES:
            raise ExpressionFault(f"the expression has more than {limits.MAX_NODES} parts", "TOO_LONG")
        sizes[id(node)] = size, depth


def _unshare(raw: Symbol) -> None:
    """Give each of ``a ?? b`` and ``a ?: b`` its own copy of what the parser uses twice."""
    stack = [raw]
    while stack:
        node = stack.pop()
        if node.type == "condition":
            twice = node.condition.arguments or () if node.condition.type == "function" else (node.condition,)
            if any(node.then is other for other in twice):
                node.then = _copy(node.then)
        stack += children(node)


def _copy(node: Symbol) -> Symbol:
    twin = copy.copy(node)
    for name in _LINKS:
        child = getattr(node, name)
        if child is not None and isinstance(child, Parser.Symbol):
            setattr(twin, name, _copy(child))
    for name in _LISTS:
        if getattr(node, name):
            setattr(twin, name, [_copy(child) for child in getattr(node, name)])
    for name in _PAIRS:
        if getattr(node, name):
            setattr(twin, name, [[_copy(child) for child in pair] for pair in getattr(node, name)])
    return twin


def too_deep() -> ExpressionFault:
    """The expression is nested too deeply."""
    return ExpressionFault(f"the expression is nested more than {limits.MAX_DEPTH} deep", "TOO_DEEP")


def _message(error: JException, text: str, offset: int) -> str:
    if offset >= len(text) and error.error in {"S0201", "S0202", "S0211"}:
        return _MESSAGES["S0207"]
    # A text is not repeated: it may be anything, also a secret in the wrong place
    found = "a text" if text[offset : offset + 1] in ('"', "'") else _shown(error.current)
    if error.error in {"S0201", "S0204", "S0205", "S0206", "S0211"}:
        return f"{found} is not expected here"
    if error.error == "S0202":
        found = "a text" if text[offset : offset + 1] in ('"', "'") else _shown(error.expected)
        return f"{_shown(error.current)} is expected here, not {found}"
    if error.error == "S0301" and error.current is not None:
        return f"\\{error.current} is no escape that a text may have; in 'it\\u0027s' it is \\u0027"
    return _MESSAGES.get(error.error) or str(error)


def _shown(token: object) -> str:
    return repr(token) if isinstance(token, str) else "this value"

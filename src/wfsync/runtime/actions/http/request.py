"""``http.request``: one call of another service, redirects included."""

from __future__ import annotations

import base64
from time import monotonic
from typing import Final

from wfsync import __version__
from wfsync.bundle.model import Json, JsonObject
from wfsync.errors import RuntimeNotInstalled
from wfsync.runtime.actions.declaring import anything, array, flag, integer, is_storable, obj, text
from wfsync.runtime.actions.http.composing import Message, compose, moved, origin
from wfsync.runtime.actions.http.exchange import Answer, Asked, ExchangeFault, exchange
from wfsync.runtime.actions.http.resolving import NameFault, addresses
from wfsync.runtime.actions.http.rules import Address, Rules, RulesFault, parse_rules
from wfsync.runtime.registry import Action, ActionContext, ActionFailed, RetryHint

__all__ = ["HTTP"]

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_TRANSIENT: Final = frozenset({408, 425, 429})
_MOST_REDIRECTS: Final = 5
_EXCERPT: Final = 500
_HIDDEN_HEADERS: Final = frozenset({"set-cookie", "set-cookie2", "proxy-authenticate", "www-authenticate"})


def _run(given: Json, context: ActionContext) -> Json:
    _require_library()
    rules = _rules(context)
    deadline = monotonic() + int(given.get("timeoutMs", 30_000)) / 1000
    message = compose(given, context.idempotency_key, __version__)
    follow = _MOST_REDIRECTS if given.get("followRedirects", True) else 0
    ca_file = context.setting("WFSYNC_HTTP_CA_FILE")
    for left in range(follow, -1, -1):
        answer = _ask(message, rules, ca_file, deadline)
        location = next((value for name, value in answer.headers if name.lower() == "location"), None)
        if not (follow and answer.status in _REDIRECTS and location is not None):
            return _outcome(message, answer, frozenset(given.get("acceptStatus", [])))
        if left:
            message = moved(message, answer.status, location)
    raise ActionFailed(
        f"{origin(message.url)} redirects again after {_MOST_REDIRECTS} redirects", code="TOO_MANY_REDIRECTS"
    )


def _require_library() -> None:
    try:
        import httpx  # noqa: F401 - only whether it is there
    except ImportError:
        raise RuntimeNotInstalled("http.request needs the library httpx") from None


def _rules(context: ActionContext) -> Rules:
    try:
        return parse_rules(context.setting("WFSYNC_HTTP_ALLOW"))
    except RulesFault as fault:
        raise ActionFailed(str(fault), code="INVALID_SETTING") from None


def _ask(message: Message, rules: Rules, ca_file: str | None, deadline: float) -> Answer:
    """The answer of the first address that can be reached; none is tried before all of them were checked."""
    place = origin(message.url)
    fault = ExchangeFault("unreachable", "it has no address")
    for address in _checked(message, rules, deadline):
        try:
            return exchange(
                Asked(message.method, message.url, message.headers, message.content, address, ca_file, deadline)
            )
        except ExchangeFault as caught:
            fault = caught
            if fault.kind != "unreachable":
                break
    raise _failure(place, fault)


def _failure(place: str, fault: ExchangeFault) -> ActionFailed:
    words = f"{place}: {fault.message}"
    match fault.kind:
        case "late":
            return ActionFailed(words, category="TimeoutError", code="HTTP_TIMEOUT", retryable=True)
        case "unreachable" | "lost":
            return ActionFailed(words, category="TransientError", code="HTTP_CONNECTION")
        case _:
            return ActionFailed(words, code="HTTP_ANSWER")


def _checked(message: Message, rules: Rules, deadline: float) -> tuple[Address, ...]:
    host = message.url.raw_host.decode("ascii").strip("[]").lower().removesuffix(".")
    port = message.url.port or (443 if message.url.scheme == "https" else 80)
    try:
        found = addresses(host, port, max(deadline - monotonic(), 0.001))
    except NameFault as fault:
        category = "TimeoutError" if fault.timed_out else "TransientError"
        code = "HTTP_TIMEOUT" if fault.timed_out else "HTTP_CONNECTION"
        raise ActionFailed(f"{origin(message.url)}: {fault}", category=category, code=code, retryable=True) from None
    if not all(rules.allow(host, port, address) for address in found):
        # Which address it was is not said: names of the inside must not be found out by asking.
        raise ActionFailed(
            f"{origin(message.url)} may not be called: WFSYNC_HTTP_ALLOW does not allow it"
            " (without it, no address of a private network)",
            code="HOST_NOT_ALLOWED",
            details={"host": host, "port": port},
        )
    return found


def _outcome(message: Message, answer: Answer, accepted: frozenset[int]) -> Json:
    output: JsonObject = {"status": answer.status, "headers": _shown_headers(answer), "body": None}
    kind = next((value for name, value in answer.headers if name.lower() == "content-type"), "").lower()
    words = _decoded(answer.content, kind)
    if words is None:
        output["bodyBase64"] = base64.b64encode(answer.content).decode()
    elif _is_json(kind) and (parsed := _parsed(words)) is not None:
        output["json"] = parsed[0]
    else:
        output["body"] = words
    if answer.status < 400 or answer.status in accepted:
        return output
    transient = answer.status >= 500 or answer.status in _TRANSIENT
    raise ActionFailed(
        f"{origin(message.url)} answered {answer.status}",
        category="TransientError" if transient else "ActionError",
        code="HTTP_STATUS",
        details={
            "status": answer.status,
            "retryAfter": output["headers"].get("retry-after"),
            "body": None if words is None else words[:_EXCERPT],
        },
    )


def _shown_headers(answer: Answer) -> dict[str, str]:
    """By name in lower case. Cookies and challenges are left out: they are secrets of a kind, and history is kept."""
    headers: dict[str, str] = {}
    for name, value in answer.headers[:100]:
        lower = name.lower()
        if lower not in _HIDDEN_HEADERS:
            shown = value[:8192].replace("\0", "\ufffd")
            headers[lower] = f"{headers[lower]}, {shown}" if lower in headers else shown
    return headers


def _decoded(content: bytes, kind: str) -> str | None:
    """The text, or None where the answer is none: by its charset, else UTF-8."""
    charset = kind.partition("charset=")[2].partition(";")[0].strip(" \"'") or "utf-8"
    try:
        words = content.decode(charset if charset.isascii() and "\0" not in charset else "utf-8")
        words.encode()
    except (LookupError, ValueError):
        return None
    return None if "\0" in words else words


def _is_json(kind: str) -> bool:
    essence = kind.partition(";")[0].strip()
    return essence == "application/json" or essence.endswith("+json")


def _parsed(words: str) -> tuple[Json] | None:
    """The JSON; None where it is none, whatever the header says, or none that can be kept."""
    from wfsync.runtime.actions.transform.trees import parse_strictly

    try:
        value = parse_strictly(words)
    except ActionFailed:
        return None
    return (value,) if is_storable(value) else None


_SCALARS: Final[list[Json]] = ["string", "number", "boolean"]

HTTP: Final[tuple[Action, ...]] = (
    Action(
        id="http.request",
        version=1,
        label="HTTP request",
        description="Calls another service over HTTP. Answers of 408, 425, 429 and 5xx, and whatever happens to the"
        " connection, are `TransientError`; no answer in time is `TimeoutError`; other answers from 400 on are"
        " `ActionError`, which is not retried. Every method but GET, HEAD and OPTIONS sends the idempotency key of the"
        " call as `Idempotency-Key`. At most five redirects are followed; to another origin they take no header and"
        " no body along, and from https to http they are refused. Proxies of the environment are not used.",
        input_schema=obj(
            {"url": text("`http://` or `https://`, without user and password.", minLength=1, maxLength=8192)},
            {
                "method": {
                    "enum": ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"],
                    "description": "The method.",
                    "default": "GET",
                },
                "headers": {
                    "type": ["object", "null"],
                    "description": "Headers by name. Those that frame a message (Host, …) cannot be set.",
                    "additionalProperties": {"type": _SCALARS},
                    "maxProperties": 100,
                },
                "query": {
                    "type": ["object", "null"],
                    "description": "Parameters that are added to the URL; a list adds one for each item, null none.",
                    "additionalProperties": {
                        "type": [*_SCALARS, "null", "array"],
                        "items": {"type": _SCALARS},
                    },
                },
                "body": anything("A text as it is; anything else as JSON; null is none. At most 1 MiB."),
                "json": anything("A value that is sent as JSON, texts and null too."),
                "timeoutMs": integer(
                    "How long all of it may take, redirects included.", minimum=1, maximum=120_000, default=30_000
                ),
                "followRedirects": flag("Whether redirects are followed.", default=True),
                "acceptStatus": array(
                    "Answers from 400 on that are no failure, such as 404.",
                    {"type": "integer", "minimum": 400, "maximum": 599},
                ),
            },
            **{"not": {"required": ["body", "json"]}},
        ),
        output_schema=obj(
            {
                "status": integer("The status of the answer.", minimum=100, maximum=999),
                "headers": {
                    "type": "object",
                    "description": "Headers by name in lower case, without cookies.",
                    "additionalProperties": {"type": "string"},
                },
                "body": {
                    "type": ["string", "null"],
                    "description": "The text of the answer; null where `json` or `bodyBase64` has it.",
                },
            },
            {
                "json": anything("The answer, where it is JSON and says so."),
                "bodyBase64": text("The answer in base64, where it is no text."),
            },
        ),
        retry_hint=RetryHint(3, 1000),
        run=_run,
    ),
)

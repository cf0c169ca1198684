"""One question to an endpoint that speaks ``chat/completions``, and its answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final
from urllib.parse import urlsplit

from wfsync.runtime.registry import ActionContext, ActionFailed

__all__ = ["Completion", "Endpoint", "endpoint"]

_MAX_ANSWER: Final = 1024 * 1024
_CHUNK: Final = 16 * 1024
_TRANSIENT: Final = frozenset({408, 409, 425, 429})


@dataclass(frozen=True, slots=True)
class Completion:
    """What the model said."""

    text: str
    model: str
    usage: dict[str, int]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where models are asked. The key is in no message."""

    url: str
    key: str | None = field(repr=False)
    idempotency_key: str

    def ask(self, question: dict[str, Any], deadline: float) -> Completion:
        """The first choice of the answer. Raises `ActionFailed`; see the README for codes and categories."""
        import httpx

        left = deadline - monotonic()
        if left <= 0:
            raise _late()
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", "Idempotency-Key": self.idempotency_key}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        try:
            # The environment's proxies and .netrc are not this endpoint's business.
            with (
                httpx.Client(timeout=left, trust_env=False, follow_redirects=False) as client,
                client.stream("POST", f"{self.url}/chat/completions", json=question, headers=headers) as answer,
            ):
                content = bytearray()
                for chunk in answer.iter_raw(_CHUNK):
                    content += chunk
                    if len(content) > _MAX_ANSWER:
                        raise _failed("AI_REFUSED", f"the answer has more than {_MAX_ANSWER} bytes")
                    if monotonic() > deadline:
                        raise _late()
                status = answer.status_code
        except httpx.TimeoutException:
            raise _late() from None
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError):
            # The library's own words may quote a header
            raise _unreachable("the endpoint of WFSYNC_AI_URL cannot be reached, or ended the connection") from None
        if status != 200:
            raise _status(status)
        return _completion(bytes(content))


def endpoint(context: ActionContext) -> Endpoint:
    """The endpoint of the settings. Raises `ActionFailed` (``AI_NOT_CONFIGURED``)."""
    url = (context.setting("WFSYNC_AI_URL") or "").strip()
    if not url:
        raise _failed("AI_NOT_CONFIGURED", "WFSYNC_AI_URL is not set, so no model can be asked")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable, parts = False, urlsplit("")
    if not usable or parts.query or parts.fragment or parts.username is not None:
        raise _failed("AI_NOT_CONFIGURED", "WFSYNC_AI_URL is not http(s)://host[:port]/path")
    return Endpoint(url.rstrip("/"), (context.setting("WFSYNC_AI_KEY") or "").strip() or None, _header(context))


def _header(context: ActionContext) -> str:
    from hashlib import sha256

    return sha256(context.idempotency_key.encode("utf-8", "surrogatepass")).hexdigest()


def _completion(content: bytes) -> Completion:
    import json

    try:
        answer = json.loads(content)
        choice = answer["choices"][0]
        message = choice["message"]
        refusal, text, reason = message.get("refusal"), message.get("content"), choice.get("finish_reason")
        model, usage = answer.get("model"), answer.get("usage")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        raise _unreachable("the endpoint answers no JSON of chat/completions") from None
    if refusal or reason == "content_filter":
        raise _failed("AI_REFUSED", "the model declines to answer")
    if reason == "length":
        raise _failed(
            "AI_TRUNCATED", "the answer was cut off: it is longer than maxTokens, or than the model can write"
        )
    if not isinstance(text, str):
        raise _unreachable("the endpoint answers no text")
    counts = usage.items() if isinstance(usage, dict) else ()
    whole = {name: count for name, count in counts if isinstance(count, int) and not isinstance(count, bool)}
    return Completion(text, model if isinstance(model, str) else "", whole)


def _status(status: int) -> ActionFailed:
    if status in _TRANSIENT or status >= 500:
        return _unreachable(f"the endpoint answered {status}", status)
    told = "does not accept WFSYNC_AI_KEY" if status in {401, 403} else "refuses the question"
    return ActionFailed(f"the endpoint {told} ({status})", code="AI_REFUSED", details={"status": status})


def _failed(code: str, message: str) -> ActionFailed:
    return ActionFailed(message, code=code)


def _unreachable(message: str, status: int | None = None) -> ActionFailed:
    details = None if status is None else {"status": status}
    return ActionFailed(message, category="TransientError", code="AI_CONNECTION", details=details)


def _late() -> ActionFailed:
    return ActionFailed("the model did not answer in time", category="TimeoutError", code="AI_TIMEOUT", retryable=True)

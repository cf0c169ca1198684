"""Is this request from somebody who knows the secret? (``POST /sync``)

GitHub (and Gitea, Forgejo) signs the body: ``X-Hub-Signature-256: sha256=<hex of HMAC-SHA256>``. GitLab sends the
secret itself: ``X-Gitlab-Token``. Both are compared in constant time. What the body says is not believed and not even
parsed: a sync looks into the repository itself.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping

__all__ = ["is_authentic"]

_SIGNATURE = "x-hub-signature-256"
_TOKEN = "x-gitlab-token"  # noqa: S105 - the name of a header
_PREFIX = "sha256="


def is_authentic(secret: bytes, headers: Mapping[str, str], body: Iterable[bytes]) -> bool:
    """True when one of the two headers proves that the sender knows ``secret``. ``headers`` are named in lower case.

    The body is consumed piece by piece and never held. With an empty ``secret`` nothing is authentic.
    """
    signed = hmac.new(secret, digestmod=hashlib.sha256)
    for piece in body:
        signed.update(piece)
    if not secret:
        return False
    signature, token = headers.get(_SIGNATURE), headers.get(_TOKEN)
    if signature is not None:  # both at once: the stronger proof decides
        return hmac.compare_digest(_bytes(_PREFIX + signed.hexdigest()), _bytes(signature.strip()))
    if token is None:
        return False
    # Digests are as long as each other: how long the secret is does not show either
    return hmac.compare_digest(hashlib.sha256(secret).digest(), hashlib.sha256(_bytes(token)).digest())


def _bytes(text: str) -> bytes:
    return text.encode("latin-1", "replace")  # as headers arrive

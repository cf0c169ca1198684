"""What a source is called in the ledger: the same for everybody who has the same repository, however it was cloned.

Pure. ``https://user:token@GitHub.com/acme/flows.git``, ``git@github.com:acme/flows`` and
``ssh://git@github.com:22/acme/flows.git`` are one repository, ``github.com/acme/flows``. The folder of the bundles
follows, since one repository may hold the workflows of several instances.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Final

__all__ = ["remote_identity", "repository_identity", "source_identity"]

_WEAK: Final = "file:"
"""How the identity of a source begins that only one machine knows by this name (`wfsync.plan.ownership.is_weak`)."""

_URL: Final = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<place>[^/?#]*)(?P<path>[^?#]*)", re.IGNORECASE)
_AFTER: Final = re.compile(r"[?#].*", re.DOTALL)
_SCP: Final = re.compile(r"(?:[^/@:]*@)?(?P<host>\[[^\]/]+\]|[^/:@]+):(?P<path>.*)", re.DOTALL)
_TRANSPORT: Final = re.compile(r"^[A-Za-z0-9]+::")
_DEFAULT_PORTS: Final = {"http": "80", "https": "443", "ssh": "22", "git": "9418", "git+ssh": "22", "ssh+git": "22"}


def repository_identity(remotes: Mapping[str, str], root: str) -> str:
    """The identity of a repository: of its remote ``origin``, else of the only remote, else ``file:`` and ``root``.

    ``remotes``: name → URL. A remote that is a path of this machine is ``file:``, too.
    """
    url = remotes.get("origin") or (next(iter(remotes.values())) if len(remotes) == 1 else "")
    identity = remote_identity(url)
    if identity is None:
        return f"{_WEAK}{posixpath.normpath(root)}"
    path = identity.removeprefix(_WEAK)
    return f"{_WEAK}{posixpath.normpath(posixpath.join(root, path))}" if path != identity else identity


def source_identity(configured: str | None, repository: str, directory: str) -> str:
    """The identity of the bundles in ``directory``, relative to the repository's root (``"."`` is the root itself).

    ``configured`` (``source:`` in wfsync.yaml) as it stands; else that of the repository and ``/directory``.
    """
    if configured is not None:
        return configured
    folder = posixpath.normpath(directory or ".").strip("/")
    return repository if folder == "." else f"{repository.rstrip('/')}/{folder}"


def remote_identity(url: str) -> str | None:
    """A remote's URL without scheme, user, token, default port, query and ``.git``; None where nothing is left.

    A path of this machine stays one: ``file:`` and the path. Hosts are lower case; paths are left as they are.
    """
    url = _TRANSPORT.sub("", url.strip())
    found = _URL.fullmatch(_AFTER.sub("", url)) if "://" in url else None
    if found is not None:
        scheme, path = found["scheme"].lower(), found["path"]
        if scheme == "file":
            return _local(path)
        return _joined(_host(found["place"], _DEFAULT_PORTS.get(scheme)), path)
    scp = _SCP.fullmatch(url)
    if scp is not None:
        return _joined(scp["host"].lower(), scp["path"])
    return _local(url)


def _host(place: str, default_port: str | None) -> str:
    host = place.rpartition("@")[2].lower()
    name, colon, port = host.rpartition(":")
    return name if colon and port in ("", default_port) and not name.endswith(":") else host


def _joined(host: str, path: str) -> str | None:
    path = _bare(path).lstrip("/")
    return f"{host}/{path}" if host and path else None


def _local(path: str) -> str | None:
    path = _bare(path)
    return f"{_WEAK}{path}" if path else None


def _bare(path: str) -> str:
    return re.sub(r"/{2,}", "/", path).rstrip("/").removesuffix("/.git").removesuffix(".git").rstrip("/")

"""Is a commit signed by somebody who may? Asked of the git program, and of nothing that the commit itself says.

Who may sign stands in a file that the operator names, never in the repository: whoever can push a commit could change a
list that lies beside it. For ssh that is OpenSSH's own format (ssh-keygen(1), "ALLOWED SIGNERS"), for gpg one
fingerprint a line; the keys themselves are then those of gpg's keyring.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import pygit2

from wfsync.errors import ConfigError, Refused
from wfsync.repo import git
from wfsync.repo.remote_git import Finished, network_environment, require_git, run_git

__all__ = ["Kind", "Trust", "Verified", "verify_commit"]

Kind = Literal["ssh", "gpg"]

_SSH_MINIMUM: Final = (2, 34)
_ARMOUR: Final[Mapping[bytes, str]] = {
    b"-----BEGIN SSH SIGNATURE-----": "ssh",
    b"-----BEGIN PGP SIGNATURE-----": "gpg",
    b"-----BEGIN PGP MESSAGE-----": "gpg",
    b"-----BEGIN SIGNED MESSAGE-----": "x509",
}
_SECONDS: Final = 60.0
_GOOD_SSH: Final = re.compile(r'^Good "git" signature for (?P<who>.+) with (?P<key>\S+ key \S+)', re.MULTILINE)
_VALID_GPG: Final = re.compile(
    r"^\[GNUPG:\] VALIDSIG (?P<signing>[0-9A-F]{40,}) .*?(?P<primary>[0-9A-F]{40,})?$", re.MULTILINE
)
_GOOD_GPG: Final = re.compile(r"^\[GNUPG:\] GOODSIG \S+ (?P<who>.+)$", re.MULTILINE)
_FINGERPRINT: Final = re.compile(r"[0-9A-F]{40}(?:[0-9A-F]{24})?")


@dataclass(frozen=True, slots=True)
class Trust:
    """Which signatures count, and whose."""

    kind: Kind
    allowed_signers: Path


@dataclass(frozen=True, slots=True)
class Verified:
    """Whose good signature a commit has."""

    commit: str
    kind: Kind
    signer: str
    """The principal of the allowed-signers file, or the user id of the gpg key."""
    key: str


def verify_commit(git_dir: str, commit: str, trust: Trust, environ: Mapping[str, str] = os.environ) -> Verified:
    """Whose signature ``commit`` has.

    Raises `Refused` (``UNVERIFIED_COMMIT``, exit 4) when it has none, a bad one, one of the other kind, or one of
    somebody who is not in the file; `ConfigError` (``ALLOWED_SIGNERS``) when the file cannot be read or lists nobody;
    `RepositoryError` (``GIT_PROGRAM_MISSING``, ``REVISION_NOT_FOUND``).
    """
    allowed = _read_signers(trust)
    found = _kind_of(git_dir, commit)
    if found is None:
        raise _unverified(commit, "is not signed", "sign it (git commit -S), or merge through a server that signs")
    if found != trust.kind:
        raise _unverified(commit, f"has a signature of kind {found}, and {trust.kind} is wanted", "check --verify")
    settings = {"gpg.minTrustLevel": "fully"} if trust.kind == "ssh" else {}
    settings["gpg.ssh.allowedSignersFile"] = str(trust.allowed_signers.absolute())
    environment = network_environment(None, environ, settings)
    if trust.kind == "ssh":
        require_git(_SSH_MINIMUM)
    done = run_git(
        [f"--git-dir={git_dir}", "verify-commit", "--raw", commit], environment=environment, seconds=_SECONDS
    )
    return _ssh(commit, done) if trust.kind == "ssh" else _gpg(commit, done, allowed)


def _read_signers(trust: Trust) -> frozenset[str]:
    """The fingerprints of a file for gpg; for ssh only whether there is anybody, git reads it itself."""
    try:
        text = trust.allowed_signers.read_text("utf-8", "replace")
    except OSError as error:
        raise ConfigError(
            f"the allowed signers cannot be read from {trust.allowed_signers}: {error.strerror or error}",
            code="ALLOWED_SIGNERS",
            hint="check --allowed-signers or WFSYNC_ALLOWED_SIGNERS",
        ) from None
    lines = [line.partition("#")[0] if trust.kind == "gpg" else line for line in text.splitlines()]
    kept = frozenset(line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#"))
    if trust.kind == "gpg":
        kept = frozenset("".join(line.upper().removeprefix("0X").split()) for line in kept)
        wrong = sorted(line for line in kept if not _FINGERPRINT.fullmatch(line))
        if wrong:
            raise ConfigError(
                f"{trust.allowed_signers} holds something that is no fingerprint: {wrong[0][:60]!r}",
                code="ALLOWED_SIGNERS",
                hint="write one full fingerprint a line, as `gpg --fingerprint` prints it",
            )
    if not kept:
        raise ConfigError(
            f"{trust.allowed_signers} lists nobody", code="ALLOWED_SIGNERS", hint="name those who may sign"
        )
    return kept


def _kind_of(git_dir: str, commit: str) -> str | None:
    """What made the signature, by its own first line; git would take any kind that it knows."""
    with git.errors(f"read the commit {commit}", code="REVISION_NOT_FOUND"):
        signature, _ = git.open_git(git_dir)[commit].peel(pygit2.Commit).gpg_signature
    if not signature:
        return None
    first = signature.lstrip().splitlines()[0].strip() if signature.strip() else b""
    return _ARMOUR.get(first, "unknown")


def _ssh(commit: str, done: Finished) -> Verified:
    good = _GOOD_SSH.search(done.words)
    if done.code == 0 and good is not None:
        return Verified(commit, "ssh", good["who"], good["key"])
    if "No principal matched" in done.words:
        raise _unverified(commit, "is signed by a key that is not among the allowed signers", _WHO, done)
    raise _unverified(commit, "has a signature that is not good", _WHO, done)


def _gpg(commit: str, done: Finished, allowed: frozenset[str]) -> Verified:
    valid, good = _VALID_GPG.search(done.words), _GOOD_GPG.search(done.words)
    if "NO_PUBKEY" in done.words:
        hint = "import the public key into the keyring of this user (gpg --import)"
        raise _unverified(commit, "is signed by a key that gpg does not have", hint, done)
    if done.code != 0 or valid is None or good is None:
        raise _unverified(commit, "has a signature that is not good, or of a key that has expired", _WHO, done)
    keys = {key for key in (valid["primary"], valid["signing"]) if key}
    if not keys & allowed:
        raise _unverified(commit, "is signed by a key that is not among the allowed signers", _WHO, done)
    return Verified(commit, "gpg", good["who"], valid["primary"] or valid["signing"])


_WHO: Final = "find out who made the commit; add the key to the allowed signers only if that person may"


def _unverified(commit: str, why: str, hint: str, done: Finished | None = None) -> Refused:
    return Refused(
        f"commit {commit[:12]} {why}",
        code="UNVERIFIED_COMMIT",
        hint=hint,
        details={"commit": commit, "stderr": done.words} if done is not None else {"commit": commit},
    )

"""The keys of the secret store: where they come from, and what they do (AES-256-GCM).

A key is 32 random bytes in base64. Several may be given: the first encrypts, each of them decrypts, so that a new one
can be put in front before `wfsync secrets rotate` and the old one taken away after it. What a ciphertext belongs to,
tenant and name, is authenticated with it: a row that was copied to another name does not open.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from wfsync.errors import ConfigError, RuntimeNotInstalled, WfsyncError
from wfsync.store.runtime.secrets import Sealed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["KEY_FILE_VARIABLE", "KEY_VARIABLE", "Keys", "SecretUnreadable", "keys_from", "new_key"]

KEY_VARIABLE: Final = "WFSYNC_SECRETS_KEY"
KEY_FILE_VARIABLE: Final = "WFSYNC_SECRETS_KEY_FILE"
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_LARGEST_FILE: Final = 64 * 1024


class SecretUnreadable(WfsyncError):
    """A stored secret does not open: its key is not among those given, or the row is not what was written."""

    default_code = "SECRET_UNREADABLE"


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys in order, by their ids. Never shown: the ids are."""

    _keys: Mapping[str, bytes] = field(repr=False)

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the keys, the encrypting one first. An id is a digest, from which no key can be had."""
        return tuple(self._keys)

    def seal(self, tenant: str, name: str, value: str) -> Sealed:
        """``value`` encrypted under the first key, as the secret ``name`` of ``tenant``."""
        key_id = self.ids[0]
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return Sealed(key_id, nonce, _cipher(self._keys[key_id]).encrypt(nonce, value.encode(), _belongs(tenant, name)))

    def open(self, tenant: str, name: str, sealed: Sealed) -> str:
        """What `seal` was given. Raises `SecretUnreadable`, which says why without saying the value."""
        from cryptography.exceptions import InvalidTag

        key = self._keys.get(sealed.key_id)
        if key is None:
            raise SecretUnreadable(
                f"the secret {name} is encrypted under the key {sealed.key_id}, which is not among those given"
                f" ({', '.join(self.ids)})",
                hint=f"add that key to {KEY_VARIABLE} or to the file of {KEY_FILE_VARIABLE}, or set the secret anew",
                details={"name": name, "keyId": sealed.key_id, "given": list(self.ids)},
            )
        try:
            return _cipher(key).decrypt(sealed.nonce, sealed.ciphertext, _belongs(tenant, name)).decode()
        except (InvalidTag, ValueError):
            raise SecretUnreadable(
                f"the secret {name} is not what was stored: its row was damaged, or moved from another name or tenant",
                hint="set it anew: wfsync secrets set " + name,
                details={"name": name, "keyId": sealed.key_id},
            ) from None


def new_key() -> str:
    """A new key as `keys_from` reads it."""
    return base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()


def keys_from(environ: Mapping[str, str]) -> Keys:
    """The keys that the environment gives or names the file of.

    Raises `ConfigError`: ``SECRETS_KEY_MISSING``, ``SECRETS_KEY_INVALID``; `RuntimeNotInstalled` without cryptography.
    """
    given, file = environ.get(KEY_VARIABLE, "").strip(), environ.get(KEY_FILE_VARIABLE, "").strip()
    if given and file:
        _invalid(f"{KEY_VARIABLE} and {KEY_FILE_VARIABLE} are both set", "leave one of them out")
    if not given and not file:
        raise ConfigError(
            "there is no key for the secrets in the database",
            code="SECRETS_KEY_MISSING",
            hint=f"set {KEY_FILE_VARIABLE} to a file with a key, or {KEY_VARIABLE} to the key; `wfsync secrets keygen`"
            " makes one",
        )
    origin = KEY_VARIABLE if given else f"the file {file}"
    words = _words(given or _text(Path(file)))
    if not words:
        _invalid(f"{origin} has no key", "`wfsync secrets keygen` makes one")
    keys: dict[str, bytes] = {}
    for number, word in enumerate(words, start=1):
        key = _decoded(word)
        if key is None:
            _invalid(
                f"key {number} of {origin} is not {_KEY_BYTES} bytes in base64", "`wfsync secrets keygen` makes one"
            )
        keys[_id_of(key)] = key
    _require_library()
    return Keys(keys)


def _words(text: str) -> list[str]:
    """Keys are separated by commas, blanks or lines; ``#`` begins a comment."""
    return [word for line in text.splitlines() for word in line.partition("#")[0].replace(",", " ").split()]


def _text(path: Path) -> str:
    """The file's text, if only its owner (and a group that may not write it) can read it."""
    try:
        with path.open("rb") as file:
            found = path.stat()
            if not stat.S_ISREG(found.st_mode):
                _invalid(f"{path} is no file", f"set {KEY_FILE_VARIABLE} to a file with a key")
            if found.st_mode & (stat.S_IRWXO | stat.S_IWGRP | stat.S_IXGRP):
                _invalid(
                    f"{path} with the keys of secrets is open to others (mode {stat.S_IMODE(found.st_mode):04o})",
                    f"run: chmod 600 {path}",
                )
            return file.read(_LARGEST_FILE).decode()
    except OSError as error:
        _invalid(
            f"{path} with the keys of secrets cannot be read: {error.strerror or error}", f"see {KEY_FILE_VARIABLE}"
        )
    except UnicodeDecodeError:
        _invalid(f"{path} is no text", "a key is written in base64; `wfsync secrets keygen` makes one")


def _invalid(message: str, hint: str) -> NoReturn:
    raise ConfigError(message, code="SECRETS_KEY_INVALID", hint=hint)


def _decoded(word: str) -> bytes | None:
    try:
        key = base64.b64decode(word.replace("-", "+").replace("_", "/") + "=" * (-len(word) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if len(key) == _KEY_BYTES else None


def _id_of(key: bytes) -> str:
    return hashlib.sha256(b"wfsync secrets key\0" + key).hexdigest()[:16]


def _belongs(tenant: str, name: str) -> bytes:
    return f"wfsync secret 1\0{tenant}\0{name}".encode()


def _require_library() -> None:
    try:
        import cryptography  # noqa: F401 - only whether it is there
    except ImportError:
        raise RuntimeNotInstalled("the secret store needs the library cryptography") from None


def _cipher(key: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)

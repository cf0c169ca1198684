"""`wfsync secrets`: encrypted in the database, rotated at once, shown never (docs/secrets.md)."""

from __future__ import annotations

import base64
import os
import pty
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from command_line import CommandLine, Result
from databases import Databases
from wfsync.errors import WfsyncError
from wfsync.runtime.secret_keys import Keys, keys_from, new_key
from wfsync.runtime.secret_store import set_value
from wfsync.runtime.secrets import resolve
from wfsync.store.connection import Connection, connect
from wfsync.store.layout import detect
from wfsync.store.runtime.place import Place, require_place
from workplace import Workplace

VALUE = "pl4nted-value-of-a-secret"
KEYS = {name: base64.b64encode(bytes([number]) * 32).decode() for number, name in enumerate(("old", "new", "other"))}


class Vault(Workplace):
    """`wfsync secrets …` with keys."""

    def secrets(self, *args: str | Path, keys: str = "old", stdin: str = "", **more: str) -> Result:
        given = {"WFSYNC_SECRETS_KEY": " ".join(KEYS[key] for key in keys.split())} if keys else {}
        result = self("secrets", *args, env={**given, **more}, stdin=stdin.encode())
        assert VALUE not in result.output
        assert "Traceback" not in result.output
        for key in KEYS.values():
            assert key not in result.output
        return result

    def set(self, name: str, value: str = VALUE, keys: str = "old") -> None:
        """What `wfsync secrets set` does, without its process."""
        with self.place() as (conn, place):
            set_value(conn, place, keys_of(keys), name, value, lock_timeout=5)

    @contextmanager
    def place(self) -> Iterator[tuple[Connection, Place]]:
        with connect(self.database.target) as conn:
            yield conn, require_place(conn, detect(conn), self.database.tenant)

    def stored(self) -> list[dict[str, object]]:
        return self.rows("SELECT tenant::text, name, key_id, nonce, ciphertext FROM workflow_secrets ORDER BY name")

    def values(self, *names: str, keys: str = "old", **environ: str) -> dict[str, str]:
        given = {"WFSYNC_SECRETS_KEY": ",".join(KEYS[key] for key in keys.split()), **environ}
        with self.place() as (conn, place):
            return resolve(names, given, conn, place)


def keys_of(names: str) -> Keys:
    return keys_from({"WFSYNC_SECRETS_KEY": " ".join(KEYS[name] for name in names.split())})


@pytest.fixture
def vault(cli: CommandLine, database: Databases, tmp_path: Path) -> Vault:
    return Vault(cli, database("wfsync"), tmp_path)


def code_of(result: Result) -> str:
    assert result.code == 1, result.output
    assert result.stdout == ""
    return result.stderr.partition("wfsync: error ")[2].partition(":")[0]


def test_a_value_is_stored_encrypted_listed_without_it_and_removed(vault: Vault, tmp_path: Path) -> None:
    done = vault.secrets("set", "MAIL_API_KEY", stdin=VALUE + "\n")
    assert (done.code, done.stdout) == (0, "Set MAIL_API_KEY.\n"), done.output
    file = tmp_path / "value"
    file.write_text(f"{VALUE}\r\nsecond\n")
    assert vault.secrets("set", "A_2", "--from-file", file).code == 0
    assert vault.secrets("set", "B", "--from-file", "-", "--keep-newline", stdin="x\n").code == 0
    assert vault.values("MAIL_API_KEY", "A_2", "B") == {
        "MAIL_API_KEY": VALUE,
        "A_2": f"{VALUE}\r\nsecond",
        "B": "x\n",
    }

    everything = str(vault.everything()) + str(vault.stored())
    assert VALUE not in everything

    listed = vault.secrets("list", keys="")
    lines = [line.split() for line in listed.stdout.splitlines()]
    assert [line[0] for line in lines] == ["A_2", "B", "MAIL_API_KEY"]
    assert {line[2] for line in lines} == {vault.stored()[0]["key_id"]}
    document = vault.secrets("list", "--format", "json", keys="").json()
    assert [secret["name"] for secret in document["secrets"]] == ["A_2", "B", "MAIL_API_KEY"]
    assert set(document["secrets"][0]) == {"name", "key_id", "created_at", "updated_at"}

    assert vault.secrets("rm", "A_2", "B", keys="").stdout == "Removed A_2, B.\n"
    missing = vault.secrets("rm", "MAIL_API_KEY", "A_2", keys="")
    assert code_of(missing) == "SECRET_NOT_FOUND"
    assert [row["name"] for row in vault.stored()] == ["MAIL_API_KEY"], "all or none"
    vault.secrets("rm", "MAIL_API_KEY", keys="")
    assert vault.secrets("list", keys="").stdout == "No secrets.\n"


def test_two_equal_values_are_two_different_rows_and_a_second_set_replaces(vault: Vault) -> None:
    vault.set("A")
    vault.set("B")
    first, second = vault.stored()
    assert first["ciphertext"] != second["ciphertext"]
    vault.set("A")
    again = vault.stored()[0]
    assert again["nonce"] != first["nonce"]
    vault.set("A", "another")
    assert vault.values("A") == {"A": "another"}


def test_rotation_is_one_transaction(vault: Vault) -> None:
    vault.set("A", "1")
    vault.set("B", "2")
    vault.set("C", "3", keys="new old")
    assert vault.values("A", "B", "C", keys="old new") == {"A": "1", "B": "2", "C": "3"}

    before = vault.stored()
    refused = vault.secrets("rotate", keys="other new")
    assert code_of(refused) == "SECRET_UNREADABLE"
    assert "the secret A is encrypted under" in refused.stderr
    assert "the secret B is encrypted under" in refused.stderr, "all faults at once"
    assert vault.stored() == before, "nothing is re-encrypted where one cannot be read"

    done = vault.secrets("rotate", keys="new old")
    assert done.code == 0
    assert done.stdout.startswith("2 encrypted anew under ")
    assert done.stdout.endswith(", 1 already were.\n")
    assert vault.values("A", "B", "C", keys="new") == {"A": "1", "B": "2", "C": "3"}
    assert vault.secrets("rotate", keys="new").stdout.startswith("0 encrypted anew")


def test_a_row_that_was_changed_or_moved_does_not_open(vault: Vault) -> None:
    vault.set("A", "one")
    vault.set("B", VALUE)
    for tampering in (
        "nonce = b.nonce, ciphertext = b.ciphertext",
        "ciphertext = set_byte(a.ciphertext, 0, get_byte(a.ciphertext, 0) # 1)",
        "ciphertext = ''",
        "nonce = ''",
    ):
        vault.set("A", "one")
        vault.rows(
            f"UPDATE workflow_secrets a SET {tampering} FROM workflow_secrets b WHERE a.name = 'A' AND b.name = 'B'"
        )
        with pytest.raises(WfsyncError) as caught:
            vault.values("A")
        assert caught.value.code == "SECRET_UNREADABLE"
        assert VALUE not in f"{caught.value.message}{caught.value.hint}{caught.value.details}"
    vault.set("A", "one")
    vault.rows("UPDATE workflow_secrets SET tenant = '00000000-0000-0000-0000-000000000009' WHERE name = 'A'")
    with pytest.raises(WfsyncError) as caught:
        vault.values("A")
    assert caught.value.code == "SECRET_NOT_FOUND", "another tenant's is not seen"


def test_the_environment_wins_and_needs_no_key(vault: Vault) -> None:
    vault.set("A", "stored")
    assert vault.values("A", WFSYNC_SECRET_A="given", WFSYNC_SECRETS_KEY="") == {"A": "given"}
    assert vault.values("A", WFSYNC_SECRET_A="") == {"A": "stored"}, "an empty variable is none"
    with pytest.raises(WfsyncError) as caught:
        vault.values("A", WFSYNC_SECRETS_KEY="")
    assert caught.value.code == "SECRETS_KEY_MISSING"
    with pytest.raises(WfsyncError) as caught:
        vault.values("A", "GONE", "also gone")
    assert caught.value.code == "SECRET_NOT_FOUND"
    assert caught.value.details == {"names": ["GONE", "also gone"]}


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("lower", "x", "INVALID_SECRET_NAME"),
        ("A" * 129, "x", "INVALID_SECRET_NAME"),
        ("A\n", "x", "INVALID_SECRET_NAME"),
        ("A", "", "INVALID_SECRET_VALUE"),
        ("A", "a\0b", "INVALID_SECRET_VALUE"),
        ("A", "x" * 65537, "INVALID_SECRET_VALUE"),
    ],
)
def test_what_cannot_be_set(vault: Vault, name: str, value: str, code: str) -> None:
    with pytest.raises(WfsyncError) as caught:
        vault.set(name, value)
    assert caught.value.code == code
    assert vault.stored() == []


def test_the_longest_value_fits_and_what_is_no_text_does_not(vault: Vault) -> None:
    assert vault.secrets("set", "A", stdin="x" * 65536 + "\n").code == 0
    assert code_of(vault.secrets("set", "lower", stdin="x")) == "INVALID_SECRET_NAME"
    assert code_of(vault.secrets("set", "B", stdin="\n")) == "INVALID_SECRET_VALUE"
    assert code_of(vault.secrets("set", "B", stdin="x" * 65540)) == "INVALID_SECRET_VALUE"
    assert code_of(vault("secrets", "set", "B", env={"WFSYNC_SECRETS_KEY": KEYS["old"]}, stdin=b"\xff")) == (
        "INVALID_SECRET_VALUE"
    )


def test_a_value_is_never_an_argument(vault: Vault) -> None:
    assert vault.secrets("set", "A", VALUE).code == 64  # and `secrets` looks whether the value is shown
    assert code_of(vault.secrets("set", f"A={VALUE}")) == "INVALID_SECRET_NAME"


def test_keys_from_files(vault: Vault, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    named = {"WFSYNC_SECRETS_KEY_FILE": str(file)}
    file.write_text(f"# the new one\n{KEYS['new']}\n\n{KEYS['old']}  # until October\n")
    file.chmod(0o600)
    assert vault.secrets("set", "A", keys="", stdin="1", **named).code == 0
    assert vault.values("A", keys="new") == {"A": "1"}
    file.chmod(0o640)
    assert keys_from(named).ids == keys_of("new old").ids
    assert "both set" in key_fault({**named, "WFSYNC_SECRETS_KEY": KEYS["old"]})
    for mode in (0o644, 0o660, 0o606):
        file.chmod(mode)
        assert "open to others" in key_fault(named)
    open_to_all = vault.secrets("rotate", keys="", **named)
    assert code_of(open_to_all) == "SECRETS_KEY_INVALID"
    assert f"chmod 600 {file}" in open_to_all.stderr
    for path in (tmp_path / "none", tmp_path):
        key_fault({"WFSYNC_SECRETS_KEY_FILE": str(path)})
    file.write_bytes(b"\xff")
    file.chmod(0o600)
    key_fault(named)


def key_fault(environ: dict[str, str]) -> str:
    with pytest.raises(WfsyncError) as caught:
        keys_from(environ)
    assert caught.value.code == "SECRETS_KEY_INVALID"
    return caught.value.message


@pytest.mark.parametrize("key", ["x", base64.b64encode(b"x" * 31).decode(), "é", "#", f"{KEYS['old']} x"])
def test_what_is_no_key(key: str) -> None:
    assert key not in key_fault({"WFSYNC_SECRETS_KEY": key}) or len(key) == 1


def test_keys_are_read_in_every_spelling_of_base64() -> None:
    key = base64.b64encode(b"\xff\xfe" * 16).decode()
    spellings = (key, key.rstrip("="), key.replace("/", "_").replace("+", "-"), f" {key},\n{key}")
    assert len({keys_from({"WFSYNC_SECRETS_KEY": spelling}).ids for spelling in spellings}) == 1
    assert key not in repr(keys_from({"WFSYNC_SECRETS_KEY": key}))
    assert len({new_key(), new_key()}) == 2


def test_no_key_at_all(vault: Vault) -> None:
    assert code_of(vault.secrets("set", "A", keys="", stdin="x")) == "SECRETS_KEY_MISSING"


def test_a_generated_key_works(vault: Vault) -> None:
    key = vault("secrets", "keygen").stdout
    assert len(base64.b64decode(key)) == 32
    assert vault.secrets("set", "A", keys="", stdin="x", WFSYNC_SECRETS_KEY=key.strip()).code == 0


def test_typing_is_not_seen(vault: Vault) -> None:
    ours, theirs = pty.openpty()
    env = vault.cli.environment({"WFSYNC_SECRETS_KEY": KEYS["old"]})
    argv = vault.cli.argv(
        "--database", vault.database.conninfo, "--tenant", str(vault.database.tenant), "secrets", "set", "A"
    )
    with subprocess.Popen(
        argv, stdin=theirs, stdout=theirs, stderr=theirs, env=env, cwd=vault.folder, start_new_session=True
    ) as process:
        os.close(theirs)
        seen = b""
        for _ in range(2):
            while not seen.endswith(b": "):
                seen += os.read(ours, 1000)
            seen += b"\n"
            os.write(ours, VALUE.encode() + b"\n")
        assert process.wait(30) == 0
        seen += os.read(ours, 1000)
    os.close(ours)
    assert VALUE.encode() not in seen
    assert vault.values("A") == {"A": VALUE}


def test_somebody_elses_instance_has_no_store(cli: CommandLine, database: Databases, tmp_path: Path) -> None:
    vault = Vault(cli, database("A"), tmp_path)
    assert code_of(vault.secrets("set", "A", stdin="x")) == "RUNTIME_UNAVAILABLE"

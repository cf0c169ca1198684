"""Commits that are signed, with real keys of OpenSSH and of gpg."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from git_repositories import GitRepository
from wfsync.errors import ConfigError, Refused
from wfsync.repo.signatures import Trust, verify_commit


@dataclass(frozen=True)
class Gpg:
    """A keyring with two keys that sign."""

    home: Path
    first: str
    second: str


@pytest.fixture(scope="module")
def ssh_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the keys ``alice`` and ``mallory``, and the file that lists Alice."""
    folder = tmp_path_factory.mktemp("ssh")
    for name in ("alice", "mallory"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", folder / name], check=True)
    (folder / "allowed").write_text(f"# who may\nalice@example.org {(folder / 'alice.pub').read_text()}")
    return folder


@pytest.fixture(scope="module")
def gpg() -> Iterator[Gpg]:
    """Short paths: the agent's socket has room for a hundred characters."""
    home = Path(tempfile.mkdtemp(prefix="wfsync-gpg-"))
    environment = {**os.environ, "GNUPGHOME": str(home)}

    def key(name: str) -> str:
        made = ["gpg", "--batch", "--quiet", "--status-fd", "1", "--passphrase", "", "--quick-gen-key"]
        done = subprocess.run(
            [*made, f"{name} <{name}@example.org>", "ed25519", "sign"],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.rpartition("KEY_CREATED P ")[2].split()[0]

    try:
        yield Gpg(home, key("carol"), key("trudy"))
    finally:
        subprocess.run(["gpgconf", "--kill", "gpg-agent"], env=environment, check=False)
        shutil.rmtree(home, ignore_errors=True)


def ssh_commit(repository: GitRepository, key: Path) -> str:
    repository.git("config", "gpg.format", "ssh")
    repository.git("config", "user.signingKey", f"{key}.pub")
    repository.git("commit", "-q", "-S", "--allow-empty", "-m", "signed")
    return repository.head()


def gpg_commit(repository: GitRepository, gpg: Gpg, key: str) -> str:
    repository.git("config", "gpg.format", "openpgp")
    repository.git("commit", "-q", f"-S{key}", "--allow-empty", "-m", "signed", GNUPGHOME=str(gpg.home))
    return repository.head()


def refused(repository: GitRepository, commit: str, trust: Trust, **environ: str) -> str:
    with pytest.raises(Refused) as caught:
        verify_commit(str(repository.path / ".git"), commit, trust, {**os.environ, **environ})
    assert caught.value.code == "UNVERIFIED_COMMIT"
    assert commit[:12] in caught.value.message
    assert caught.value.hint
    return caught.value.message


def test_ssh(repository: GitRepository, ssh_keys: Path) -> None:
    trust = Trust("ssh", ssh_keys / "allowed")
    good = ssh_commit(repository, ssh_keys / "alice")
    found = verify_commit(str(repository.path / ".git"), good, trust)
    assert (found.commit, found.kind, found.signer) == (good, "ssh", "alice@example.org")
    assert "SHA256:" in found.key
    assert "not among the allowed signers" in refused(repository, ssh_commit(repository, ssh_keys / "mallory"), trust)


def test_a_commit_that_is_not_signed(repository: GitRepository, ssh_keys: Path) -> None:
    commit = repository.commit("a.json")
    assert "is not signed" in refused(repository, commit, Trust("ssh", ssh_keys / "allowed"))


def test_what_lies_in_the_repository_and_its_settings_does_not_count(
    repository: GitRepository, ssh_keys: Path, only_own_settings: Path
) -> None:
    """Whoever may push could change a list in the repository; whoever uses a checkout could change its settings."""
    everybody = repository.write("allowed", f"*@* {(ssh_keys / 'mallory.pub').read_text()}".encode())
    commit = ssh_commit(repository, ssh_keys / "mallory")
    repository.git("config", "gpg.ssh.allowedSignersFile", str(everybody))
    repository.git("config", "gpg.minTrustLevel", "undefined")
    refused(repository, commit, Trust("ssh", ssh_keys / "allowed"))


def test_a_commit_that_was_changed_after_it_was_signed(repository: GitRepository, ssh_keys: Path) -> None:
    signed = ssh_commit(repository, ssh_keys / "alice")
    text = repository.git("cat-file", "commit", signed) + "\n"
    forged = text.replace("\n\nsigned", "\n\nforged")
    assert forged != text
    done = subprocess.run(
        ["git", "hash-object", "-t", "commit", "-w", "--stdin"],
        cwd=repository.path,
        input=forged.encode(),
        capture_output=True,
        check=True,
    )
    refused(repository, done.stdout.decode().strip(), Trust("ssh", ssh_keys / "allowed"))


def test_a_replaced_object_changes_nothing(repository: GitRepository, ssh_keys: Path) -> None:
    good = ssh_commit(repository, ssh_keys / "alice")
    bad = ssh_commit(repository, ssh_keys / "mallory")
    repository.git("replace", bad, good)
    refused(repository, bad, Trust("ssh", ssh_keys / "allowed"))


def test_keys_that_have_run_out(repository: GitRepository, ssh_keys: Path, tmp_path: Path) -> None:
    ended = tmp_path / "allowed"
    ended.write_text(f'alice@example.org valid-before="20200101" {(ssh_keys / "alice.pub").read_text()}')
    refused(repository, ssh_commit(repository, ssh_keys / "alice"), Trust("ssh", ended))


def test_gpg(repository: GitRepository, gpg: Gpg, tmp_path: Path) -> None:
    allowed = tmp_path / "fingerprints"
    spaced = " ".join(gpg.first[i : i + 4] for i in range(0, 40, 4)).lower()
    allowed.write_text(f"# Carol\n\n{spaced}  # laptop\n")
    trust, home = Trust("gpg", allowed), {"GNUPGHOME": str(gpg.home)}
    good = gpg_commit(repository, gpg, gpg.first)
    found = verify_commit(str(repository.path / ".git"), good, trust, {**os.environ, **home})
    assert (found.signer, found.key) == ("carol <carol@example.org>", gpg.first)
    other = gpg_commit(repository, gpg, gpg.second)  # in the keyring, even with ultimate trust, but not in the file
    assert "not among the allowed signers" in refused(repository, other, trust, **home)
    assert "does not have" in refused(repository, good, trust, GNUPGHOME=str(tmp_path))


def test_a_signature_of_the_other_kind_does_not_count(
    repository: GitRepository, gpg: Gpg, ssh_keys: Path, tmp_path: Path
) -> None:
    fingerprints = tmp_path / "fingerprints"
    fingerprints.write_text(gpg.first)
    home = {"GNUPGHOME": str(gpg.home)}
    by_gpg = gpg_commit(repository, gpg, gpg.first)
    assert "kind gpg" in refused(repository, by_gpg, Trust("ssh", ssh_keys / "allowed"), **home)
    by_ssh = ssh_commit(repository, ssh_keys / "alice")
    assert "kind ssh" in refused(repository, by_ssh, Trust("gpg", fingerprints), **home)


@pytest.mark.parametrize(
    ("kind", "text"), [("ssh", ""), ("ssh", "# nobody\n"), ("gpg", " \n"), ("gpg", "DEADBEEF"), ("gpg", "carol")]
)
def test_a_list_of_nobody(repository: GitRepository, tmp_path: Path, kind: str, text: str) -> None:
    (tmp_path / "allowed").write_text(text)
    commit = repository.commit("a.json")
    with pytest.raises(ConfigError) as caught:
        verify_commit(str(repository.path / ".git"), commit, Trust(kind, tmp_path / "allowed"))  # type: ignore[arg-type]
    assert caught.value.code == "ALLOWED_SIGNERS"


def test_a_list_that_is_missing(repository: GitRepository, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        verify_commit(str(repository.path / ".git"), repository.commit("a.json"), Trust("ssh", tmp_path / "none"))
    assert caught.value.code == "ALLOWED_SIGNERS"
    assert "none" in caught.value.message

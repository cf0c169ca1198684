"""Repositories elsewhere, with real git over every way that there is."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from git_repositories import GitRepository
from git_servers import fake_ssh, http_server, served
from shop import until
from wfsync.errors import ConfigError, RepositoryError
from wfsync.repo.remote import Fetched, Remote
from wfsync.repo.remote_git import require_git

SECRET = "s3cr3t/w%rd"


@pytest.fixture(autouse=True)
def environment(only_own_settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("GIT_", "SSH_", "WFSYNC_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture
def author(tmp_path: Path) -> GitRepository:
    """Where somebody works; `publish` pushes it to the bare repository that remotes read."""
    repository = GitRepository.init(tmp_path / "author")
    repository.commit("workflows/a.json", message="first")
    repository.git("init", "-q", "--bare", "-b", "main", str(tmp_path / "srv" / "flows.git"))
    repository.git("remote", "add", "origin", str(tmp_path / "srv" / "flows.git"))
    publish(repository)
    return repository


def publish(repository: GitRepository, *more: str) -> str:
    repository.git("push", "-q", "--force", "--all", "origin")
    repository.git("push", "-q", "--force", "--tags", "origin", *more)
    return repository.head()


@pytest.fixture
def bare(author: GitRepository, tmp_path: Path) -> Path:
    return tmp_path / "srv" / "flows.git"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def keys(remote: Remote, fetched: Fetched) -> list[str]:
    return [entry.path for entry in remote.open(fetched).source("workflows").entries]


def test_a_branch_is_resolved_at_each_fetch(author: GitRepository, bare: Path, cache: Path) -> None:
    remote = Remote(str(bare), cache)
    first = remote.fetch()
    assert first == Fetched(author.head(), "HEAD", "main")
    author.commit("workflows/b.json", message="second")
    publish(author)
    second = remote.fetch("main")
    assert second == Fetched(author.head(), "main", "main")
    assert keys(remote, first) == ["workflows/a.json"]
    assert keys(remote, second) == ["workflows/a.json", "workflows/b.json"]
    info = remote.open(second).source("workflows").info
    assert (info.root, info.commit, info.branch, info.dirty, info.rev) == (
        str(bare),
        author.head(),
        "main",
        False,
        "main",
    )


def test_every_kind_of_revision(author: GitRepository, bare: Path, cache: Path) -> None:
    first = author.head()
    author.git("tag", "-a", "-m", "x", "v1")
    second = author.commit("workflows/b.json")
    author.git("branch", "side", first)
    publish(author)
    remote = Remote(str(bare), cache)
    for rev, commit, branch in [
        ("v1", first, None),
        ("side", first, "side"),
        ("refs/heads/side", first, "side"),
        ("main~1", first, None),
        ("HEAD~1", first, None),
        ("HEAD", second, "main"),
        (second, second, None),
        (second[:9], second, None),
    ]:
        assert remote.fetch(rev) == Fetched(commit, rev, branch), rev


def test_references_that_are_no_branches_and_commits_that_nothing_leads_to(
    author: GitRepository, bare: Path, cache: Path
) -> None:
    main = author.head()
    proposed = author.commit("workflows/b.json")
    author.git("push", "-q", "origin", f"{proposed}:refs/pull/7/head")
    author.git("update-ref", "refs/heads/main", main)
    subprocess.run(["git", "--git-dir", bare, "config", "uploadpack.allowAnySHA1InWant", "true"], check=True)
    remote = Remote(str(bare), cache)
    assert remote.fetch("refs/pull/7/head").commit == proposed
    assert Remote(str(bare), cache / "other").fetch(proposed).commit == proposed
    assert remote.fetch().commit == main


@pytest.mark.parametrize(
    "rev", ["mian", "0" * 40, "refs/pull/9/head", "refs/x/*", "main:workflows", "--all", "main@{1}"]
)
def test_a_revision_that_is_missing_names_what_is_there(
    author: GitRepository, bare: Path, cache: Path, rev: str
) -> None:
    with pytest.raises(RepositoryError) as caught:
        Remote(str(bare), cache).fetch(rev)
    assert caught.value.code == "REVISION_NOT_FOUND"
    if ":" not in rev:
        assert "main" in (caught.value.hint or "")


def test_a_branch_and_a_tag_of_one_name_are_ambiguous(author: GitRepository, bare: Path, cache: Path) -> None:
    author.git("tag", "same")
    author.git("branch", "same", author.commit("workflows/b.json"))
    publish(author)
    with pytest.raises(RepositoryError) as caught:
        Remote(str(bare), cache).fetch("same")
    assert caught.value.code == "REVISION_AMBIGUOUS"
    assert Remote(str(bare), cache).fetch("refs/tags/same").commit == author.git("rev-parse", "refs/tags/same")


def test_a_rewritten_branch_is_followed_and_told(author: GitRepository, bare: Path, cache: Path) -> None:
    remote = Remote(str(bare), cache)
    first = remote.fetch().commit
    author.commit("workflows/b.json")
    publish(author)
    second = remote.fetch().commit
    author.git("reset", "-q", "--hard", first)
    author.commit("workflows/c.json")
    publish(author)
    third = remote.fetch().commit
    assert remote.relation(first, first) == "same"
    assert remote.relation(first, second) == "ahead"
    assert remote.relation(second, first) == "behind"
    assert remote.relation(second, third) == "diverged"
    assert Remote(str(bare), cache / "fresh").fetch().commit == third
    fresh = Remote(str(bare), cache / "fresh")
    assert fresh.relation(second, third) == "diverged"  # it has never seen the second


def test_a_shallow_source_says_that_it_does_not_know(
    author: GitRepository, bare: Path, cache: Path, tmp_path: Path
) -> None:
    first = author.head()
    author.commit("workflows/b.json")
    publish(author)
    author.git("clone", "-q", "--depth", "1", f"file://{bare}", str(tmp_path / "shallow"))
    remote = Remote(str(tmp_path / "shallow"), cache)
    fetched = remote.fetch()
    assert fetched.commit == author.head()
    assert remote.relation(first, fetched.commit) == "unknown"


def test_branches_that_are_gone_are_forgotten(author: GitRepository, bare: Path, cache: Path) -> None:
    author.git("branch", "side")
    publish(author)
    remote = Remote(str(bare), cache)
    remote.fetch("side")
    author.git("push", "-q", "origin", ":side")
    with pytest.raises(RepositoryError) as caught:
        remote.fetch("side")
    assert caught.value.code == "REVISION_NOT_FOUND"
    author.git("branch", "-D", "side")
    author.git("branch", "side/deeper")  # a name that the old one was in the way of
    publish(author)
    assert remote.fetch("side/deeper").branch == "side/deeper"


def test_head_is_the_servers(author: GitRepository, bare: Path, cache: Path) -> None:
    author.git("branch", "live", author.head())
    author.commit("workflows/b.json")
    publish(author)
    remote = Remote(str(bare), cache)
    assert remote.fetch().branch == "main"
    subprocess.run(["git", "--git-dir", bare, "symbolic-ref", "HEAD", "refs/heads/live"], check=True)
    assert remote.fetch() == Fetched(author.git("rev-parse", "live"), "HEAD", "live")
    subprocess.run(["git", "--git-dir", bare, "symbolic-ref", "HEAD", "refs/heads/none"], check=True)
    assert remote.fetch("main").branch == "main"
    with pytest.raises(RepositoryError) as caught:
        remote.fetch()
    assert caught.value.code == "REVISION_NOT_FOUND"
    assert "--rev" in (caught.value.hint or "")


def test_a_detached_head_has_no_branch(author: GitRepository, cache: Path) -> None:
    author.git("checkout", "-q", "--detach")
    assert Remote(str(author.path), cache).fetch() == Fetched(author.head(), "HEAD", None)


def test_an_empty_repository(tmp_path: Path, cache: Path) -> None:
    GitRepository.init(tmp_path / "empty.git", "--bare")
    with pytest.raises(RepositoryError) as caught:
        Remote(str(tmp_path / "empty.git"), cache).fetch()
    assert caught.value.code == "REMOTE_EMPTY"


def test_over_http(author: GitRepository, bare: Path, cache: Path) -> None:
    served(bare)
    with http_server(bare.parent) as server:
        remote = Remote(server.url("flows.git"), cache)
        assert remote.fetch("main").commit == author.head()
        assert keys(remote, remote.fetch()) == ["workflows/a.json"]
        assert server.credentials == []
        with pytest.raises(RepositoryError) as caught:
            Remote(server.url("other.git"), cache).fetch()
        assert caught.value.code == "REMOTE_NOT_FOUND"


def test_credentials_reach_the_server_and_nothing_else(author: GitRepository, bare: Path, cache: Path) -> None:
    served(bare)
    from urllib.parse import quote

    with http_server(bare.parent, wanted=f"robot:{SECRET}") as server:
        remote = Remote(server.url("flows.git", f"robot:{quote(SECRET, safe='')}"), cache)
        fetched = remote.fetch()
        assert fetched.commit == author.head()
        assert f"robot:{SECRET}" in server.credentials
        assert remote.open(fetched).root == server.url("flows.git")
        for path in cache.rglob("*"):
            assert "s3cr3t" not in path.name
            if path.is_file():
                assert b"s3cr3t" not in path.read_bytes(), path
        wrong = Remote(server.url("flows.git", "robot:wr0ngpass"), cache)
        with pytest.raises(RepositoryError) as caught:
            wrong.fetch()
        assert caught.value.code == "REMOTE_AUTHENTICATION"
        told = f"{caught.value} {caught.value.hint} {caught.value.details} {caught.value.__cause__}"
        assert "wr0ngpass" not in told
        assert wrong.url.folder == remote.url.folder


@pytest.mark.parametrize("given", ["robot:pa55word", "t0ken-for-one-server"])
def test_who_is_redirected_to_is_told_no_credentials(bare: Path, cache: Path, given: str) -> None:
    served(bare)
    with http_server(bare.parent, wanted=given) as other:
        elsewhere = f"http://localhost:{other.port}"  # another name is another server
        with http_server(bare.parent, elsewhere=elsewhere) as server, pytest.raises(RepositoryError) as caught:
            Remote(server.url("flows.git", given), cache).fetch()
    assert caught.value.code == "REMOTE_AUTHENTICATION"
    assert other.asked
    assert other.credentials == []


def test_without_credentials_nobody_is_asked(author: GitRepository, bare: Path, cache: Path) -> None:
    served(bare)
    with http_server(bare.parent, wanted="robot:x") as server, pytest.raises(RepositoryError) as caught:
        Remote(server.url("flows.git"), cache).fetch()
    assert caught.value.code == "REMOTE_AUTHENTICATION"


def test_the_users_own_credential_helper_answers(
    author: GitRepository, bare: Path, cache: Path, only_own_settings: Path
) -> None:
    served(bare)
    store = only_own_settings / ".git-credentials"
    (only_own_settings / ".gitconfig").write_text("[credential]\n\thelper = store\n")
    with http_server(bare.parent, wanted="robot:stored") as server:
        store.write_text(server.url("", "robot:stored") + "\n")
        assert Remote(server.url("flows.git"), cache).fetch().commit == author.head()
        assert Remote(server.url("flows.git", "robot"), cache / "b").fetch().commit == author.head()
        # One that is given stands alone, and is not kept: not even a wrong one spoils what is stored
        with pytest.raises(RepositoryError):
            Remote(server.url("flows.git", "robot:other"), cache / "c").fetch()
        assert "stored" in store.read_text()
        assert "other" not in store.read_text()


def test_settings_that_the_environment_holds_already_stay(
    author: GitRepository, bare: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.{bare.parent}/.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "https://never.invalid/")
    assert Remote("https://never.invalid/flows.git", cache).fetch().commit == author.head()


def test_a_rewrite_to_a_helper_program_is_refused(
    cache: Path, only_own_settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = tmp_path / "ran"
    (only_own_settings / ".gitconfig").write_text(
        f'[url "ext::touch {trace} "]\n\tinsteadOf = https://h.invalid/\n[protocol "ext"]\n\tallow = always\n'
    )
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "ext")
    with pytest.raises(RepositoryError) as caught:
        Remote("https://h.invalid/a", cache).fetch()
    assert caught.value.code == "REMOTE_URL"
    assert not trace.exists()


def test_over_ssh(
    author: GitRepository, bare: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, log = fake_ssh(tmp_path)
    monkeypatch.setenv("GIT_SSH_COMMAND", command)
    for url in (f"ssh://git@host.invalid{bare}", f"git@host.invalid:{bare}"):
        remote = Remote(url, cache)
        fetched = remote.fetch("main")
        assert fetched.commit == author.head()
        assert "git@" not in remote.open(fetched).source("workflows").info.root
    assert "git@host.invalid" in log.read_text()


def test_ssh_never_asks_unless_somebody_chose_how_it_runs(
    author: GitRepository,
    bare: Path,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    only_own_settings: Path,
) -> None:
    command, log = fake_ssh(tmp_path)
    (tmp_path / "bin").mkdir()
    shutil.copy(command, tmp_path / "bin" / "ssh")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    Remote(f"git@host.invalid:{bare}", cache).fetch()
    assert "BatchMode=yes" in log.read_text()
    log.unlink()
    (only_own_settings / ".gitconfig").write_text(f"[core]\n\tsshCommand = {command} -o Mine=1\n")
    Remote(f"git@host.invalid:{bare}", cache).fetch()
    assert "Mine=1" in log.read_text()
    assert "BatchMode" not in log.read_text()


def test_unreachable_hosts_and_missing_repositories(cache: Path, tmp_path: Path) -> None:
    for url, code in [
        ("https://127.0.0.1:9/a", "REMOTE_UNREACHABLE"),
        ("https://host.invalid/a", "REMOTE_UNREACHABLE"),
        ("git@127.0.0.1:a", "REMOTE_UNREACHABLE"),
        (str(tmp_path / "none"), "REMOTE_NOT_FOUND"),
        (f"file://{tmp_path}/none", "REMOTE_NOT_FOUND"),
    ]:
        environ = dict(os.environ)
        if url.startswith("git@"):
            environ["GIT_SSH_COMMAND"] = "ssh -o BatchMode=yes -o ConnectTimeout=1 -p 9"
        with pytest.raises(RepositoryError) as caught:
            Remote(url, cache, environ=environ).fetch()
        assert caught.value.code == code, caught.value
        assert caught.value.hint


def test_a_server_that_never_answers_is_given_up(
    bare: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "hangs"
    script.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 60\n")
    script.chmod(0o700)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(script))
    monkeypatch.setenv("WFSYNC_GIT_TIMEOUT", "0.5")
    before = time.monotonic()
    with pytest.raises(RepositoryError) as caught:
        Remote(f"git@host.invalid:{bare}", cache).fetch()
    assert caught.value.code == "REMOTE_TIMEOUT"
    assert time.monotonic() - before < 20
    status = Path("/proc", (tmp_path / "pid").read_text().strip(), "status")  # what git started ended with it
    until(lambda: not status.exists() or "State:\tZ" in status.read_text(), "the killed process has ended")


@pytest.mark.parametrize("value", ["0", "-1", "soon", "1e9"])
def test_a_time_limit_that_is_none(bare: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("WFSYNC_GIT_TIMEOUT", value)
    with pytest.raises(ConfigError):
        Remote(str(bare), cache)


def test_the_cache_is_private(bare: Path, cache: Path) -> None:
    cache.mkdir(mode=0o755)
    (cache / "repos").mkdir(mode=0o777)
    remote = Remote(str(bare), cache)
    remote.fetch()
    assert remote.notes == ()
    assert stat.S_IMODE((cache / "repos").stat().st_mode) == 0o700
    assert Path(remote.path).parent == cache / "repos"
    assert "flows" not in Path(remote.path).name
    assert str(bare) not in (Path(remote.path) / "config").read_text()


def test_where_no_cache_can_be_a_temporary_folder_serves(author: GitRepository, bare: Path, cache: Path) -> None:
    cache.mkdir()
    (cache / "repos").write_text("a file is in the way")
    program = (
        "import sys; from wfsync.repo.remote import Remote\n"
        "r = Remote(sys.argv[1], sys.argv[2]); f = r.fetch(); print(f.commit, r.path, *(n.code for n in r.notes))\n"
        "assert r.open(f).source('workflows').entries"
    )
    done = subprocess.run([sys.executable, "-c", program, bare, cache], capture_output=True, text=True, check=True)
    commit, path, note = done.stdout.split()
    assert (commit, note) == (author.head(), "REMOTE_CACHE_UNUSABLE")
    assert not Path(path).parent.exists()


def test_a_link_in_the_place_of_the_cache_is_not_followed(bare: Path, cache: Path, tmp_path: Path) -> None:
    cache.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (cache / "repos").symlink_to(tmp_path / "elsewhere")
    remote = Remote(str(bare), cache)
    remote.fetch()
    assert [note.code for note in remote.notes] == ["REMOTE_CACHE_UNUSABLE"]
    assert list((tmp_path / "elsewhere").iterdir()) == []
    shutil.rmtree(Path(remote.path).parent)


def _damage_nothing_but_objects(clone: Path) -> None:
    shutil.rmtree(clone / "objects")
    (clone / "objects").mkdir()


def _damage_a_pack(clone: Path) -> None:
    for pack in [*clone.glob("objects/pack/*.pack"), *(p for p in clone.glob("objects/??/*"))]:
        pack.chmod(0o600)
        pack.write_bytes(pack.read_bytes()[:20])


def _damage_everything(clone: Path) -> None:
    shutil.rmtree(clone)
    clone.mkdir()


def _damage_by_a_file(clone: Path) -> None:
    shutil.rmtree(clone)
    clone.write_text("nonsense")


def _damage_head(clone: Path) -> None:
    (clone / "HEAD").write_bytes(b"\0\0\0\0")


def _damage_a_reference(clone: Path) -> None:
    (clone / "packed-refs").write_text("what?\n")
    (clone / "refs" / "heads" / "main").unlink(missing_ok=True)


def _leave_locks(clone: Path) -> None:
    (clone / "packed-refs.lock").write_text("")
    (clone / "HEAD.lock").write_text("")
    (clone / "refs" / "heads").mkdir(parents=True, exist_ok=True)
    (clone / "refs" / "heads" / "main.lock").write_text("")


def _damage_the_settings(clone: Path) -> None:
    (clone / "config").write_text("[core\n")


@pytest.mark.parametrize(
    "damage",
    [
        _damage_nothing_but_objects,
        _damage_a_pack,
        _damage_everything,
        _damage_by_a_file,
        _damage_head,
        _damage_a_reference,
        _leave_locks,
        _damage_the_settings,
    ],
)
@pytest.mark.parametrize("moved", [False, True])
def test_a_damaged_clone_is_made_again(
    author: GitRepository, bare: Path, cache: Path, damage: object, moved: bool
) -> None:
    remote = Remote(str(bare), cache)
    remote.fetch()
    assert callable(damage)
    damage(Path(remote.path))
    if moved:
        author.commit("workflows/b.json")
        publish(author)
    fetched = Remote(str(bare), cache).fetch()
    assert fetched == Fetched(author.head(), "HEAD", "main")
    source = remote.open(fetched).source("workflows")
    assert all(source.read(entry) for entry in source.entries)
    assert len(source.entries) == 1 + moved
    assert {path.suffix for path in (cache / "repos").iterdir()} == {".git", ".lock"}


def test_what_interrupted_clones_left_is_removed(bare: Path, cache: Path) -> None:
    remote = Remote(str(bare), cache)
    (cache / "repos").mkdir(parents=True)
    left = [cache / "repos" / f"{remote.url.folder}.{kind}-0123" for kind in ("new", "old")]
    for folder in left:
        (folder / "objects").mkdir(parents=True)
    other = cache / "repos" / "another.new-0123"
    other.mkdir()
    remote.fetch()
    assert not any(folder.exists() for folder in left)
    assert other.exists()


def _fetch(url: str, cache: str, answers: object) -> None:
    try:
        remote = Remote(url, cache)
        fetched = remote.fetch("main")
        read = [
            remote.open(fetched).source("workflows").read(e) for e in remote.open(fetched).source("workflows").entries
        ]
        answers.put((fetched.commit, len(read)))  # type: ignore[attr-defined]
    except BaseException as error:  # noqa: BLE001 - the parent must hear of it
        answers.put(repr(error))  # type: ignore[attr-defined]


def test_many_processes_at_once(author: GitRepository, bare: Path, cache: Path) -> None:
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    processes = [context.Process(target=_fetch, args=(str(bare), str(cache), answers)) for _ in range(4)]
    for process in processes:
        process.start()
    found = [answers.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(10)
    assert found == [(author.head(), 1)] * 4


def test_a_fetch_that_is_killed_does_no_harm(
    author: GitRepository, bare: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, begun = tmp_path / "slow", tmp_path / "begun"
    # The second question, which brings the objects, hangs; `exec` keeps it one process
    script.write_text(
        f"#!/bin/sh\nfor last; do :; done\n"
        f"if test -e {begun}.1; then : > {begun}.2; exec sleep 20; fi\n"
        f': > {begun}.1\nexec sh -c "$last"\n'
    )
    script.chmod(0o700)
    url = f"git@host.invalid:{bare}"
    program = "import sys; from wfsync.repo.remote import Remote; Remote(sys.argv[1], sys.argv[2]).fetch()"
    process = subprocess.Popen(
        [sys.executable, "-c", program, url, cache],
        env={**os.environ, "GIT_SSH_COMMAND": str(script), "GIT_SSH_VARIANT": "ssh"},
    )
    until = time.monotonic() + 30
    while not Path(f"{begun}.2").exists():
        assert time.monotonic() < until
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert [path for path in (cache / "repos").iterdir() if ".new-" in path.name]
    monkeypatch.setenv("GIT_SSH_COMMAND", fake_ssh(tmp_path)[0])
    assert Remote(url, cache).fetch().commit == author.head()
    assert not [path for path in (cache / "repos").iterdir() if ".new-" in path.name]


def test_who_waits_too_long_is_told(bare: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remote = Remote(str(bare), cache)
    with remote.cache.locked(remote.url.folder, 1):
        monkeypatch.setenv("WFSYNC_GIT_TIMEOUT", "0.2")
        with pytest.raises(RepositoryError) as caught:
            Remote(str(bare), cache).fetch()
    assert caught.value.code == "REMOTE_LOCKED"


def test_hooks_never_run(
    author: GitRepository, bare: Path, cache: Path, only_own_settings: Path, tmp_path: Path
) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "reference-transaction").write_text(f"#!/bin/sh\n: > {tmp_path}/ran\n")
    (hooks / "reference-transaction").chmod(0o700)
    (only_own_settings / ".gitconfig").write_text(
        f"[core]\n\thooksPath = {hooks}\n[safe]\n\tbareRepository = explicit\n"
    )
    assert Remote(str(bare), cache).fetch().commit == author.head()
    assert not (tmp_path / "ran").exists()


def test_submodules_are_not_fetched(author: GitRepository, bare: Path, cache: Path, tmp_path: Path) -> None:
    other = GitRepository.init(tmp_path / "other")
    other.commit("x.json")
    author.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(other.path), "workflows/sub")
    author.git("commit", "-q", "-m", "a submodule")
    publish(author)
    remote = Remote(str(bare), cache)
    problems = remote.open(remote.fetch()).source("workflows").problems
    assert [problem.code for problem in problems] == ["REPOSITORY_SUBMODULE"]
    assert not list(Path(remote.path).rglob("modules"))


def test_git_is_needed(bare: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_git.cache_clear()
    try:
        monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
        with pytest.raises(RepositoryError) as caught:
            Remote(str(bare), cache).fetch()
        assert caught.value.code == "GIT_PROGRAM_MISSING"
        (tmp_path / "nothing").mkdir()
        old = tmp_path / "nothing" / "git"
        old.write_text("#!/bin/sh\necho git version 2.17.1\n")
        old.chmod(0o700)
        with pytest.raises(RepositoryError) as caught:
            Remote(str(bare), cache).fetch()
        assert "2.17.1" in caught.value.message
        assert "2.31" in (caught.value.hint or "")
    finally:
        require_git.cache_clear()


def test_paths_above_the_root_are_refused(bare: Path, cache: Path) -> None:
    remote = Remote(str(bare), cache)
    with pytest.raises(RepositoryError) as caught:
        remote.open(remote.fetch(), "../x")
    assert caught.value.code == "OUTSIDE_REPOSITORY"

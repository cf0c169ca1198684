"""What a source is called: one name for every way to the same repository, and never a secret in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfsync.repo.identity import remote_identity, repository_identity, source_identity

SECRET = "s3cr3tT0ken"


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/acme/flows.git",
        "https://github.com/acme/flows",
        "https://github.com/acme/flows/",
        "https://github.com:443/acme/flows.git",
        f"https://{SECRET}@github.com/acme/flows.git",
        f"https://user:{SECRET}@GitHub.com/acme/flows.git",
        f"https://x-access-token:{SECRET}@github.com//acme/flows.git/",
        f"https://github.com/acme/flows.git?token={SECRET}",
        "http://github.com:80/acme/flows",
        "ssh://git@github.com/acme/flows.git",
        "ssh://git@github.com:22/acme/flows.git",
        "git+ssh://git@github.com/acme/flows.git",
        "git://github.com/acme/flows.git",
        "git@github.com:acme/flows.git",
        "git@github.com:/acme/flows.git",
        "github.com:acme/flows",
        " https://github.com/acme/flows.git\n",
    ],
)
def test_every_way_to_a_repository_gives_one_name(url: str) -> None:
    assert remote_identity(url) == "github.com/acme/flows"


@pytest.mark.parametrize(
    ("url", "identity"),
    [
        ("https://git.example.org:8443/scm/flows.git", "git.example.org:8443/scm/flows"),
        ("ssh://git@[::1]:2222/flows", "[::1]:2222/flows"),
        ("git@[::1]:flows.git", "[::1]/flows"),
        ("file:///srv/git/flows.git", "file:/srv/git/flows"),
        ("/srv/git/flows.git/", "file:/srv/git/flows"),
        ("/srv/flows/.git", "file:/srv/flows"),
        ("https://example.org/Case/Kept", "example.org/Case/Kept"),
        ("", None),
        ("https://", None),
        ("https://example.org/", None),
    ],
)
def test_ports_paths_and_odd_urls(url: str, identity: str | None) -> None:
    assert remote_identity(url) == identity


@given(st.text(st.characters(codec="utf-8", exclude_characters="/@:?#"), min_size=12, max_size=30))
def test_credentials_are_never_in_it(secret: str) -> None:
    for url in (f"https://{secret}@h.org/r", f"https://u:{secret}@h.org/r", f"https://h.org/r?access_token={secret}"):
        assert secret not in (remote_identity(url) or "")


def test_the_remote_origin_counts_else_the_only_one_else_the_folder() -> None:
    one, other = "https://h.org/one.git", "git@h.org:other.git"
    assert repository_identity({"origin": one, "upstream": other}, "/r") == "h.org/one"
    assert repository_identity({"upstream": other}, "/r") == "h.org/other"
    assert repository_identity({"a": one, "b": other}, "/r") == "file:/r"
    assert repository_identity({}, "/r/") == "file:/r"
    assert repository_identity({"origin": "../bare.git"}, "/work/clone") == "file:/work/bare"


@pytest.mark.parametrize(
    ("configured", "directory", "identity"),
    [
        (None, "workflows", "h.org/r/workflows"),
        (None, "./a//b/", "h.org/r/a/b"),
        (None, ".", "h.org/r"),
        (None, "", "h.org/r"),
        ("acme-flows", "workflows", "acme-flows"),
    ],
)
def test_the_folder_follows_unless_the_source_has_a_name(configured: str | None, directory: str, identity: str) -> None:
    assert source_identity(configured, "h.org/r", directory) == identity

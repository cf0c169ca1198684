"""What is taken for a repository elsewhere, and that no credential leaves the value it is held in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfsync.errors import ConfigError
from wfsync.repo.remote_url import parse_remote, redact

CWD = "/work/here"


@pytest.mark.parametrize(
    ("text", "url", "shown", "identity"),
    [
        ("https://h.example/a/b.git", "https://h.example/a/b.git", "https://h.example/a/b.git", "h.example/a/b"),
        ("https://u:p@h:8443/a.git", "https://h:8443/a.git", "https://h:8443/a.git", "h:8443/a"),
        ("http://h/a", "http://h/a", "http://h/a", "h/a"),
        ("ssh://git@h:2222/a/b", "ssh://git@h:2222/a/b", "ssh://h:2222/a/b", "h:2222/a/b"),
        ("git@h.example:a/b.git", "git@h.example:a/b.git", "h.example:a/b.git", "h.example/a/b"),
        ("h:a/b", "h:a/b", "h:a/b", "h/a/b"),
        ("[::1]:a/b", "[::1]:a/b", "[::1]:a/b", "[::1]/a/b"),
        ("file:///srv/a.git", "/srv/a.git", "/srv/a.git", "file:/srv/a"),
        ("file://localhost/srv/a%20b", "/srv/a b", "/srv/a b", "file:/srv/a b"),
        ("/srv/x/../a.git", "/srv/a.git", "/srv/a.git", "file:/srv/a"),
        ("../a", "/work/a", "/work/a", "file:/work/a"),
        ("./-a", "/work/here/-a", "/work/here/-a", "file:/work/here/-a"),
        ("./a:b", "/work/here/a:b", "/work/here/a:b", "file:/work/here/a:b"),
    ],
)
def test_forms(text: str, url: str, shown: str, identity: str) -> None:
    parsed = parse_remote(text, CWD)
    assert (parsed.url, parsed.shown, parsed.identity) == (url, shown, identity)


@pytest.mark.parametrize(
    "text",
    [
        "ext::sh -c touch% /tmp/pwned",
        "fd::17",
        "http::https://h/a",
        "-u./payload",
        "--upload-pack=touch /tmp/pwned",
        "git://h/a",
        "ftp://h/a",
        "javascript://h/a",
        "https://h",
        "https:///a",
        "https://h/",
        "https://h/a?private_token=x",
        "https://h/a#b",
        "https://h/a%0Ahost=evil",
        "https://u%0d@h/a",
        "https://h/a\nb",
        "a\nb",
        "a\0b",
        "ssh://-oProxyCommand=x/a",
        "ssh://-u@h/a",
        "ssh://git:secret@h/a",
        "-oProxyCommand=x:a",
        "u@-h:a",
        "h:-a",
        ":a",
        "file://host/a",
    ],
)
def test_dangerous_and_unusable_forms_are_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_remote(text, CWD)
    assert caught.value.code == "REMOTE_URL"
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("text", ["", "  "])
def test_nothing_is_a_usage_error(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_remote(text, CWD)
    assert caught.value.code == "USAGE"


WORDS = st.text("abcXYZ019-_.~%40:", min_size=1, max_size=12)


@given(user=WORDS, password=WORDS, scheme=st.sampled_from(["https", "http"]))
def test_credentials_are_in_the_two_fields_only(user: str, password: str, scheme: str) -> None:
    user, password = f"Qu{user.replace(':', '')}", f"Qp{password}"
    try:
        parsed = parse_remote(f"{scheme}://{user}:{password}@host.example/a.git", CWD)
    except ConfigError as error:
        shown = f"{error.message} {error.hint} {error.details}"
        assert "Qu" not in shown
        assert "Qp" not in shown
        return
    assert parsed.url == f"{scheme}://host.example/a.git"
    for text in (parsed.url, parsed.shown, parsed.identity, repr(parsed), parsed.folder):
        assert "Qu" not in text
        assert "Qp" not in text
    assert parsed.folder == parse_remote(f"{scheme}://host.example/a.git", CWD).folder
    assert parsed.secrets == (parsed.password,)
    assert (parsed.password or "").startswith("Qp")


def test_a_user_alone_may_be_a_token() -> None:
    parsed = parse_remote("https://ghp_abcdef@host.example/a.git", CWD)
    assert parsed.secrets == ("ghp_abcdef",)
    assert "ghp" not in repr(parsed)


def test_encoded_credentials_are_decoded_for_git() -> None:
    parsed = parse_remote("https://me%40x:p%2Fw@h/a", CWD)
    assert (parsed.user, parsed.password) == ("me@x", "p/w")


def test_urls_in_a_text_lose_what_is_secret() -> None:
    text = "fatal: unable to access 'https://u:tok@h/a?x=tok': no; see ssh://git@h/b and user@mail"
    assert redact(text) == "fatal: unable to access 'https://h/a': no; see ssh://h/b and user@mail"

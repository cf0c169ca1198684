"""A target names a place to people and never tells a secret, however malformed its text is."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo

from wfsync.errors import ConfigError
from wfsync.store.target import Target, named

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("conninfo", "shown"),
    [
        (f"postgresql://ann:{SECRET}@db.example.com:5433/flows", "postgresql://ann@db.example.com:5433/flows"),
        (f"postgres://ann:{SECRET}@db.example.com/flows", "postgresql://ann@db.example.com/flows"),
        (f"host=db dbname=flows user=ann password={SECRET}", "postgresql://ann@db/flows"),
        (f"postgresql://ann@db/flows?password={SECRET}", "postgresql://ann@db/flows"),
        (f"postgresql://ann@db/flows?sslpassword={SECRET}&sslmode=require", "postgresql://ann@db/flows"),
        (f"postgresql://ann@db/flows?oauth_client_secret={SECRET}", "postgresql://ann@db/flows"),
        (f"postgresql://ann:{SECRET}@one:1,two:2/flows", "postgresql://ann@one:1,two:2/flows"),
        (f"postgresql://ann:{SECRET}@[::1]:5432/flows", "postgresql://ann@[::1]:5432/flows"),
        ("host=/run/pg port=5432 dbname=flows", "postgresql:///flows?host=/run/pg&port=5432"),
        (f"service=prod password={SECRET}", "postgresql:///?service=prod"),
        ("host=db user='a b@c' dbname='x/y'", "postgresql://a%20b%40c@db/x%2Fy"),
        ("hostaddr=10.0.0.1 dbname=x", "postgresql://10.0.0.1/x"),
        ("host='db\x1b[31m' dbname=x", "postgresql://db%1B%5B31m/x"),
    ],
)
def test_display_names_the_place_and_no_secret(conninfo: str, shown: str) -> None:
    target = named(conninfo)

    assert target.display() == shown
    assert SECRET not in repr(target)


def test_an_empty_text_is_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGSERVICE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PGHOST", "db")
    monkeypatch.setenv("PGDATABASE", "flows")
    monkeypatch.setenv("PGPASSWORD", SECRET)

    assert named("").display() == "postgresql://db/flows"


@pytest.mark.parametrize(
    "conninfo",
    [
        f"postgres//ann:{SECRET}@h",
        f"postgresql:/ann:{SECRET}@h",
        f"mysql://ann:{SECRET}@h/db",
        f"postgresql+psycopg://ann:{SECRET}@h/db",
        f"postgresql://ann:{SECRET}@h:abc/db",
        f"postgresql://ann:{SECRET}@h:99999/db",
        f"postgresql://ann:{SECRET}@h:5432/db?nope=1",
        f"postgresql://ann:{SECRET}%zz@h/db",
        f"postgresql://ann:{SECRET}%00@h/db",
        f"postgresql://ann:{SECRET}@[::1/db",
        f"postgresql://ann:{SECRET}/x@h/db",
        f"postgresql://ann:12/{SECRET}@h/db",
        f"postgresql://ann:x@{SECRET}@h/db",
        f"postgresql://ann:x?{SECRET}@h/db",
        f"postgresql://ann:12?user={SECRET}@h/db",
        f"postgresql://ann:x#{SECRET}@h/db",
        f"postgresql://ann:12#{SECRET}@h",
        f"host=h password='{SECRET}",
        f"host=h password={SECRET} nope=1",
        f"host=h password=x {SECRET}",
        f"host=h port=abc password={SECRET}",
        SECRET,
        f"postgresql://ann:\udcff{SECRET}@h/db",
        f"host=h\0 password={SECRET}",
    ],
)
def test_a_malformed_text_is_refused_without_an_echo(conninfo: str) -> None:
    with pytest.raises(ConfigError) as caught:
        named(conninfo)

    fault = caught.value
    assert fault.code == "INVALID_DATABASE_URL"
    assert fault.__cause__ is None
    assert fault.__context__ is None
    assert SECRET not in f"{fault} {fault.hint} {fault.details}"
    assert fault.hint
    assert "\n" not in fault.message


def test_the_scheme_of_another_database_is_named() -> None:
    with pytest.raises(ConfigError, match=r"postgresql\+asyncpg://"):
        named("postgresql+asyncpg://ann:x@h/db")


def test_an_at_sign_in_an_option_is_no_fault() -> None:
    assert named("postgresql://h:5432/db?user=ann@cloud").display() == "postgresql://ann%40cloud@h:5432/db"


passwords = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)


@given(passwords)
def test_any_password_survives_and_stays_hidden(password: str) -> None:
    marked = f"{SECRET}{password}"
    for conninfo in (
        f"postgresql://ann:{quote(marked, safe='')}@h/db",
        make_conninfo("", host="h", dbname="db", user="ann", password=marked),
    ):
        target = named(conninfo)
        assert target.parameters()["password"] == marked
        assert target.display() == "postgresql://ann@h/db"
        assert marked in target.secrets()


@given(passwords)
def test_a_password_that_nobody_encoded_never_shows(password: str) -> None:
    """Either the text is read as it was meant, or it is refused: no part of a password becomes a host."""
    target = Target("named", f"postgresql://ann:{SECRET}{password}@h:5432/db")
    try:
        shown = target.display()
    except ConfigError as fault:
        shown = f"{fault} {fault.hint}"
    assert SECRET not in shown

"""The documents keep their word: commands print what is shown, recipes are real, links lead somewhere."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from command_line import CommandLine
from documents import USER_FOLDER, Session, blocks, commands, matches, skipped
from servers import server_programs
from wfsync.bundle.registry import parse_registry
from wfsync.config import parse_config

TOP: Final = Path(__file__).parents[2]
PAGES: Final = sorted([*TOP.glob("*.md"), *TOP.glob("docs/**/*.md"), *TOP.glob("examples/**/*.md")])
RUN: Final = [page for page in (TOP / "README.md", *sorted(TOP.glob("docs/*.md"))) if commands(page)]


@pytest.fixture
def session(cli: CommandLine, home: Path) -> Iterator[Session]:
    # Short, since a socket's path is, and open to the account that runs the server.
    folder = Path(tempfile.mkdtemp(prefix="wfs-docs-")).resolve()
    folder.chmod(0o755)
    shutil.copy(home / ".gitconfig", folder)
    # Documents use psql, which comes with the embedded server; a psql of the machine goes first.
    environment = cli.environment({"WFSYNC_CHECKOUT": str(TOP)})
    environment["PATH"] += f":{server_programs()}"
    session = Session(folder, environment)
    try:
        yield session
    finally:
        session.close()
        shutil.rmtree(folder)


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.name)
def test_a_document_shows_what_happens(page: Path, session: Session) -> None:
    differences = session.differences(page)
    assert not differences, "\n".join(differences)


def test_the_documents_of_a_newcomer_are_among_them() -> None:
    assert {"README.md", "tutorial.md", "database.md", "configuration.md", "ci.md"} <= {page.name for page in RUN}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(TOP).as_posix())
def test_a_block_that_is_not_run_says_why(page: Path) -> None:
    assert [reason for reason in skipped(page) if len(reason.split()) < 3] == []


def test_the_readme_names_the_two_commands_that_do_everything() -> None:
    shown = {line for _, block in blocks(TOP / "README.md") if block["text"] for line in block["text"].splitlines()}
    assert {"$ make demo", "$ make test"} <= shown


# ------------------------------------------------------------------------------------------------------- what is shown


def test_a_difference_from_what_is_shown_is_seen() -> None:
    assert matches("a ... c\n...\nend\n", "a b c\nx\ny\nend\n")
    assert matches("...\nend\n", "end\n")
    assert not matches("a\n", "a\nb\n")
    assert not matches("a ... c\n", "a b d\n")
    assert not matches("", "a\n")


def test_what_differs_from_run_to_run_is_compared_by_its_kind() -> None:
    one, other = "0a8f77b2-1f6a-4e0b-9b8c-0123456789ab", "ffffffff-1f6a-4e0b-9b8c-0123456789ab"
    assert matches(f"id {one} in 0.02 s\n", f"id {other} in 1.50 s\n")
    assert matches(f"Digest: {'a' * 64}\n", f"Digest: {'b' * 64}\n")
    assert matches("branch main at 0123456789ab\n", "branch main at ba9876543210\n")
    assert not matches(f"id {one}\n", "id none\n")
    assert not matches("tenant 00000000-0000-0000-0000-000000000000\n", f"tenant {one}\n")


def test_commands_are_found_and_failures_are_told(session: Session, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- run\nmkdir there\n-->\n\n```console\n$ cd there\n$ pwd\n"
        + USER_FOLDER
        + "/there\n$ echo no\nyes\n```\n\n"
        "<!-- not run: for the sake of the test -->\n```sh\nfalse\n```\n\n"
        "```sh\n# a comment\nfalse\n```\n\n```json\n{}\n```\n"
    )
    assert [(command.number, command.line) for command in commands(page)] == [
        (2, "mkdir there"),
        (6, "cd there"),
        (7, "pwd"),
        (9, "echo no"),
        (20, "false"),
    ]
    assert session.differences(page) == ["page.md:9: $ echo no\nno\n[exit 0]", "page.md:20: $ false\n[exit 1]"]


# ------------------------------------------------------------------------------------------------- recipes and settings


def test_recipes_are_yaml_and_call_only_commands_that_exist(cli: CommandLine) -> None:
    shown = [(block["language"], block["text"]) for _, block in blocks(TOP / "docs" / "ci.md") if block["text"]]
    lines = [line for kind, text in shown if kind == "yaml" for line in _strings(yaml.safe_load(text))]
    lines += [line for kind, text in shown if kind == "sh" for line in text.splitlines()]
    called = {match[1] for line in lines for match in re.finditer(r"\bwfsync (?:--quiet )?([a-z]+)\b", line)}
    assert {"fmt", "validate", "plan", "apply", "export", "db"} <= called
    for command in sorted(called):
        assert cli(command, "--help").code == 0, command


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)


def test_settings_in_the_reference_are_valid_and_complete() -> None:
    texts = [block["text"] for _, block in blocks(TOP / "docs" / "configuration.md") if block["language"] == "yaml"]
    settings, registry = texts
    config = parse_config(settings.encode(), "configuration.md")
    assert (config.directory, config.registry, config.overwrite) == ("workflows", "registry.yaml", "update")
    schema = yaml.safe_load((TOP / "schemas" / "wfsync-config.v1.schema.json").read_text(encoding="utf-8"))
    assert set(yaml.safe_load(settings)) == set(schema["properties"])
    assert parse_registry(registry.encode(), "configuration.md").schema_refs


# ---------------------------------------------------------------------------------------------------- what is generated


def test_the_pages_of_the_commands_say_what_their_help_says() -> None:
    done = subprocess.run(
        [sys.executable, str(TOP / "tools" / "command_pages.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"run `make docs`:\n{done.stdout}{done.stderr}"


# ---------------------------------------------------------------------------------------------------------------- links


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(TOP).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            broken.append(link)
    assert broken == []


def _anchors(page: Path) -> set[str]:
    """The names that GitHub gives to the headings of ``page``."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_of_the_documentation_is_in_its_index() -> None:
    index = (TOP / "docs" / "README.md").read_text(encoding="utf-8")
    pages = [page.name for page in TOP.glob("docs/*.md") if page.name != "README.md"]
    assert [name for name in pages if f"]({name})" not in index] == []
    assert "](commands/README.md)" in index
    assert "](docs/README.md)" in (TOP / "README.md").read_text(encoding="utf-8")

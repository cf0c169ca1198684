"""Writes ``docs/commands/``: one page a command, from what ``--help`` says. ``--check`` only names stale pages."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from wfsync.cli import main as entry

FOLDER = Path(__file__).parents[1] / "docs" / "commands"
WIDTH = 100


def root() -> click.Group:
    """The group behind ``wfsync``."""
    return next(value for value in vars(entry).values() if isinstance(value, click.Group))


def commands(command: click.Command, parent: click.Context | None, name: str) -> Iterator[tuple[click.Context, str]]:
    """Every visible command below ``command``, itself first, with the help text that a user would see."""
    context = click.Context(command, info_name=name, parent=parent, terminal_width=WIDTH, max_content_width=WIDTH)
    yield context, command.get_help(context)
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            if found is not None and not found.hidden:
                yield from commands(found, context, child)


def pages() -> dict[Path, str]:
    """What every file of the folder must say. Sub-commands stand on the page of their group."""
    texts: dict[Path, list[str]] = {}
    index = ["# Commands", "", "Written by `make docs` from the commands' own help.", ""]
    for context, text in commands(root(), None, "wfsync"):
        path = context.command_path.split()
        page = FOLDER / f"{path[1] if len(path) > 1 else 'wfsync'}.md"
        if page not in texts:
            texts[page] = []
            index.append(f"- [`{context.command_path}`]({page.name}): {context.command.get_short_help_str(WIDTH)}")
        heading = "#" if not texts[page] else "##"
        body = "\n".join(line.rstrip() for line in text.strip().splitlines())
        texts[page] += [f"{heading} `{context.command_path}`", "", "```text", body, "```", ""]
    result = {page: "\n".join(lines) for page, lines in texts.items()}
    return result | {FOLDER / "README.md": "\n".join([*index, ""])}


def main(*, check: bool) -> int:
    """Write what differs, or name it; 1 when ``check`` found something."""
    wanted = pages()
    stale = [page for page, text in wanted.items() if not page.is_file() or page.read_text("utf-8") != text]
    extra = [page for page in FOLDER.glob("*.md") if page not in wanted]
    for page in sorted(stale + extra):
        print(f"{'stale' if check else 'written' if page in wanted else 'removed'}: docs/commands/{page.name}")
        if check:
            continue
        if page in wanted:
            FOLDER.mkdir(parents=True, exist_ok=True)
            page.write_text(wanted[page], "utf-8", newline="\n")
        else:
            page.unlink()
    return 1 if check and (stale or extra) else 0


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))

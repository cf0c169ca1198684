"""Writes ``docs/errors.md`` from the catalogue behind `wfsync explain`. ``--check`` only says whether it is stale."""

from __future__ import annotations

import sys
from pathlib import Path

from wfsync.render.explanations import page

PAGE = Path(__file__).parents[1] / "docs" / "errors.md"


def main(*, check: bool) -> int:
    """Write the page if it differs, or name it; 1 when ``check`` found it stale."""
    text = page()
    if PAGE.is_file() and PAGE.read_text("utf-8") == text:
        return 0
    print(f"{'stale' if check else 'written'}: docs/errors.md")
    if not check:
        PAGE.write_text(text, "utf-8", newline="\n")
    return 1 if check else 0


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))

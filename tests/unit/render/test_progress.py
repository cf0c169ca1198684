"""A bar for long work on a terminal, nothing otherwise; what is iterated is never changed."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

from wfsync.render.progress import tracker
from wfsync.state.progress import untracked

SLOW = """
import itertools, sys, time
from wfsync.render.progress import tracker
track = tracker(quiet={quiet}, color=False)
ticks = itertools.count()
end = time.monotonic() + 1.6
items = itertools.takewhile(lambda _: time.monotonic() < end, ticks)
print(sum(1 for _ in track(items, "reading things", None)) > 10)
"""


def on_a_terminal(quiet: bool) -> tuple[str, str]:
    """stdout, and what a terminal on stderr saw."""
    primary, secondary = pty.openpty()
    code = SLOW.format(quiet=quiet)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=secondary)
    os.close(secondary)
    seen = b""
    while True:
        try:
            chunk = os.read(primary, 4096)
        except OSError:  # Linux says EIO when the other side is gone
            break
        if not chunk:
            break
        seen += chunk
    os.close(primary)
    out, _ = process.communicate(timeout=30)
    return out.decode(), seen.decode()


def test_a_bar_on_a_terminal_and_nothing_when_quiet() -> None:
    out, seen = on_a_terminal(quiet=False)
    assert out == "True\n"
    assert "reading things" in seen
    assert on_a_terminal(quiet=True) == ("True\n", "")


def test_no_terminal_no_bar() -> None:
    track = tracker(quiet=False, color=True)
    assert track is untracked
    items = [1, 2]
    assert track(items, "x", 2) is items

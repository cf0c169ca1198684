"""The reader of the result goes away (`wfsync apply | head -1`): the exit code still says what happened."""

from __future__ import annotations

from collections.abc import Callable
from subprocess import Popen

import pytest

from databases import LayoutName
from shop import OLD, Subject

Make = Callable[[LayoutName], Subject]
Wanted = Callable[[LayoutName], dict[str, str]]


def unheard(process: Popen[bytes], *, errors: bool) -> int:
    """Close stdout (and stderr) before anything is written; the exit code."""
    with process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        if errors:
            process.stderr.close()
        return process.wait(30)


@pytest.mark.parametrize("errors", [False, True])
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_refusal(shop: Make, form: str, errors: bool) -> None:
    subject = shop("A")
    with subject.unchanged():
        assert unheard(subject.start("apply", "--format", form), errors=errors) == 3


def test_a_success(shop: Make, wanted: Wanted) -> None:
    subject = shop("B")
    assert unheard(subject.start_apply(), errors=True) == 0
    assert subject.digests() == wanted("B")


def test_changes_that_are_pending(shop: Make) -> None:
    subject = shop("wfsync")
    assert unheard(subject.start("plan", "--detailed-exitcode"), errors=False) == 2
    assert unheard(subject.start("export", "--all", "--check"), errors=False) == 2


def test_one_bundle(shop: Make) -> None:
    subject = shop("A")
    assert unheard(subject.start("export", *OLD, "--bundle", "-"), errors=False) == 0

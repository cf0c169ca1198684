"""Files as GitHub Actions knows them."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wfsync.errors import Problem

__all__ = ["from_checkout"]


def from_checkout(problem: Problem) -> Problem:
    """``problem`` with its file relative to the checkout, wherever the command was started."""
    checkout = os.environ.get("GITHUB_WORKSPACE")
    if not checkout or problem.place is None:
        return problem
    file = os.path.relpath(problem.place.file, checkout)
    return problem if file.startswith("../") else replace(problem, place=replace(problem.place, file=file))

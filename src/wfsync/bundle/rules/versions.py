"""Version numbers: unique in a workflow, 1 to 2 147 483 647."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from wfsync.bundle.model import JsonObject
from wfsync.bundle.rules.fault import Fault

__all__ = ["INT32_MAX", "check"]

INT32_MAX: Final = 2_147_483_647


def check(workflow: JsonObject) -> Iterator[Fault]:
    """Faults of the published versions' numbers."""
    first: dict[int, int] = {}
    for index, published in enumerate(workflow["publishedVersions"]):
        version, path = published["version"], ("publishedVersions", index, "version")
        if not 1 <= version <= INT32_MAX:
            yield Fault(code="INVALID_VALUE", path=path, message=f"version must be 1 to {INT32_MAX}, not {version}")
        if version in first:
            yield Fault(
                code="DUPLICATE_VERSION",
                path=path,
                message=f"version {version} is published twice",
                hint="give each published version its own number",
                related=(("publishedVersions", first[version], "version"),),
                details={"version": version},
            )
        else:
            first[version] = index

"""Publish validation: may this definition become a version that is executed? (spec: runtime.md "Publish validation").

Belongs here: every check with its code, one file for each concern; pure functions from a definition and a registry to
`Finding`s. Does not belong here: reading files or rows, writing a version (`wfsync.publishing`), showing findings, and
what is known only when a step runs.
"""

from wfsync.runtime.publish_checks.checks import check
from wfsync.runtime.publish_checks.finding import Finding
from wfsync.runtime.publish_checks.subject import Callees
from wfsync.runtime.publish_checks.values import named_secrets

__all__ = ["Callees", "Finding", "check", "named_secrets"]

"""``ai.infer`` for wfsync: what a language model answers, as a step of a workflow.

A package of its own: wfsync finds it by its entry point (group ``wfsync.plugins``) and never imports it by name. It
uses `wfsync.runtime.registry`, and the checker of JSON Schemas that wfsync itself uses.
"""

from __future__ import annotations

from typing import Final

from wfsync.runtime.registry import Plugin
from wfsync_ai.infer import INFER

__all__ = ["PLUGIN"]

PLUGIN: Final = Plugin("wfsync-ai", actions=(INFER,))

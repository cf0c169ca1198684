"""Codes about what can be executed: plugins, and what a registry lists."""

from __future__ import annotations

from typing import Final

from wfsync.render.explanations.entry import Chapter, Explanation

REGISTRY: Final = Chapter(
    "Registry and plugins",
    "What an instance offers: `wfsync registry list|check|export`.",
    (
        Explanation(
            "PLUGIN_FAILED",
            1,
            "A plugin cannot be used. Its package cannot be imported, raises an error, gives something that is no"
            " `Plugin`, or offers an entry that no instance could work with, such as a schema that is none. Nothing"
            " of that plugin is offered.",
            "Repair the plugin at the place that is named, or uninstall its package; docs/plugins.md says what a"
            " plugin gives.",
        ),
        Explanation(
            "PLUGIN_DUPLICATE",
            1,
            "Two plugins offer the same action and version, node type or payload schema. Which of the two would be"
            " used could not be told from the files, so nothing of the second one is offered.",
            "Uninstall one of the two, or give what it offers another name or version.",
        ),
        Explanation(
            "REGISTRY_UNUSED",
            0,
            "The registry offers what no workflow in the repository needs. That is harmless.",
            "Nothing, or shorten the file.",
        ),
    ),
)

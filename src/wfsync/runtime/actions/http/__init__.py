"""``http.request``: calls to other services, to no place that nobody allowed.

Whoever writes a workflow, or sends a payload that becomes a part of an address, is not trusted with the network that
the worker stands in. `rules` says which places may be called, `resolving` finds every address of a name, `exchange`
speaks with the one that was checked, `request` puts them together and follows redirects.
"""

from __future__ import annotations

from wfsync.runtime.actions.http.request import HTTP

__all__ = ["HTTP"]

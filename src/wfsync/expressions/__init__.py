"""JSONata as workflows use it: checked, bounded and safe to share (spec: runtime.md "Expressions").

The only room that imports jsonata and re2; both come with ``wfsync[runtime]``, so nothing here imports them before an
expression is compiled. Knows nothing of workflows: text and plain JSON values come in, JSON values come out.
"""

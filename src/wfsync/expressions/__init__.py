"""JSONata as workflows use it: checked, bounded and safe to share (spec: runtime.md "Expressions").

The only room that imports jsonata and re2; both come with ``wfsync[runtime]``, so nothing here imports them before an
expression is compiled. Knows nothing of workflows: text and plain JSON values come in, JSON values come out.

::

    expression = compile_expression("payload.total > 100")   # cached; ExpressionFault
    expression.evaluate({"payload": {"total": 7}}, now)       # a JSON value or MISSING; EvaluationFailed

Does not belong here: where expressions stand in a definition, what a missing result means to a step, categories of
errors, secrets.
"""

from wfsync.expressions.expression import Expression, check_expression, compile_expression
from wfsync.expressions.faults import MISSING, EvaluationAborted, EvaluationFailed, ExpressionFault, Missing
from wfsync.expressions.library import installed

__all__ = [
    "MISSING",
    "EvaluationAborted",
    "EvaluationFailed",
    "Expression",
    "ExpressionFault",
    "Missing",
    "check_expression",
    "compile_expression",
    "installed",
]

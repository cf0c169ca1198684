"""The functions that every expression has: JSONata's pure ones, and the five of runtime.md.

Belongs here: one `Builtin` for each name, grouped by what they work on. Each is bounded: arguments are paid for before
it runs (`Builtin.call`), results after, and what could grow beyond both is measured before it is made. Does not belong
here: whatever is not a function of its arguments and of the run's moment (`$random`, `$now`, `$millis`, `$shuffle`,
`$eval`); they cannot be reached because they are in no table.
"""

from __future__ import annotations

from typing import Final

from wfsync.expressions.calls import Builtin
from wfsync.expressions.functions.lists import LISTS
from wfsync.expressions.functions.moments import MOMENTS
from wfsync.expressions.functions.numbers import NUMBERS
from wfsync.expressions.functions.objects import OBJECTS
from wfsync.expressions.functions.own import OWN
from wfsync.expressions.functions.texts import TEXTS

__all__ = ["BUILTINS"]

BUILTINS: Final[dict[str, Builtin]] = {
    function.name: function for table in (TEXTS, NUMBERS, LISTS, OBJECTS, MOMENTS, OWN) for function in table
}
"""By name, without ``$``."""

"""What going back means, without any repository."""

from __future__ import annotations

from typing import get_args

import pytest

from wfsync.errors import Refused
from wfsync.repo.ancestry import Relation, refuse_rewind, rewind_note

OLD, NEW = "a" * 40, "b" * 40


@pytest.mark.parametrize("found", get_args(Relation))
@pytest.mark.parametrize("allowed", [False, True])
def test_only_going_back_needs_consent(found: Relation, allowed: bool) -> None:
    if found in {"behind", "diverged"} and not allowed:
        with pytest.raises(Refused) as caught:
            refuse_rewind(found, OLD, NEW, allowed=allowed)
        assert caught.value.code == "REWIND"
        assert caught.value.details == {"relation": found, "last": OLD, "commit": NEW}
    else:
        refuse_rewind(found, OLD, NEW, allowed=allowed)
    note = rewind_note(found, OLD)
    assert (note is not None) == (found == "unknown")

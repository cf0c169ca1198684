"""What a comparison is asked, apart from its two sides."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wfsync.bundle.field_policies import GIT_OWNS_ALL, Policies
from wfsync.plan.guard import Brakes, Consent
from wfsync.plan.model import Overwrite, SourceRef
from wfsync.state.progress import Track, untracked
from wfsync.state.selection import Selection

if TYPE_CHECKING:
    from wfsync.plan.managed import ManagedState
    from wfsync.plan.ownership import Standing
    from wfsync.plan.state import LiveState
    from wfsync.repo.source import SourceInfo
    from wfsync.state.live import Reading

__all__ = ["PlanOptions", "source_of"]

_NO_CONSENT: Final = Consent()
_NO_BRAKES: Final = Brakes()
_ALL: Final = Selection()


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """What decides how a plan comes out, apart from the two states."""

    overwrite: Overwrite
    consent: Consent = _NO_CONSENT
    details: bool = True
    """Whether to work out what differs inside overwritten workflows."""
    track: Track = untracked
    policies: Policies = GIT_OWNS_ALL
    """What the target holds apart from what files say; the files are loaded under the same."""
    source: str | None = None
    """What the source is called in the ledger; None: whose a key is does not matter (`import`)."""
    prune: bool = False
    """Whether workflows are deleted that this source created and that have no file any more."""
    brakes: Brakes = _NO_BRAKES
    about: Selection | Collection[str] = _ALL
    """Which keys the command is about, whether they have a file or not."""
    standings: Callable[[LiveState, ManagedState], Mapping[str, Standing]] | None = None
    """How keys stand, where it is no repository that says so: a rollback."""
    reading: Reading = "unproven"
    """How far the ledger's evidence is believed; an apply wants fingerprints, too."""

    @property
    def rules(self) -> tuple[object, ...]:
        """Everything here that decides what is found; `standings` is the business of who gives it."""
        return (
            self.overwrite,
            self.consent,
            self.details,
            self.policies,
            self.source,
            self.prune,
            self.brakes,
            self.about,
        )


def source_of(info: SourceInfo | None) -> SourceRef:
    """Where files were read, as a plan names it; ``None``: they were named one by one."""
    if info is None:
        return SourceRef(root="", directory="")
    return SourceRef(info.root, info.directory, info.commit, info.branch, bool(info.dirty), info.rev)

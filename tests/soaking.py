"""Kill -9 of ``wfsync watch`` at random points, again and again: nothing is lost, nothing is half done.

Each cycle pushes one random edit of several workflows, starts an instance (or keeps one of the last cycle), and kills
it after a random time, sometimes while a second one stands by. Rows are written slowly on purpose, so that many kills
fall into a transaction. After each kill the database must hold exactly one revision that was pushed, never an older one
than before, and the ledger must say which.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from shop import until
from small_bundles import bundle, call, set_state
from watching import Place, Watch

__all__ = ["Soak"]

_KEYS = ("a", "b", "c", "d", "e", "f")
_SLOW = (
    "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.015); RETURN NEW; END $$",
    "CREATE TRIGGER slow BEFORE INSERT OR UPDATE ON workflow_definitions FOR EACH ROW EXECUTE FUNCTION slow()",
    "CREATE TRIGGER slow BEFORE INSERT ON workflow_definition_versions FOR EACH ROW EXECUTE FUNCTION slow()",
)

State = dict[str, str]


@dataclass
class Soak:
    """One database and one repository that live through many kills."""

    place: Place
    seed: int
    revisions: list[tuple[str, State]] = field(default_factory=list)
    """Every pushed commit with what the database must hold then: description by key."""
    reached: int = -1
    """The newest revision that was seen in the database."""
    found: Counter[str] = field(default_factory=Counter)
    watches: list[Watch] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.place.database.execute(*_SLOW)

    def run(self, cycles: int) -> None:
        """So many kills, each checked, and at the end one undisturbed sync."""
        for number in range(cycles):
            try:
                self.cycle()
            except AssertionError as error:
                said = "\n".join("".join(watch.lines) for watch in self.watches)
                raise AssertionError(f"seed {self.seed}, cycle {number}: {error}\n{said}") from error
        for watch in self.watches:
            watch.process.kill()
        until(lambda: not self.place.sessions(), "the server has ended every session")
        done = self.place.once("--force", "--overwrite", self.random.choice(["replace", "update"]))
        assert done.code == 0, done.stderr
        self.check()
        assert self.reached == len(self.revisions) - 1, "the last revision was lost"
        plan = self.place.cli(*self._plan(), cwd=self.place.folder)
        assert plan.code == 0, plan.output

    def cycle(self) -> None:
        """Push, wait for a moment, kill, look."""
        self.push()
        self.watches = [watch for watch in self.watches if watch.process.poll() is None]
        while len(self.watches) < self.random.choice([1, 1, 2]):
            mode = self.random.choice(["replace", "update"])
            self.watches.append(self.place.watch("--force", "--overwrite", mode, interval=0.05))
        self.moment()
        self.found["in a transaction"] += bool(self.place.sessions("backend_xid IS NOT NULL"))
        victim = self.watches.pop(self.random.randrange(len(self.watches)))
        victim.process.kill()
        victim.process.wait()
        self.found["kills"] += 1
        self.check()

    def moment(self) -> None:
        """Wait until something or nothing in particular happens."""
        kind = self.random.choice(["writing", "writing", "writing", "connected", "synced", "synced", "any"])
        self.found[kind] += 1
        deadline = time.monotonic() + 10
        conditions: dict[str, Callable[[], object]] = {
            "writing": lambda: self.place.sessions("backend_xid IS NOT NULL"),
            "connected": self.place.sessions,
            "synced": lambda: self._position() == len(self.revisions) - 1,
            "any": lambda: True,
        }
        while not conditions[kind]() and time.monotonic() < deadline:
            # what a session was to be caught at may be over already
            if kind == "writing" and self._position() == len(self.revisions) - 1:
                break
            time.sleep(0.002)
        time.sleep(self.random.random() * (0.08 if kind != "any" else 1.5))

    def push(self) -> None:
        """A revision in which some workflows are other ones."""
        state = dict(self.revisions[-1][1]) if self.revisions else {}
        changed = self.random.sample(_KEYS, self.random.randint(1, len(_KEYS))) if state else _KEYS
        for key in changed:
            state[key] = f"revision {len(self.revisions)} of {key}"
        # "b" calls "a": a replaced callee relinks its caller
        bundles = [bundle(key, [call("a")] if key == "b" else [set_state()], description=state[key]) for key in changed]
        self.revisions.append((self.place.push(*bundles), state))

    def _position(self) -> int:
        """Which revision the database holds; -1 is the empty one. It must hold one of them, whole."""
        names = self.place.names()
        if not names:
            return -1
        found = [number for number, (_, state) in enumerate(self.revisions) if state == names]
        assert found, f"the database is half of something: {names}"
        return found[-1]

    def check(self) -> None:
        """What must be true whatever was killed. A server that has not noticed yet may still roll back or commit."""
        until(lambda: not self.place.sessions("backend_xid IS NOT NULL") or self.watches, "it is at rest")
        ledger = self.place.applies()
        position = self._position()
        assert position >= self.reached, f"revision {self.reached} was there, now it is {position}"
        self.found["advances"] += position > self.reached
        self.reached = position
        with self.place.database.connect() as conn:
            dangling = conn.execute(
                "SELECT d.key FROM workflow_definitions d, jsonb_path_query(d.draft_definition, '$.**.workflowId') c"
                " WHERE NOT EXISTS (SELECT FROM workflow_definitions x WHERE x.workflow_id::text = c #>> '{}')"
            ).fetchall()
            # One statement sees one moment: what is managed is what is there
            drifted = conn.execute(
                "SELECT coalesce(d.key, m.key) FROM workflow_definitions d FULL JOIN wfsync.managed m USING (key)"
                " WHERE d.workflow_id::text IS DISTINCT FROM m.workflow_id"
                if self._has_ledger()
                else "SELECT key FROM workflow_definitions"
            ).fetchall()
            orphans = conn.execute(
                "SELECT 1 FROM wfsync.apply_changes c WHERE NOT EXISTS"
                " (SELECT FROM wfsync.applies a WHERE a.tenant = c.tenant AND a.apply_id = c.apply_id)"
                if self._has_ledger()
                else "SELECT 1 WHERE false"
            ).fetchall()
        assert not dangling, f"a call leads nowhere: {dangling}"
        assert not drifted, f"the ledger and the rows differ: {drifted}"
        assert not orphans, "changes of an apply that is not in the ledger"
        applied = [commit for outcome, commit in ledger if outcome == "applied"]
        twice = [commit for commit, count in Counter(applied).items() if count > 1]
        assert not twice, f"applied twice: {twice}"
        order = [number for commit in applied for number, (known, _) in enumerate(self.revisions) if known == commit]
        assert order == sorted(order), f"applied out of order: {order}"

    def _has_ledger(self) -> bool:
        with self.place.database.connect() as conn:
            row = conn.execute("SELECT to_regclass('wfsync.managed') IS NOT NULL").fetchone()
        return bool(row and row[0])

    def _plan(self) -> list[str]:
        tenant = ["--tenant", self.place.database.tenant] if self.place.database.tenant else []
        source = ["--repo", str(self.place.bare.path), "--rev", "main"]
        return ["--database", self.place.database.conninfo, *tenant, "plan", "--detailed-exitcode", *source]

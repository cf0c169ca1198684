"""What a delete would take: counted by following foreign keys, compared with what a delete really takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random

import psycopg
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from databases import LAYOUTS, OTHER_TENANT, Database, Databases, LayoutName
from rows import Session, kept, new, session, workflow_id
from wfsync.store.cascade import Cascades, count
from wfsync.store.connection import snapshot
from wfsync.store.rewrite import delete
from wfsync.store.runs import active_runs
from wfsync.store.strong_components import strong_components


@pytest.fixture
def opened(database: Databases) -> Iterator[Session]:
    """Layout A: three workflows with two versions each, no runs."""
    with session(database("A")) as s:
        s.write(*(new(n) for n in range(1, 4)))
        yield s


def _count(s: Session, *numbers: int, limit: int = 1_000_000) -> Cascades:
    with snapshot(s.conn):
        return count(s.conn, s.layout, s.tenant, [workflow_id(n) for n in numbers], limit=limit)


def _totals(cascades: Cascades) -> dict[tuple[str, str], int]:
    return {(c.table, c.effect): c.rows for c in cascades.totals}


def _of(cascades: Cascades, number: int) -> dict[str, int]:
    return {c.table: c.rows for c in cascades.by_workflow[workflow_id(number)]}


def _run(s: Session, number: int, workflow: int, status: str = "SUCCEEDED", parent: int | None = None) -> str:
    run = workflow_id(1000 + number)
    column = s.layout.tenant
    names, values = (f"{column.name}, ", f"'{s.tenant.value}', ") if column and s.tenant else ("", "")
    s.conn.execute(
        f"INSERT INTO workflow_runs ({names}run_id, workflow_id, workflow_version, status, parent_run_id)"
        f" VALUES ({values}%s, %s, 1, %s, %s)",
        [run, workflow_id(workflow), status, None if parent is None else workflow_id(1000 + parent)],
    )
    return run


VERSIONS = ("workflow_definition_versions", "deleted")
RUNS = ("workflow_runs", "deleted")
STEPS = ("workflow_run_steps", "deleted")
LOGS = ("workflow_run_logs", "deleted")


def test_nothing_to_delete_takes_nothing(opened: Session) -> None:
    assert _count(opened) == Cascades()
    assert _count(opened, 99) == Cascades()


def test_an_instance_without_tables_has_no_cascade(database: Databases) -> None:
    with session(database("empty")) as s:
        assert count(s.conn, s.layout, None, [workflow_id(1)]) == Cascades()
        assert active_runs(s.conn, s.layout, None, [workflow_id(1)]) == {}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_counts_versions_and_runs(database: Databases, layout: LayoutName) -> None:
    with session(database(layout)) as s:
        s.write(new(1), new(2, versions=(1,)), new(3))
        _run(s, 1, 1)
        _run(s, 2, 2)
        cascades = _count(s, 1, 2)
        assert _totals(cascades) == {VERSIONS: 3, RUNS: 2}
        assert _of(cascades, 1) == {"workflow_definition_versions": 2, "workflow_runs": 1}
        assert _of(cascades, 2) == {"workflow_definition_versions": 1, "workflow_runs": 1}
        assert all(c.via and not c.capped for c in cascades.totals)


def test_each_row_is_counted_once_through_diamonds_and_self_references(opened: Session) -> None:
    """Logs hang on runs and on steps; runs on workflows and on runs."""
    run = _run(opened, 1, 1)
    child = _run(opened, 2, 1, parent=1)
    stranger = _run(opened, 3, 2, parent=2)
    opened.conn.execute("INSERT INTO workflow_run_steps (step_id, run_id) VALUES (%s, %s)", [workflow_id(7), run])
    for owner in (run, child, stranger):
        opened.conn.execute(
            "INSERT INTO workflow_run_logs (run_id, step_id) VALUES (%s, %s), (%s, NULL)",
            [owner, workflow_id(7), owner],
        )

    alone = _count(opened, 1)
    assert _totals(alone) == {VERSIONS: 2, RUNS: 3, STEPS: 1, LOGS: 6}
    both = _count(opened, 1, 2)
    assert _totals(both) == {VERSIONS: 4, RUNS: 3, STEPS: 1, LOGS: 6}
    assert _of(both, 1)["workflow_runs"] == 3
    assert _of(both, 2)["workflow_runs"] == 1, "the stranger hangs on both, and is counted once in all"
    via = {c.table: c.via for c in both.totals}
    assert set(via["workflow_runs"]) == {"workflow_runs_workflow_id_fkey", "workflow_runs_parent_run_id_fkey"}


def test_what_is_detached_and_what_blocks(opened: Session) -> None:
    opened.conn.execute(
        "CREATE SCHEMA elsewhere;"
        "CREATE TABLE elsewhere.notes (n int, workflow_id uuid REFERENCES workflow_definitions ON DELETE SET NULL);"
        "CREATE TABLE elsewhere.later (n int, workflow_id uuid REFERENCES workflow_definitions ON DELETE SET DEFAULT);"
        "CREATE TABLE guards (n int, workflow_id uuid REFERENCES workflow_definitions ON DELETE RESTRICT);"
        "CREATE TABLE quiet (n int, workflow_id uuid REFERENCES workflow_definitions);"
        'CREATE TABLE "Odd "" table" ("a b" int, "Workflow" uuid REFERENCES workflow_definitions ON DELETE CASCADE);'
        "CREATE INDEX ON elsewhere.notes (workflow_id)"
    )
    for table, rows in (
        ("elsewhere.notes", 2),
        ("elsewhere.later", 1),
        ("guards", 3),
        ("quiet", 1),
        ('"Odd "" table"', 4),
    ):
        opened.conn.execute(f"INSERT INTO {table} SELECT n, %s FROM generate_series(1, {rows}) n", [workflow_id(1)])
        opened.conn.execute(f"INSERT INTO {table} SELECT n, %s FROM generate_series(1, 9) n", [workflow_id(3)])

    cascades = _count(opened, 1, 2)

    assert _totals(cascades) == {
        VERSIONS: 4,
        ('Odd " table', "deleted"): 4,
        ("elsewhere.notes", "detached"): 2,
        ("elsewhere.later", "detached"): 1,
        ("guards", "blocked"): 3,
        ("quiet", "blocked"): 1,
    }
    assert {c.table for c in cascades.totals if not c.indexed} == {'Odd " table', "elsewhere.later", "guards", "quiet"}
    warnings = {p.details["table"]: p for p in cascades.problems}
    assert set(warnings) == {'Odd " table', "elsewhere.later", "guards", "quiet"}
    assert {(p.code, p.severity) for p in warnings.values()} == {("FOREIGN_KEY_WITHOUT_INDEX", "warning")}
    assert _of(cascades, 2) == {"workflow_definition_versions": 2}
    assert [c.effect for c in cascades.totals][:2] == ["blocked", "blocked"], "what stands in the way comes first"


def test_rows_that_go_anyway_do_not_block(opened: Session) -> None:
    """A run may not lose its version by RESTRICT, but goes with its workflow itself."""
    opened.conn.execute(
        "ALTER TABLE workflow_runs ADD FOREIGN KEY (workflow_id, workflow_version)"
        " REFERENCES workflow_definition_versions (workflow_id, version)"
    )
    _run(opened, 1, 1)
    assert _totals(_count(opened, 1)) == {VERSIONS: 2, RUNS: 1}


def test_versions_are_deleted_explicitly_whatever_their_foreign_key_says(opened: Session) -> None:
    opened.conn.execute(
        "ALTER TABLE workflow_definition_versions DROP CONSTRAINT workflow_definition_versions_workflow_id_fkey"
    )
    assert _totals(_count(opened, 1)) == {VERSIONS: 2}
    opened.conn.execute(
        "ALTER TABLE workflow_definition_versions ADD FOREIGN KEY (workflow_id) REFERENCES workflow_definitions"
    )
    assert _totals(_count(opened, 1)) == {VERSIONS: 2}


def test_tables_in_a_circle(opened: Session) -> None:
    """Folders belong to workflows, workflows to folders: a delete goes round, and takes another workflow along."""
    opened.conn.execute(
        "CREATE TABLE folders (id int PRIMARY KEY, owner uuid REFERENCES workflow_definitions ON DELETE CASCADE);"
        "ALTER TABLE workflow_definitions ADD folder int REFERENCES folders ON DELETE CASCADE;"
        "CREATE TABLE labels (id serial, folder int REFERENCES folders ON DELETE CASCADE)"
    )
    opened.conn.execute("INSERT INTO folders VALUES (1, %s), (2, %s)", [workflow_id(1), workflow_id(2)])
    opened.conn.execute("UPDATE workflow_definitions SET folder = 1 WHERE workflow_id = %s", [workflow_id(2)])
    opened.conn.execute("UPDATE workflow_definitions SET folder = 2 WHERE workflow_id = %s", [workflow_id(1)])
    opened.conn.execute("INSERT INTO labels (folder) VALUES (1), (1), (2)")

    gone = {VERSIONS: 4, ("folders", "deleted"): 2, ("labels", "deleted"): 3}
    assert _totals(_count(opened, 1)) == gone | {("workflow_definitions", "deleted"): 1}
    assert _totals(_count(opened, 1, 2)) == gone, "both were asked for: neither goes along"


def test_counting_stops_at_the_limit(opened: Session) -> None:
    run = _run(opened, 1, 1)
    opened.conn.execute("INSERT INTO workflow_run_steps (run_id) SELECT %s FROM generate_series(1, 50)", [run])
    opened.conn.execute("INSERT INTO workflow_run_logs (run_id) SELECT %s FROM generate_series(1, 3)", [run])
    capped = {c.table: (c.rows, c.capped) for c in _count(opened, 1, limit=10).totals}
    assert capped["workflow_run_steps"] == (10, True)
    assert capped["workflow_runs"] == (1, False)
    assert capped["workflow_run_logs"] == (3, True), "some may hang on steps that were not looked at"
    exact = {c.table: (c.rows, c.capped) for c in _count(opened, 1, limit=50).totals}
    assert exact["workflow_run_steps"] == (50, False)


def test_a_limit_reached_by_rows_that_two_workflows_share_is_a_limit(opened: Session) -> None:
    """What is cut short is never said to be exact, also where each row was found twice."""
    _run(opened, 0, 1)
    for number in range(1, 6):
        _run(opened, number, 2, parent=0)
    (runs,) = (c for c in _count(opened, 1, 2, limit=7).totals if c.table == "workflow_runs")
    assert runs.capped
    (runs,) = (c for c in _count(opened, 1, 2, limit=11).totals if c.table == "workflow_runs")
    assert (runs.rows, runs.capped) == (6, False)


def test_a_table_that_may_not_be_read_is_a_note(database: Databases) -> None:
    place = database("A")
    role = f"limited_{place.name}"
    place.execute(
        f"CREATE ROLE {role}",
        f"GRANT SELECT ON workflow_definitions, workflow_definition_versions, workflow_run_steps TO {role}",
    )
    with session(place) as s:
        s.write(new(1))
        _run(s, 1, 1)
        s.conn.execute(f"SET SESSION AUTHORIZATION {role}")
        cascades = _count(s, 1)
        s.conn.execute("RESET SESSION AUTHORIZATION")
    place.execute(f"DROP OWNED BY {role}", f"DROP ROLE {role}")
    assert _totals(cascades) == {VERSIONS: 2}
    (note,) = cascades.problems
    assert (note.code, note.severity, note.details["table"]) == ("CASCADE_UNKNOWN", "note", "workflow_runs")


def test_rows_that_row_security_may_hide_are_a_note(database: Databases) -> None:
    place = database("A")
    role = f"hidden_{place.name}"
    place.execute(
        f"CREATE ROLE {role}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}",
        "ALTER TABLE workflow_runs ENABLE ROW LEVEL SECURITY",
    )
    with session(place) as s:
        s.write(new(1))
        _run(s, 1, 1)
        s.conn.execute(f"SET SESSION AUTHORIZATION {role}")
        cascades = _count(s, 1)
        s.conn.execute("RESET SESSION AUTHORIZATION")
    place.execute(f"DROP OWNED BY {role}", f"DROP ROLE {role}")
    assert [(p.code, p.details["table"]) for p in cascades.problems] == [("CASCADE_UNKNOWN", "workflow_runs")]


def test_partitioned_tables_are_counted_as_one(opened: Session) -> None:
    opened.conn.execute(
        "CREATE TABLE facts (n int, workflow_id uuid REFERENCES workflow_definitions ON DELETE CASCADE)"
        " PARTITION BY HASH (n);"
        "CREATE TABLE facts_0 PARTITION OF facts FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
        "CREATE TABLE facts_1 PARTITION OF facts FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
        "CREATE INDEX ON facts (workflow_id)"
    )
    opened.conn.execute("INSERT INTO facts SELECT n, %s FROM generate_series(1, 20) n", [workflow_id(1)])
    cascades = _count(opened, 1)
    assert _totals(cascades) == {VERSIONS: 2, ("facts", "deleted"): 20}
    assert cascades.problems == ()


@pytest.mark.parametrize(
    ("index", "serves"),
    [
        ("(workflow_id)", True),
        ("(tenant, workflow_id)", True),
        ("(workflow_id, n)", True),
        ("(tenant)", False),
        ("(n, workflow_id)", False),
        ("(workflow_id) WHERE workflow_id IS NOT NULL", True),
        ("(workflow_id) WHERE n IS NOT NULL", False),
        ("(workflow_id) WHERE n > 5", False),
        ("(workflow_id) WHERE workflow_id IS NOT NULL OR n IS NOT NULL", False),
        ("(upper(workflow_id::text))", False),
        ("USING brin (workflow_id)", False),
    ],
)
def test_which_indexes_serve_a_foreign_key(database: Databases, index: str, serves: bool) -> None:
    with session(database("B-Citus")) as s:
        s.write(new(1))
        s.conn.execute(
            "CREATE TABLE notes (tenant uuid, workflow_id uuid, n int, FOREIGN KEY (tenant, workflow_id)"
            f" REFERENCES workflow_definitions ON DELETE CASCADE); CREATE INDEX ON notes {index}"
        )
        assert [p.details["columns"] for p in _count(s, 1).problems] == ([] if serves else [["tenant", "workflow_id"]])


def test_another_tenants_rows_do_not_count(database: Databases) -> None:
    with session(database("B-Citus")) as s:
        other = s.as_tenant(OTHER_TENANT)
        s.write(new(1))
        other.write(new(1))
        _run(other, 1, 1)
        assert _totals(_count(s, 1)) == {VERSIONS: 2}
        assert _totals(_count(other, 1)) == {VERSIONS: 2, RUNS: 1}


def test_active_runs(opened: Session) -> None:
    for number, status in enumerate(("QUEUED", "RUNNING", "RUNNING", "WAITING", "SUCCEEDED", "FAILED", "CANCELED")):
        _run(opened, number, 1, status)
    _run(opened, 20, 2, "SUCCEEDED")
    _run(opened, 21, 3, "WAITING")
    with snapshot(opened.conn):
        ids = [workflow_id(1), workflow_id(2)]
        assert active_runs(opened.conn, opened.layout, None, ids) == {
            workflow_id(1): {"QUEUED": 1, "RUNNING": 2, "WAITING": 1}
        }
        assert active_runs(opened.conn, opened.layout, None, []) == {}


# ------------------------------------------------------------------------------------------- against PostgreSQL itself

_TABLES = st.lists(
    st.tuples(st.integers(-2, 4), st.integers(-2, 4), st.sampled_from(["CASCADE", "SET NULL"])), min_size=1, max_size=4
)
"""For each table, what its two foreign keys refer to (-2: workflows, -1: runs, n: the n-th table, itself, or none)."""


@pytest.fixture(scope="module")
def graph_database(_databases: Databases) -> Iterator[Database]:
    with kept(_databases, "A") as place:
        _fill(place)
        yield place


def _fill(place: Database) -> None:
    with session(place) as s:
        s.write(*(new(n) for n in range(1, 4)))
        for number in range(6):
            _run(s, number, number % 3 + 1, parent=number - 1 if number % 2 else None)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(tables=_TABLES, links=st.randoms(use_true_random=False), chosen=st.sets(st.integers(1, 3), min_size=1))
def test_the_count_is_what_a_delete_takes(
    graph_database: Database,
    tables: list[tuple[int, int, str]],
    links: Random,
    chosen: set[int],
) -> None:
    """Tables that refer to each other at random: count, delete, compare with what is left, roll back."""
    with session(graph_database) as s:
        s.conn.execute("BEGIN")
        for number in range(len(tables)):
            s.conn.execute(f"CREATE TABLE t{number} (id int PRIMARY KEY, a uuid, b uuid, x int, y int)")
        names = ["workflow_definitions", "workflow_runs", *(f"t{n}" for n in range(len(tables)))]
        for number, (first, second, action) in enumerate(tables):
            for target, by_id, by_number in ((first, "a", "x"), (second, "b", "y")):
                if target + 2 >= len(names):
                    continue
                column = by_id if target < 0 else by_number
                s.conn.execute(
                    f"ALTER TABLE t{number} ADD FOREIGN KEY ({column}) REFERENCES {names[target + 2]}"
                    f" ON DELETE {action if column in 'bx' else 'CASCADE'}"
                )
        for number, (first, second, _) in enumerate(tables):
            s.conn.execute(f"INSERT INTO t{number} SELECT n FROM generate_series(0, 4) n")
            del first, second
        for number, (first, second, _) in enumerate(tables):
            for row in range(5):
                for target, by_id, by_number in ((first, "a", "x"), (second, "b", "y")):
                    if target < 0:
                        value: object = workflow_id(links.randint(1, 3) if target == -2 else 1000 + links.randint(0, 5))
                        column = by_id
                    else:
                        value, column = links.randint(0, 4), by_number
                    if links.random() < 0.8:
                        s.conn.execute(f"UPDATE t{number} SET {column} = %s WHERE id = %s", [value, row])
        ids = [workflow_id(n) for n in chosen]
        cascades = count(s.conn, s.layout, s.tenant, ids)
        before = _sizes(s, names)
        try:
            delete(s.conn, s.layout, s.tenant, ids)
        except psycopg.errors.ForeignKeyViolation:
            # SET NULL of one column makes the server check the row's other keys, which it does only for rows of the
            # same transaction, and whose parent may be gone already by another path.
            s.conn.execute("ROLLBACK")
            reject()
        gone = before - _sizes(s, names)
        s.conn.execute("ROLLBACK")

    gone["workflow_definitions"] -= len(chosen)
    counted = Counter({c.table: c.rows for c in cascades.totals if c.effect == "deleted"})
    del counted["workflow_definition_versions"]
    assert +counted == +gone


def _sizes(s: Session, names: list[str]) -> Counter[str]:
    return Counter({name: s.rows(f"SELECT count(*) FROM {name}")[0][0] for name in names})


@given(st.dictionaries(st.integers(0, 7), st.sets(st.integers(0, 7)), min_size=8, max_size=8))
@settings(max_examples=60, deadline=None)
def test_components_are_in_order(edges: dict[int, set[int]]) -> None:
    """Every node once; two nodes together exactly if each reaches the other; none before one that leads to it."""
    reached = {node: _reach(edges, node) for node in edges}
    found = strong_components(edges)
    assert sorted(node for component in found for node in component) == sorted(edges)
    where = {node: position for position, component in enumerate(found) for node in component}
    for a in edges:
        for b in edges:
            assert (where[a] == where[b]) == (a == b or (b in reached[a] and a in reached[b]))
            assert b not in reached[a] or where[a] <= where[b]


def _reach(edges: dict[int, set[int]], start: int) -> set[int]:
    seen: set[int] = set()
    pending = list(edges[start])
    while pending:
        node = pending.pop()
        if node not in seen:
            seen.add(node)
            pending.extend(edges[node])
    return seen


def test_it_reads_only(opened: Session) -> None:
    """A standby refuses temporary tables and writes; so does a read-only transaction, except for temporary tables."""
    opened.conn.execute("BEGIN READ ONLY")
    count(opened.conn, opened.layout, opened.tenant, [workflow_id(1)])
    assert opened.rows("SELECT count(*) FROM pg_class WHERE relpersistence = 't'") == [(0,)]
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        opened.conn.execute("DELETE FROM workflow_definitions")
    opened.conn.execute("ROLLBACK")

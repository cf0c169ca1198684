"""Groups of environments in ``wfsync.yaml``: what they mean, and what is wrong with them, where it stands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfsync.config import Config, parse_config, resolve_environment
from wfsync.environments import Environment, TenantQuery
from wfsync.errors import ConfigError, Problem
from wfsync.groups import Wave, group_faults, member_names, waves_of

BLOCKS = """\
environments:
  a: { database_env: A_URL }
  b: { database_env: B_URL, tenant: t1 }
  c: { database_env: B_URL, tenant: t2 }
  all: { database_env: C_URL, tenants: all, overlay: o.yaml }
  some: { database_env: D_URL, tenants: [t1, t2] }
  more: { database_env: E_URL, tenants: { also: [t9], except: [t3] } }
  pair: { targets: [b, c] }
"""
LINE = BLOCKS.count("\n") + 2
"""Of the first line after the blocks, with the version above them."""


def parsed(text: str = "") -> Config:
    return parse_config(f"version: 1\n{BLOCKS}{text}".encode(), "wfsync.yaml")


def faults(text: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        parsed(text)
    return caught.value.problems


def waves(config: Config, name: str) -> list[tuple[str, list[str]]]:
    return [
        (wave.name, [environment.name for environment in wave.environments])
        for wave in waves_of(name, config.groups, config.environments)
    ]


def test_queries_for_tenants() -> None:
    config = parsed()
    assert config.environments["all"] == Environment("all", "C_URL", None, "o.yaml", TenantQuery())
    assert config.environments["some"].tenants == TenantQuery(found=False, listed=("t1", "t2"))
    assert config.environments["more"].tenants == TenantQuery(listed=("t9",), excluded=("t3",))
    assert set(config.groups) == {"pair"}
    assert "pair" not in config.environments


def test_waves_follow_each_other_and_targets_stand_side_by_side() -> None:
    config = parsed(
        "  fleet: { waves: [a, pair, late] }\n  late: { waves: [all, some] }\n  flat: { targets: [a, pair] }\n"
    )
    assert waves(config, "fleet") == [("a", ["a"]), ("pair", ["b", "c"]), ("all", ["all"]), ("some", ["some"])]
    assert waves(config, "flat") == [("flat", ["a", "b", "c"])]
    assert waves(config, "a") == [("a", ["a"])]
    assert member_names("fleet", config.groups, config.environments) == ("a", "b", "c", "all", "some")
    assert waves_of("all", config.groups, config.environments) == (Wave("all", (config.environments["all"],)),)
    with pytest.raises(ConfigError, match="neither"):
        waves_of("nothing", config.groups, config.environments)


@pytest.mark.parametrize(
    ("text", "pointer", "words"),
    [
        ("g: { targets: [a, ^stagign] }", "/environments/g/targets/1", "'stagign' is no environment"),
        ("g: { waves: [^pari] }", "/environments/g/waves/0", "did you mean 'pair'?"),
        ("g: { waves: [a, ^g] }", "/environments/g/waves/1", "would contain itself"),
        ("g: { targets: [a, pair, ^b] }", "/environments/g/targets/2", "'b' is a target of g already"),
        ("g: { targets: [a, ^a] }", "/environments/g/targets/1", "'a' is a target of g already"),
        ("w: { waves: [a] }\n  g: { targets: [^w] }", "/environments/g/targets/0", "has waves"),
        ("x: {}\n  g: { targets: [^x] }", "/environments/g/targets/0", "names no database"),
        (
            "x: { database_env: A_URL }\n  g: { waves: [a, ^x] }",
            "/environments/g/waves/1",
            "'x' is the same database as 'a'",
        ),
        (
            "x: { database_env: D_URL, tenant: t2 }\n  g: { waves: [some, ^x] }",
            "/environments/g/waves/1",
            "tenant t2 as 'some'",
        ),
        ("g: { targets: ^[] }", "/environments/g/targets", "must not be empty"),
        ("g: { waves: ^a }", "/environments/g/waves", "must be a list"),
        ("g: { targets: [a], ^tenant: t }", "/environments/g/tenant", "unknown property"),
        ("g: ^{ tenants: all }", "/environments/g", '"database_env" is missing'),
        ("g: { database_env: X, tenants: ^every }", "/environments/g/tenants", 'must be "all"'),
        ("g: { database_env: X, tenants: ^[] }", "/environments/g/tenants", "must not be empty"),
        ("g: { database_env: X, tenants: ^[t, t] }", "/environments/g/tenants", "twice"),
        ("g: { database_env: X, tenants: { ^only: [t] } }", "/environments/g/tenants/only", "unknown property"),
        ("g: { database_env: X, tenants: all, ^tenant: t }", "/environments/g/tenant", "unknown property"),
    ],
)
def test_a_fault_is_placed(text: str, pointer: str, words: str) -> None:
    before = f"  {text}".partition("^")[0]
    [fault] = faults(f"  {text.replace('^', '')}\n")
    assert words in fault.message
    assert fault.place is not None
    assert fault.place.pointer == pointer
    column = len(before.rpartition("\n")[2]) + 1
    assert (fault.place.line, fault.place.column) == (LINE + before.count("\n"), column)


def test_every_edge_of_a_cycle_is_named_and_nothing_else() -> None:
    found = faults("  g: { waves: [h, a] }\n  h: { waves: [g] }\n  i: { targets: [b, b] }\n")
    assert [p.place.pointer for p in found if p.place] == [
        "/environments/g/waves/0",
        "/environments/h/waves/0",
        "/environments/i/targets/1",
    ]


def test_a_group_is_not_an_environment_and_one_tenant_of_many_is() -> None:
    config = parsed()
    for name in ("pair", "all"):
        with pytest.raises(ConfigError) as caught:
            resolve_environment(name, {}, config)
        assert caught.value.code == "GROUP_NOT_ALLOWED"
    with pytest.raises(ConfigError) as caught:
        resolve_environment("pair", {}, config, "t1")
    assert caught.value.code == "GROUP_NOT_ALLOWED"
    chosen = resolve_environment("all", {}, config, "t1")
    assert chosen is not None
    assert chosen.environment == Environment("all", "C_URL", None, "o.yaml")
    with pytest.raises(ConfigError, match="pair"):
        resolve_environment("nobody", {}, config)


_NAMES = [*"abcdef"]


@given(
    st.dictionaries(
        st.sampled_from(_NAMES),
        st.one_of(
            st.fixed_dictionaries({"targets": st.lists(st.sampled_from(_NAMES), min_size=1, max_size=4)}),
            st.fixed_dictionaries({"waves": st.lists(st.sampled_from(_NAMES), min_size=1, max_size=4)}),
            st.just({"database_env": "?"}),
        ),
    )
)
def test_whatever_groups_say_they_are_refused_or_reach_each_target_once(blocks: dict[str, dict[str, object]]) -> None:
    for name, block in blocks.items():
        if block == {"database_env": "?"}:
            blocks[name] = {"database_env": f"{name.upper()}_URL"}
    tree = {"version": 1, "environments": blocks}
    if list(group_faults(tree)):
        return
    from wfsync.environments import environments_of
    from wfsync.groups import groups_of

    groups, environments = groups_of(tree), environments_of(tree)
    for name in groups:
        members = member_names(name, groups, environments)
        assert members
        assert len(set(members)) == len(members)
        assert set(members) <= set(environments)

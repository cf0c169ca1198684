"""`policy:` and the options that go before it."""

from __future__ import annotations

import pytest

from wfsync.config import parse_config
from wfsync.errors import ConfigError
from wfsync.plan.limits import Limit
from wfsync.policy import Policy, Wishes

WRITTEN = b"""version: 1
source: example.org/flows
policy:
  prune: true
  max_changes: 10
  max_deletes: 25%
  protected: ["system.*", billing]
"""


def test_what_the_file_says() -> None:
    config = parse_config(WRITTEN, "wfsync.yaml")
    assert config.source == "example.org/flows"
    assert config.policy == Policy(True, Limit(10), Limit(25, percent=True), ("system.*", "billing"))


def test_the_defaults() -> None:
    for text in (b"version: 1\n", b"version: 1\npolicy: {max_changes: null, max_deletes: null}\n"):
        config = parse_config(text, "wfsync.yaml")
        assert config.source is None
        assert config.policy == Policy()


@pytest.mark.parametrize(
    "line",
    ["policy: {max_deletes: 101%}", "policy: {max_deletes: -1}", "policy: {max_changes: 1.5}", "source: file:/x",
     "policy: {max_changes: some}", "policy: {prune: 1}", "policy: {protected: system}", "source: a b", "source: ''"],
)  # fmt: skip
def test_what_is_refused(line: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_config(f"version: 1\n{line}\n".encode(), "wfsync.yaml")
    assert {problem.place.line for problem in raised.value.problems if problem.place} == {2}


def test_options_go_before_the_file() -> None:
    policy = Policy(True, Limit(1), Limit(2), ("a",))
    assert policy.prunes(Wishes())
    assert not policy.prunes(Wishes(prune=False))
    wished = policy.brakes(Wishes(None, "skip", Limit(0), Limit(9)), "named")
    assert (wished.max_changes, wished.max_deletes, wished.on_drift) == (Limit(0), Limit(9), "skip")
    said = policy.brakes(Wishes(), "named")
    assert (said.protected, said.max_changes, said.max_deletes) == (("a",), Limit(1), Limit(2))


def test_drift_fails_in_a_named_database_and_is_overwritten_in_the_embedded_one() -> None:
    assert Policy().brakes(Wishes(), "named").on_drift == "fail"
    assert Policy().brakes(Wishes(), "embedded").on_drift == "overwrite"

"""Environments and field policies in ``wfsync.yaml``, and which setting wins (spec: cli.md "Global options")."""

from __future__ import annotations

from typing import Any

import pytest

from wfsync.bundle.field_policies import Policies
from wfsync.config import Config, named_environment, parse_config, resolve_database, resolve_environment, resolve_tenant
from wfsync.environments import ChosenEnvironment, Environment
from wfsync.errors import ConfigError, Problem

SECRET = "hunter2"
ADDRESS = f"postgresql://ada:{SECRET}@db.example.org/prod"
PRODUCTION = Environment("production", "PRODUCTION_URL", "t1", "overlays/production.yaml")
EXPLICIT = ChosenEnvironment(PRODUCTION, explicit=True)
WEAK = ChosenEnvironment(PRODUCTION, explicit=False)
STRAY = {"WFSYNC_DATABASE_URL": "postgresql:///stray", "WFSYNC_TENANT": "stray", "PGHOST": "stray"}


def parsed(text: str) -> Config:
    return parse_config(f"version: 1\n{text}\n".encode(), "wfsync.yaml")


def faults(text: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        parsed(text)
    return caught.value.problems


class TestParse:
    def test_a_block_and_an_empty_one(self) -> None:
        text = (
            "environments:\n  production: { database_env: PRODUCTION_URL, tenant: t1, overlay: overlays/production.yaml"
            " }\n  bare: {}\n"
        )
        assert parsed(text).environments == {"production": PRODUCTION, "bare": Environment("bare")}

    @pytest.mark.parametrize(
        ("text", "pointer"),
        [
            ("environments: {staging: {url: x}}", "/environments/staging/url"),
            ("environments: {staging: {database: postgresql:///x}}", "/environments/staging/database"),
            ("environments: {staging: {database_env: 'postgresql:///x'}}", "/environments/staging/database_env"),
            ("environments: {staging: {database_env: ''}}", "/environments/staging/database_env"),
            ("environments: {staging: {tenant: 5}}", "/environments/staging/tenant"),
            ("environments: {staging: {overlay: ../x.yaml}}", "/environments/staging/overlay"),
            ("environments: {staging: {overlay: /etc/x.yaml}}", "/environments/staging/overlay"),
            ("environments: {staging: }", "/environments/staging"),
            ("environments: []", "/environments"),
            ("environments: {'a b': {}}", "/environments"),
            ("fields: {database: [metadata.isPause]}", "/fields/database/0"),
            ("fields: {database: [isPaused]}", "/fields/database/0"),
            ("fields: {create_only: metadata.isPaused}", "/fields/create_only"),
            ("fields: {create_only: [metadata.name, metadata.name]}", "/fields/create_only"),
            ("fields: {git: []}", "/fields/git"),
        ],
    )
    def test_faults_are_placed(self, text: str, pointer: str) -> None:
        [problem] = faults(text)
        assert problem.place is not None
        assert problem.place.pointer == pointer
        assert problem.place.line == 2

    def test_an_address_with_a_password_is_refused_and_not_repeated(self) -> None:
        for text in (f"environments: {{a: {{database_env: '{ADDRESS}'}}}}", f"environments: {{'{ADDRESS}': {{}}}}"):
            problems = faults(text)
            assert any("password must not" in p.message for p in problems)
            assert SECRET not in repr(problems)


class TestPolicies:
    @pytest.mark.parametrize(
        ("text", "named", "embedded"),
        [
            ("", ("isPaused",), ()),
            ("fields: {}", ("isPaused",), ()),
            ("fields: {database: []}", (), ()),
            ("fields: {database: [metadata.name]}", ("name",), ("name",)),
        ],
    )
    def test_a_named_database_owns_is_paused_unless_told_otherwise(
        self, text: str, named: tuple[str, ...], embedded: tuple[str, ...]
    ) -> None:
        config = parsed(text)
        assert config.policies("named") == Policies(named)
        assert config.policies("embedded") == Policies(embedded)

    def test_create_only_stands_beside_the_default(self) -> None:
        config = parsed("fields: {create_only: [metadata.trigger, metadata.concurrencyLimit]}")
        assert config.policies("named") == Policies(("isPaused",), ("concurrencyLimit", "trigger"))


class TestWhichOneIsMeant:
    def test_the_option_wins_over_the_variable(self) -> None:
        config = Config(environments={"production": PRODUCTION, "bare": Environment("bare")})
        assert resolve_environment("production", {"WFSYNC_ENV": "bare"}, config) == EXPLICIT
        assert resolve_environment(None, {"WFSYNC_ENV": "production"}, config) == WEAK
        assert resolve_environment(None, {"WFSYNC_ENV": ""}, config) is None

    def test_an_unknown_one_names_the_known(self) -> None:
        with pytest.raises(ConfigError, match=r"WFSYNC_ENV names.*'prod'.*production") as caught:
            resolve_environment(None, {"WFSYNC_ENV": "prod"}, Config(environments={"production": PRODUCTION}))
        assert caught.value.code == "UNKNOWN_ENVIRONMENT"
        assert caught.value.details == {"environment": "prod", "known": ["production"]}
        with pytest.raises(ConfigError, match="none"):
            resolve_environment("prod", {}, Config())

    def test_an_empty_option_is_a_usage_error(self) -> None:
        with pytest.raises(ConfigError) as caught:
            named_environment(" ", {"WFSYNC_ENV": "production"})
        assert caught.value.code == "USAGE"


class TestPrecedence:
    """Option; an explicit ``-e``'s block; the variable; the block of ``WFSYNC_ENV``; libpq's; the default."""

    @pytest.mark.parametrize(
        ("option", "chosen", "environ", "expected"),
        [
            ("postgresql:///o", EXPLICIT, STRAY, ("--database", "postgresql:///o")),
            (None, EXPLICIT, STRAY | {"PRODUCTION_URL": ADDRESS}, ("PRODUCTION_URL", ADDRESS)),
            (None, WEAK, STRAY | {"PRODUCTION_URL": ADDRESS}, ("WFSYNC_DATABASE_URL", "postgresql:///stray")),
            (None, WEAK, {"PGHOST": "stray", "PRODUCTION_URL": ADDRESS}, ("PRODUCTION_URL", ADDRESS)),
            (None, ChosenEnvironment(Environment("x"), explicit=True), STRAY, ("WFSYNC_DATABASE_URL", "…stray")),
            (None, ChosenEnvironment(Environment("x"), explicit=True), {"PGHOST": "h"}, ("PGHOST", "")),
            (None, None, STRAY, ("WFSYNC_DATABASE_URL", "postgresql:///stray")),
            (None, ChosenEnvironment(Environment("x"), explicit=True), {}, ("default", None)),
        ],
    )
    def test_of_the_database(
        self, option: str | None, chosen: Any, environ: dict[str, str], expected: tuple[str, str | None]
    ) -> None:
        choice = resolve_database(option, environ, chosen)
        origin, address = expected
        assert choice.origin.split(" ")[0] == origin
        assert choice.conninfo == (address.replace("…", "postgresql:///") if address else address)
        assert SECRET not in repr(choice)

    @pytest.mark.parametrize("environ", [{}, {"PRODUCTION_URL": ""}, STRAY, STRAY | {"PRODUCTION_URL": " "}])
    def test_a_block_whose_variable_is_unset_is_never_replaced_by_another_database(
        self, environ: dict[str, str]
    ) -> None:
        with pytest.raises(ConfigError, match="PRODUCTION_URL") as caught:
            resolve_database(None, environ, EXPLICIT)
        assert caught.value.code == "DATABASE_ENV_UNSET"
        assert "stray" not in str(caught.value)

    def test_an_option_makes_the_variable_unneeded(self) -> None:
        assert resolve_database("postgresql:///o", {}, EXPLICIT).origin == "--database"

    @pytest.mark.parametrize(
        ("option", "chosen", "environ", "expected"),
        [
            ("o", EXPLICIT, STRAY, "o"),
            (None, EXPLICIT, STRAY, "t1"),
            (None, WEAK, STRAY, "stray"),
            (None, WEAK, {}, "t1"),
            (None, ChosenEnvironment(Environment("x"), explicit=True), STRAY, "stray"),
            (None, None, {}, None),
        ],
    )
    def test_of_the_tenant(
        self, option: str | None, chosen: Any, environ: dict[str, str], expected: str | None
    ) -> None:
        assert resolve_tenant(option, environ, chosen) == expected

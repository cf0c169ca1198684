"""Every code of publish validation (runtime.md "Publish validation"): what raises it, what does not, what it says."""

from __future__ import annotations

from typing import Any

import pytest

from wfsync.runtime.publish_checks import Finding, check
from wfsync.runtime.publish_checks.conformity import certain_faults
from wfsync.runtime.registry import Action, NodeType, PayloadSchema, Registry

Tree = dict[str, Any]

TICKET: Tree = {
    "type": "object",
    "required": ["id", "requester"],
    "properties": {
        "id": {"type": "string"},
        "requester": {
            "type": "object",
            "required": ["email"],
            "properties": {"email": {"type": "string"}, "name": {"type": "string"}},
        },
        "tags": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}},
    },
}
SEND: Tree = {
    "type": "object",
    "required": ["to", "body"],
    "additionalProperties": False,
    "properties": {
        "to": {"type": "string"},
        "body": {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}},
        "priority": {"enum": ["low", "high"]},
        "channel": {"type": "string"},
    },
}
WAIT: Tree = {
    "type": "object",
    "required": ["mode"],
    "properties": {"mode": {"enum": ["duration", "until"]}, "durationMs": {"type": "integer", "minimum": 0}},
    "if": {"properties": {"mode": {"const": "duration"}}},
    "then": {"required": ["durationMs"]},
}
REGISTRY = Registry.of(
    actions=[
        Action("email.send", 1, input_schema=SEND),
        Action("email.send", 2, input_schema=SEND),
        Action("log.write", 1),
        Action("log.write", 4),
    ],
    node_types=[
        NodeType("action.call"),
        NodeType("transform.assign", {"type": "object", "required": ["assign"]}),
        NodeType("state.set", {"type": "object", "required": ["state"], "properties": {"state": {"type": "string"}}}),
        NodeType("time.wait", WAIT),
    ],
    schemas=[
        PayloadSchema("payload.Ticket.v1", TICKET),
        PayloadSchema("events.Mail.v1", {"type": "object"}),
        PayloadSchema("payload.Named.v1"),
    ],
)


def definition(*steps: Tree, **more: Any) -> Tree:
    return {
        "version": 1,
        "name": "Triage",
        "payloadSchemaRef": "payload.Ticket.v1",
        "steps": list(steps),
    } | more


def found(*steps: Tree, metadata: Tree | None = None, **more: Any) -> list[Finding]:
    given: Tree = {"registry": REGISTRY}
    given |= {name: more.pop(name) for name in ("secrets", "workflows", "registry") if name in more}
    return list(check(definition(*steps, **more), metadata=metadata or {}, **given))


def one(*steps: Tree, **more: Any) -> Finding:
    findings = found(*steps, **more)
    assert len(findings) == 1, [f.to_json() for f in findings]
    return findings[0]


def assign(path: str, value: Any = 1, step_id: str = "a") -> Tree:
    return {"id": step_id, "type": "transform.assign", "config": {"assign": {path: value}}}


def send(mapping: Any = None, version: int = 1, action: str = "email.send", **config: Any) -> Tree:
    config |= {"actionId": action, "version": version}
    if mapping is not None:
        config["inputMapping"] = mapping
    return {"id": "send", "type": "action.call", "config": config}


SENT = {"to": "a@example.com", "body": {"text": "hello"}}


def test_a_sound_definition_has_no_findings() -> None:
    steps = (
        send(SENT, saveAs="sent"),
        assign("payload.requester.name", {"$expr": "payload.id"}),
        {"id": "w", "type": "time.wait", "config": {"mode": {"$expr": "vars.mode"}}},
        {
            "id": "if",
            "type": "control.if",
            "condition": {"$expr": "vars.ok"},
            "then": [{"id": "r", "type": "control.return"}],
        },
    )
    assert found(*steps) == []


def test_the_json_form_is_the_specifications() -> None:
    nested = {
        "id": "if",
        "type": "control.if",
        "condition": {"$expr": "true"},
        "then": [send(SENT), assign("nowhere.x")],
    }
    finding = one(assign("vars.x", step_id="first"), nested)
    assert finding.to_json() == {
        "severity": "error",
        "stepPath": "root.steps[1].then.steps[1]",
        "stepId": "a",
        "code": "INVALID_ASSIGN_PATH",
        "message": finding.message,
        "suggestion": 'write "vars.nowhere.x"',
    }
    outside = one(payloadSchemaRef="payload.Ticket.v2")
    assert set(outside.to_json()) == {"severity", "stepPath", "code", "message", "suggestion"}
    assert outside.to_json()["stepPath"] == "root"


# ----------------------------------------------------------------------------------------------------------- structure


def test_structure() -> None:
    finding = one({"id": "r", "type": "control.return", "nmae": "x"})
    assert (finding.code, finding.path, finding.member) == ("INVALID_WORKFLOW_DEFINITION", ("steps", 0), "nmae")
    assert one(trigger={"type": "event", "eventNam": "X", "eventName": "Y"}).suggestion == 'did you mean "eventName"?'
    assert one({"id": "if", "type": "control.if", "condition": {"$expr": "true"}}).step_path == "root.steps[0]"


def test_every_other_check_runs_on_what_is_malformed() -> None:
    codes = {f.code for f in found({"type": "nope"}, {"id": 4, "type": 7}, send({}, 9), steps_of="x", name=3)}
    assert {"INVALID_WORKFLOW_DEFINITION", "UNKNOWN_NODE_TYPE", "UNKNOWN_ACTION"} <= codes
    steps: Any
    for steps in (None, 5, [3, None], [{"config": []}], [{"type": "action.call", "config": {"inputMapping": 4}}]):
        assert check(definition() | {"steps": steps}, metadata={}, registry=REGISTRY)


def test_duplicate_ids_anywhere_in_the_tree() -> None:
    loop = {
        "id": "loop",
        "type": "control.forEach",
        "items": {"$expr": "vars.x"},
        "itemVar": "item",
        "body": [assign("vars.y")],
    }
    finding = one(assign("vars.x"), loop)
    assert (finding.code, finding.step_path) == ("DUPLICATE_STEP_ID", "root.steps[1].body.steps[0]")
    assert "root.steps[0]" in finding.message
    assert finding.suggestion == "rename one of them, such as 'a-2'"


@pytest.mark.parametrize("name", ["payload", "vars", "meta", "error", "index"])
def test_an_item_must_not_hide_a_root(name: str) -> None:
    loop = {"id": "l", "type": "control.forEach", "items": {"$expr": "[1]"}, "itemVar": name, "body": []}
    assert one(loop).code == "INVALID_WORKFLOW_DEFINITION"


# --------------------------------------------------------------------------------------------------------- expressions


@pytest.mark.parametrize(
    ("step", "path"),
    [
        (send({**SENT, "to": {"$expr": "payload.("}}), ("steps", 0, "config", "inputMapping", "to", "$expr")),
        (send(SENT, idempotencyKey={"$expr": "payload.("}), ("steps", 0, "config", "idempotencyKey", "$expr")),
        (
            assign("vars.x", {"deep": [{"$expr": "payload.("}]}),
            ("steps", 0, "config", "assign", "vars.x", "deep", 0, "$expr"),
        ),
        (
            {"id": "i", "type": "control.if", "condition": {"$expr": "payload.("}, "then": []},
            ("steps", 0, "condition", "$expr"),
        ),
    ],
)
def test_expressions_wherever_they_stand(step: Tree, path: tuple[str | int, ...]) -> None:
    finding = one(step)
    assert (finding.code, finding.path) == ("INVALID_EXPR", path)


def test_the_position_inside_an_expression() -> None:
    finding = one(assign("vars.x", {"$expr": "payload.id & & 'x'"}))
    assert finding.code == "INVALID_EXPR"
    assert finding.offset is not None
    assert f"(at character {finding.offset + 1} of the expression)" in finding.message


def test_expressions_of_the_trigger() -> None:
    mapping = {"id": {"$expr": "event.payload.("}, "requester": {"email": "x"}}
    trigger = {"type": "event", "eventName": "E", "payloadMapping": mapping}
    finding = one(trigger=trigger)
    assert (finding.code, finding.step_path) == ("INVALID_EXPR", "root")
    assert finding.path == ("trigger", "payloadMapping", "id", "$expr")


def test_an_expression_stands_alone() -> None:
    finding = one(assign("vars.x", {"$expr": "1", "exrp": "2"}))
    assert (finding.code, finding.member) == ("INVALID_EXPR", "exrp")
    assert one(assign("vars.x", {"$expr": 5})).code == "INVALID_EXPR"


# --------------------------------------------------------------------------------------------------- node types, config


def test_unknown_node_types_with_the_nearest() -> None:
    assert one({"id": "x", "type": "state.sett"}).suggestion == 'did you mean "state.set"?'
    finding = one({"id": "x", "type": "control.fi"})
    assert (finding.code, finding.suggestion) == ("UNKNOWN_NODE_TYPE", 'did you mean "control.if"?')
    assert "registry.yaml" in (one({"id": "x", "type": "zzz"}).suggestion or "")


def test_config_against_the_node_types_schema() -> None:
    finding = one({"id": "x", "type": "state.set", "config": {"state": 5}})
    assert (finding.code, finding.path) == ("INVALID_CONFIG", ("steps", 0, "config", "state"))
    assert finding.message.startswith("config.state: ")
    assert one({"id": "x", "type": "state.set"}).code == "INVALID_CONFIG"


@pytest.mark.parametrize("value", [{"$expr": "vars.state"}, {"$secret": "STATE"}])
def test_expressions_and_secrets_stand_for_any_value(value: Tree) -> None:
    assert found({"id": "x", "type": "state.set", "config": {"state": value}}) == []


@pytest.mark.parametrize(
    ("config", "codes"),
    [
        ({"mode": "duration"}, ["INVALID_CONFIG"]),
        ({"mode": {"$expr": "vars.m"}}, []),
        ({"mode": "duration", "durationMs": {"$expr": "5"}}, []),
        ({"mode": {"$expr": "vars.m"}, "durationMs": "long"}, ["INVALID_CONFIG"]),
        ({"mode": "duration", "assign": {"vars.x": {"$expr": "1"}}}, ["INVALID_CONFIG"]),
        ({"mode": "until", "assign": {"vars.x": {"$expr": "1"}}}, []),
    ],
)
def test_conditions_that_depend_on_an_expression_are_left_to_the_run(config: Tree, codes: list[str]) -> None:
    assert [f.code for f in found({"id": "w", "type": "time.wait", "config": config})] == codes


@pytest.mark.parametrize("name", ["actionId", "version", "saveAs"])
def test_what_must_be_known_before_a_run_is_no_expression(name: str) -> None:
    step = send(SENT)
    step["config"][name] = {"$expr": "vars.x"}
    finding = one(step)
    assert (finding.code, finding.path) == ("INVALID_CONFIG", ("steps", 0, "config", name))


ANY: Tree = {
    "properties": {
        "a": {"type": "integer"},
        "list": {"type": "array", "items": {"$ref": "#/definitions/pair"}, "uniqueItems": True},
        "either": {"oneOf": [{"type": "integer"}, {"type": "object", "required": ["x"]}]},
        "named": {"patternProperties": {"^n": {"type": "integer"}}, "additionalProperties": {"maxLength": 2}},
    },
    "definitions": {"pair": {"required": ["l"], "properties": {"l": {"enum": [1, 2]}, "r": {"type": "string"}}}},
    "allOf": [{"if": {"properties": {"kind": {"const": "x"}}}, "then": {"required": ["extra"]}}],
}
V = {"$expr": "vars.v"}


@pytest.mark.parametrize(
    ("value", "places"),
    [
        ({"kind": "x"}, [()]),
        ({"kind": V}, []),
        ({"kind": "x", "a": V}, [()]),
        ({"kind": "y", "a": "text", "other": V}, [("a",)]),
        ({"kind": "y", "list": [{"l": 3, "r": V}]}, [("list", 0, "l")]),
        ({"kind": "y", "list": [{"r": V}]}, [("list", 0)]),
        ({"kind": "y", "list": [V, V]}, []),
        ({"kind": "y", "list": [{"l": V}, {"l": 1, "r": 2}]}, [("list", 1, "r")]),
        ({"kind": "y", "either": {"y": V}}, []),
        ({"kind": "y", "either": "text", "a": V}, [("either",)]),
        ({"kind": "y", "named": {"n1": "x", "n2": V, "other": "long"}}, [("named", "n1"), ("named", "other")]),
    ],
)
def test_only_what_is_certain_is_a_fault(value: Tree, places: list[tuple[Any, ...]]) -> None:
    assert sorted((fault.fault.path for fault in certain_faults(ANY, value)), key=str) == places


def test_a_value_is_not_repeated_in_a_message() -> None:
    finding = one({"id": "x", "type": "time.wait", "config": {"mode": "hunter2-is-a-password"}})
    assert "hunter2" not in finding.message


# ------------------------------------------------------------------------------------------------------------- actions


def test_unknown_actions_with_the_nearest_name() -> None:
    finding = one(send({}, action="emial.send"))
    assert (finding.code, finding.suggestion) == ("UNKNOWN_ACTION", 'did you mean "email.send"?')


def test_unknown_versions_with_those_that_exist() -> None:
    finding = one(send({}, version=3, action="log.write"))
    assert (finding.code, finding.path) == ("UNKNOWN_ACTION", ("steps", 0, "config", "version"))
    assert finding.suggestion == "it has the versions 1 and 4"


@pytest.mark.parametrize(
    ("mapping", "missing"),
    [
        (None, ["to", "body"]),
        ({}, ["to", "body"]),
        ({"to": "x"}, ["body"]),
        ({"to": "x", "body": {}}, ["body.text"]),
        ({"to": "x", "body": {"$expr": "vars.body"}}, []),
        ({"$expr": "vars.all"}, []),
    ],
)
def test_required_inputs_that_no_mapping_gives(mapping: Any, missing: list[str]) -> None:
    findings = found(send(mapping))
    assert all(f.code == "MISSING_REQUIRED_MAPPING" for f in findings)
    assert sorted(f.message.split(" requires ")[1].split(",")[0] for f in findings) == sorted(missing)


def test_literals_that_the_action_would_refuse() -> None:
    finding = one(send({**SENT, "priority": "urgent"}))
    assert (finding.code, finding.path[-1]) == ("INVALID_CONFIG", "priority")
    assert one(send({**SENT, "too": 1})).code == "INVALID_CONFIG"


def test_called_workflows() -> None:
    def call(version: int, **mapping: Any) -> Tree:
        return {
            "id": "c",
            "type": "control.callWorkflow",
            "workflowId": "child",
            "workflowVersion": version,
            "inputMapping": mapping,
        }

    callees = {"child": {1: TICKET, 2: None}}
    assert found(call(9), workflows=None) == []
    assert found(call(9), workflows={}) == []
    assert found(call(2), workflows=callees) == []
    missing = one(call(3), workflows=callees)
    assert (missing.code, missing.suggestion) == ("MISSING_REFERENCE", "it has the versions 1 and 2")
    codes = [f.code for f in found(call(1, id="x"), workflows=callees)]
    assert codes == ["MISSING_REQUIRED_MAPPING"]


# ------------------------------------------------------------------------------------------------------------- secrets


def test_secrets() -> None:
    def using(secret: Any) -> Tree:
        return send({**SENT, "channel": {"$secret": secret}})

    assert found(using("MAIL_KEY")) == []
    assert found(using("MAIL_KEY"), secrets=["MAIL_KEY"]) == []
    finding = one(using("MAIL_KYE"), secrets=["MAIL_KEY"])
    assert (finding.code, finding.suggestion) == ("SECRET_NOT_FOUND", 'did you mean "MAIL_KEY"?')
    assert "wfsync secrets set MAIL_KEY" in (one(using("MAIL_KEY"), secrets=[]).suggestion or "")
    finding = one(using("mail-key"))
    assert (finding.code, finding.suggestion) == ("INVALID_SECRET_NAME", "call it MAIL_KEY")
    assert one(using(3)).code == "INVALID_SECRET_NAME"
    assert one(send({**SENT, "channel": {"$secret": "A", "x": 1}})).code == "INVALID_SECRET_NAME"


def test_other_objects_with_a_dollar_are_warned_of() -> None:
    finding = one(assign("vars.x", {"$exp": "payload.id"}))
    assert (finding.severity, finding.code) == ("warning", "UNKNOWN_SPECIAL_KEY")
    assert finding.suggestion == 'did you mean "$expr"?'
    schema = {"$schema": "x", "$id": "y", "$ref": "#/$defs/a", "$defs": {"a": {}}}
    assert found(assign("vars.x", schema)) == []


# --------------------------------------------------------------------------------------------------------- assignments


@pytest.mark.parametrize(
    "path",
    ["x", "payload", "vars.", "vars..x", "foo.x", "vars.__proto__.x", "payload.constructor", "meta.prototype", ""],
)
def test_assignment_paths_that_are_refused(path: str) -> None:
    assert one(assign(path)).code == "INVALID_ASSIGN_PATH"


@pytest.mark.parametrize(
    "path", ["vars.x", "payload.requester.name", "meta.state", "error.code", "/requester/name", "/id"]
)
def test_assignment_paths_that_are_sound(path: str) -> None:
    assert found(assign(path)) == []


@pytest.mark.parametrize("path", ["/constructor", "/a~2", "payload"])
def test_no_path_is_suggested_that_nobody_means(path: str) -> None:
    assert (one(assign(path)).suggestion or "").startswith("begin with payload.")


def test_where_else_paths_stand() -> None:
    assert found(send(SENT, saveAs="sent")) == []
    assert one(send(SENT, saveAs="__proto__")).code == "INVALID_ASSIGN_PATH"
    tried = {"id": "t", "type": "control.tryCatch", "try": [], "catch": [], "captureErrorAs": "constructor"}
    assert one(tried).code == "INVALID_ASSIGN_PATH"
    call = {"id": "c", "type": "control.callWorkflow", "workflowId": "k", "workflowVersion": 1}
    assert one({**call, "outputMapping": {"foo.x": {"$expr": "vars"}}}).code == "INVALID_ASSIGN_PATH"


def test_assignments_that_the_payloads_schema_does_not_know() -> None:
    finding = one(assign("payload.requestor.name"))
    assert (finding.severity, finding.code) == ("warning", "ASSIGN_PATH_UNKNOWN")
    assert finding.suggestion == 'did you mean "requester"?'
    assert one(assign("/requester/phone")).code == "ASSIGN_PATH_UNKNOWN"
    assert found(assign("payload.tags.0.name")) == []
    assert one(assign("payload.tags.0.nam")).suggestion == 'did you mean "name"?'


@pytest.mark.parametrize(
    "schema",
    [
        {},
        True,
        {"type": "object"},
        {"properties": {}, "additionalProperties": True},
        {"properties": {}, "patternProperties": {"^x": {}}},
        {"allOf": [{"properties": {"new": {}}}, {"properties": {"other": {}}}]},
        {"$ref": "#/definitions/a", "definitions": {"a": {"properties": {"new": {}}}}},
        {"anyOf": [{"$ref": "#"}, {"properties": {"new": {}}}]},
    ],
)
def test_open_and_composed_payload_schemas_know_it(schema: Any) -> None:
    registry = Registry.of((), REGISTRY.node_types.values(), [PayloadSchema("payload.Ticket.v1", schema)])
    assert found(assign("payload.new"), registry=registry) == []


# ------------------------------------------------------------------------------------------------- payload and triggers


def test_unknown_payload_schemas() -> None:
    finding = one(payloadSchemaRef="payload.Tickets.v1")
    assert (finding.code, finding.suggestion) == ("UNKNOWN_PAYLOAD_SCHEMA_REF", 'did you mean "payload.Ticket.v1"?')
    pinned = one(metadata={"pinnedPayloadSchemaRef": "payload.Gone.v1"})
    assert (pinned.document, pinned.path) == ("metadata", ("pinnedPayloadSchemaRef",))
    trigger = {
        "type": "event",
        "eventName": "E",
        "sourcePayloadSchemaRef": "events.Mial.v1",
        "payloadMapping": {"$expr": "{}"},
    }
    assert one(trigger=trigger).code == "UNKNOWN_PAYLOAD_SCHEMA_REF"
    nobody_told = Registry.of((), REGISTRY.node_types.values())
    assert found(registry=nobody_told) == []


def event(**more: Any) -> Tree:
    return {"type": "event", "eventName": "MAIL", "sourcePayloadSchemaRef": "events.Mail.v1"} | more


def test_an_event_of_another_schema_must_be_mapped() -> None:
    assert one(trigger=event()).code == "TRIGGER_MAPPING_REQUIRED"
    assert one(trigger=event(payloadMapping=None)).code == "TRIGGER_MAPPING_REQUIRED"
    assert found(trigger=event(sourcePayloadSchemaRef="payload.Ticket.v1")) == []
    assert found(trigger=event(sourcePayloadSchemaRef=None)) == []


def test_a_mapping_gives_all_that_the_payload_requires() -> None:
    findings = found(trigger=event(payloadMapping={"id": "x", "requester": {"name": "y"}}))
    assert [f.code for f in findings] == ["TRIGGER_MAPPING_MISSING_REQUIRED_FIELDS"]
    assert "requester.email" in findings[0].message
    mapping = {"id": "x", "requester": {"$expr": "event.payload.from"}}
    assert found(trigger=event(payloadMapping=mapping)) == []
    assert found(trigger=event(payloadMapping={}), payloadSchemaRef="payload.Named.v1") == []


def test_the_workflows_own_trigger_counts_where_it_is_another_one() -> None:
    cron = {"type": "recurring", "cron": "61 * * * *", "timezone": "UTC"}
    assert one(trigger=cron, metadata={"trigger": cron}).document == "definition"
    outer = one(metadata={"trigger": cron})
    assert (outer.code, outer.document, outer.path) == ("INVALID_CRON", "metadata", ("trigger", "cron"))


def test_schedules() -> None:
    def at(cron: str = "0 3 * * *", timezone: str = "Europe/Berlin") -> Tree:
        return {"type": "recurring", "cron": cron, "timezone": timezone}

    assert found(trigger=at()) == []
    for cron in ("* * * *", "* * * * * *", "@daily", "60 * * * *", "0 0 30 2 *", "x"):
        assert one(trigger=at(cron)).code == "INVALID_CRON"
    finding = one(trigger=at(timezone="Europe/Berln"))
    assert (finding.code, finding.suggestion) == ("INVALID_TIMEZONE", 'did you mean "Europe/Berlin"?')
    assert [f.code for f in found(trigger=at("x", "y"))] == ["INVALID_CRON", "INVALID_TIMEZONE"]
    assert found(trigger={"type": "schedule", "runAt": "2026-06-21T03:00:00Z"}) == []
    assert one(trigger={"type": "schedule", "runAt": "tomorrow"}).code == "INVALID_WORKFLOW_DEFINITION"


# --------------------------------------------------------------------------------------------------------------- order


def test_the_order_is_that_of_the_document() -> None:
    inner = {
        "id": "if",
        "type": "control.if",
        "condition": {"$expr": "("},
        "then": [assign("x", step_id="b")],
        "else": [assign("y", step_id="c")],
    }
    findings = found(send({}), inner, assign("z"), trigger=event(), payloadSchemaRef="payload.Nope.v1")
    assert [(f.step_path, f.code) for f in findings] == [
        ("root", "UNKNOWN_PAYLOAD_SCHEMA_REF"),
        ("root", "TRIGGER_MAPPING_REQUIRED"),
        ("root.steps[0]", "MISSING_REQUIRED_MAPPING"),
        ("root.steps[0]", "MISSING_REQUIRED_MAPPING"),
        ("root.steps[1]", "INVALID_EXPR"),
        ("root.steps[1].then.steps[0]", "INVALID_ASSIGN_PATH"),
        ("root.steps[1].else.steps[0]", "INVALID_ASSIGN_PATH"),
        ("root.steps[2]", "INVALID_ASSIGN_PATH"),
    ]

"""``ai.infer`` version 1: a question, and an answer that fits the schema of the step."""

from __future__ import annotations

import json
from time import monotonic
from typing import Any, Final

from wfsync.bundle.json_schema import InvalidSchemaError, JsonSchema, compile_schema
from wfsync.bundle.model import Json, JsonObject
from wfsync.runtime.registry import Action, ActionContext, ActionFailed, RetryHint
from wfsync_ai.endpoint import Completion, endpoint

__all__ = ["INFER"]

_SHOWN_FAULTS: Final = 10


def _run(given: Any, context: ActionContext) -> Json:
    asked = endpoint(context)
    schema = _compiled(given.get("schema"))
    question = _question(given, context)
    deadline = monotonic() + int(given.get("timeoutMs", 60_000)) / 1000
    answer = asked.ask(question, deadline)
    if schema is None:
        return _output(answer, {"text": answer.text})
    value, faults = _checked(schema, answer.text)
    if faults:
        question["messages"] += _correction(answer.text, faults)
        answer = asked.ask(question, deadline)
        value, faults = _checked(schema, answer.text)
    if faults:
        raise ActionFailed(
            f"the model's answer does not fit the schema: {faults[0]}",
            code="AI_OUTPUT_INVALID",
            details={"faults": list(faults)},
            retryable=True,
        )
    return _output(answer, {"output": value})


def _output(answer: Completion, content: JsonObject) -> Json:
    usage: Json = dict(answer.usage)
    return {**content, "model": answer.model, "usage": usage}


def _compiled(schema: Any) -> JsonSchema | None:
    if schema is None:
        return None
    try:
        # Masked: the model's answer is made of what it was told, and that may be nobody's business
        return compile_schema(schema, masked=True)
    except InvalidSchemaError as error:
        raise ActionFailed(
            f"the step's schema is wrong: {error}", category="ValidationError", code="AI_SCHEMA_INVALID"
        ) from None


def _question(given: Any, context: ActionContext) -> dict[str, Any]:
    model = given.get("model") or (context.setting("WFSYNC_AI_MODEL") or "").strip()
    if not model:
        raise ActionFailed("no model is named: give `model`, or set WFSYNC_AI_MODEL", code="AI_NOT_CONFIGURED")
    messages = [{"role": "system", "content": given["system"]}] if given.get("system") else []
    question: dict[str, Any] = {"model": model, "messages": [*messages, {"role": "user", "content": given["prompt"]}]}
    for name, theirs in (("temperature", "temperature"), ("maxTokens", "max_tokens")):
        if given.get(name) is not None:
            question[theirs] = given[name]
    if given.get("schema") is not None:
        question["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "output", "schema": given["schema"], "strict": True},
        }
    return question


def _checked(schema: JsonSchema, text: str) -> tuple[Json, tuple[str, ...]]:
    """The value of the answer, and what is wrong with it."""
    try:
        value = json.loads(_unfenced(text), parse_constant=_refuse)
        value = json.loads(json.dumps(value, allow_nan=False))
    except (ValueError, RecursionError):
        return None, ("it is no JSON",)
    found = schema.faults(value)[:_SHOWN_FAULTS]
    return value, tuple(f"/{'/'.join(map(str, fault.path))}: {fault.message}" for fault in found)


def _refuse(name: str) -> None:
    raise ValueError(name)


def _unfenced(text: str) -> str:
    """Without the fence that models like to put around JSON, told or not."""
    stripped = text.strip()
    if stripped.startswith("```") and stripped.endswith("```") and "\n" in stripped:
        return stripped.partition("\n")[2].removesuffix("```")
    return stripped


def _correction(text: str, faults: tuple[str, ...]) -> list[dict[str, str]]:
    listed = "\n".join(f"- {fault}" for fault in faults)
    return [
        {"role": "assistant", "content": text},
        {
            "role": "user",
            "content": f"That does not fit the JSON Schema:\n{listed}\nAnswer again, with nothing but JSON that fits.",
        },
    ]


_OPTIONAL_TEXT: Final[JsonObject] = {"type": ["string", "null"]}

INFER: Final = Action(
    id="ai.infer",
    version=1,
    label="Ask a language model",
    description="Asks a language model. With `schema` the answer is JSON that fits it; one that does not is sent back"
    " once to be corrected.",
    input_schema={
        "type": "object",
        "additionalProperties": False,
        "required": ["prompt"],
        "properties": {
            "prompt": {"type": "string", "minLength": 1, "description": "What is asked."},
            "system": {**_OPTIONAL_TEXT, "description": "What the model is told beforehand."},
            "schema": {"type": ["object", "null"], "description": "The JSON Schema of the answer."},
            "model": {**_OPTIONAL_TEXT, "description": "Which model; else the setting `WFSYNC_AI_MODEL`."},
            "temperature": {"type": ["number", "null"], "minimum": 0, "maximum": 2, "description": "How free it is."},
            "maxTokens": {"type": ["integer", "null"], "minimum": 1, "description": "The longest answer, in tokens."},
            "timeoutMs": {
                "type": "integer",
                "minimum": 1,
                "maximum": 600_000,
                "default": 60_000,
                "description": "How long all of it may take.",
            },
        },
    },
    output_schema={
        "type": "object",
        "additionalProperties": False,
        "required": ["model", "usage"],
        "properties": {
            "text": {"type": "string", "description": "The answer, where no schema was given."},
            "output": {"description": "The answer that fits the schema, where one was given."},
            "model": {"type": "string", "description": "The model that answered."},
            "usage": {
                "type": "object",
                "additionalProperties": {"type": "integer"},
                "description": "Tokens, as the endpoint counts them.",
            },
        },
    },
    retry_hint=RetryHint(3, 2000),
    run=_run,
)

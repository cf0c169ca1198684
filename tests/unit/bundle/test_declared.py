from __future__ import annotations

from wfsync.bundle.declared import (
    Declared,
    DeclaredAction,
    DeclaredNodeType,
    DeclaredSchema,
    Refusal,
    Reply,
    parse_declared,
)
from wfsync.bundle.registry import Registry

TEXT = b"""\
version: 1
actions:
  - { id: bare, version: 1 }
  - id: full
    version: 2
    label: Full
    description: All that can be said
    input: { type: object }
    output: true
    sideEffects: false
    idempotency: [/a, /b/0]
    retry: { maxAttempts: 3, backoffMs: 10 }
    ambiguous: fail
    transactional: true
    stub: [{ fail: { category: E, message: no, code: C, details: [1], retryable: true } }, { output: null, delay: 2s }]
  - { id: own, version: 1, idempotency: own, stub: { fail: { category: E, message: no }, calls: [2, 4], delay: 5 } }
nodeTypes:
  - a
  - { id: b, label: B, description: Bees, config: { type: object } }
schemas:
  - { ref: named }
  - { ref: said, schema: { type: string } }
"""


def test_everything_that_a_file_says() -> None:
    declared = parse_declared(TEXT, "registry.yaml")
    assert declared == Declared(
        "registry.yaml",
        (
            DeclaredAction("bare", 1),
            DeclaredAction(
                "full",
                2,
                label="Full",
                description="All that can be said",
                input={"type": "object"},
                output=True,
                side_effects=False,
                idempotency=("/a", "/b/0"),
                retry=(3, 10),
                ambiguous="fail",
                transactional=True,
                stub=(
                    Reply(refusal=Refusal("E", "no", "C", [1], True)),
                    Reply(echo=False, output=None, delay_ms=2000),
                ),
            ),
            DeclaredAction(
                "own",
                1,
                idempotency="own",
                stub=(Reply(refusal=Refusal("E", "no"), calls=frozenset({2, 4}), delay_ms=5),),
            ),
        ),
        (DeclaredNodeType("a"), DeclaredNodeType("b", "B", "Bees", {"type": "object"})),
        (DeclaredSchema("named"), DeclaredSchema("said", {"type": "string"})),
        Registry(
            frozenset({("bare", 1), ("full", 2), ("own", 1)}), frozenset({"a", "b"}), frozenset({"named", "said"})
        ),
    )

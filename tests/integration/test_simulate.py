"""`wfsync simulate`: the command line of simulations."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from command_line import CommandLine

EXAMPLES = Path(__file__).parents[2] / "examples" / "repo"


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulate") / "team"
    shutil.copytree(EXAMPLES, folder, ignore=shutil.ignore_patterns(".wfsync"))
    return folder


def test_the_trace_has_a_reason_for_every_branch(cli: CommandLine, team: Path) -> None:
    payload = '{"invoiceId": "I-7"}'
    done = cli("simulate", "finance.invoice-dunning", "--payload", payload, "--waits", "time-out", cwd=team)
    assert (done.code, done.stderr) == (0, "")
    assert (
        "nothing-due control.if: else: vars.invoice.amountDue <= 0 is false (vars.invoice.amountDue is 1)"
        in done.stdout
    )
    assert "paid-1 event.wait: TimeoutError" in done.stdout
    assert done.stdout.endswith("steps.\n")
    assert not (team / ".wfsync").exists()


def test_json_is_one_document_with_inputs_and_outputs(cli: CommandLine, team: Path) -> None:
    done = cli("simulate", "system.retention-sweep", "--version", "draft", "--format", "json", cwd=team)
    found = done.json()
    assert (done.code, found["status"], found["format_version"]) == (0, "SUCCEEDED", "1.0")
    assert found["steps"][0]["output"] == {"ids": ["made-up ids"]}
    assert {step["status"] for step in found["steps"]} == {"SUCCEEDED"}


def test_a_run_that_would_not_end_well_exits_with_1(cli: CommandLine, team: Path) -> None:
    done = cli("simulate", "finance.invoice-dunning", "--max-steps", "2", cwd=team)
    assert done.code == 1
    assert "takes more steps than it may" in done.stdout


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["no.such"], 1, "there is no workflow no.such"),
        (["no.such"], 1, "correct the key or --version"),
        (["finance.invoice-dunning", "--version", "99"], 1, "no published version 99"),
        (["finance.invoice-dunning", "--version", "x"], 64, "a number or `draft`"),
        (["finance.invoice-dunning", "--payload", "{"], 1, "INVALID_JSON"),
    ],
)
def test_what_cannot_be_simulated_is_said(cli: CommandLine, team: Path, args: list[str], code: int, said: str) -> None:
    done = cli("simulate", *args, cwd=team)
    assert (done.code, done.stdout) == (code, "")
    assert said in done.stderr


def test_a_payload_with_which_no_run_begins_is_said(cli: CommandLine, team: Path) -> None:
    done = cli("simulate", "support.ticket-triage", "--payload", '{"customerId": "C"}', cwd=team)
    assert 'warning: no run would begin with this payload: "ticketId" is a required property' in done.stderr
    assert done.stdout


def test_mermaid_is_a_flowchart(cli: CommandLine, team: Path) -> None:
    done = cli("simulate", "support.ticket-triage", "--format", "mermaid", cwd=team)
    assert done.code == 0
    assert done.stdout.startswith("flowchart TD\n")

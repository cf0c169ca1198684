"""The CI files of `examples/repo`: their shell steps, in order, for a pull request and for its merge.

Everything is real but the two services: the repository is cloned from a bare one, the database is a PostgreSQL, shell
steps run in a shell as the files say them, with their conditions and variables. In place of GitHub stands a program
``gh`` that keeps comments and artifacts in files, in place of GitLab's API a small server.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest
import yaml

from command_line import CommandLine
from servers import Server, new_server

REPO: Final = Path(__file__).parents[2] / "examples" / "repo"
TRIAGE: Final = "workflows/support/support.ticket-triage.json"
EXPRESSION: Final = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")

GH: Final = """
import json, os, pathlib, shutil, sys
arguments, service = sys.argv[1:], pathlib.Path(os.environ["SERVICE"])
assert os.environ["GH_TOKEN"]
comments = service / "comments.json"
kept = json.loads(comments.read_text()) if comments.exists() else []
body = next((open(a[6:]).read() for a in arguments if a.startswith("body=@")), None)
if arguments[:2] == ["run", "list"]:
    assert arguments[arguments.index("--commit") + 1] == "headsha"
    print(7)
elif arguments[:3] == ["run", "download", "7"]:
    for file in (service / arguments[arguments.index("--name") + 1]).iterdir():
        shutil.copy(file, ".")
elif arguments[1].endswith("/pulls"):
    print("headsha")
elif "PATCH" in arguments:
    kept[int(arguments[3].rpartition("/")[2])] = body
elif "POST" in arguments:
    kept.append(body)
else:
    print("\\n".join(str(n) for n, text in enumerate(kept) if text.startswith(os.environ["MARKER"])))
comments.write_text(json.dumps(kept))
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = new_server()
    yield server
    server.remove()


class Team:
    """A bare repository with the example in it, a database, and a machine that runs jobs in clones."""

    def __init__(self, cli: CommandLine, server: Server, folder: Path) -> None:
        self.folder = folder
        self.origin = folder / "origin.git"
        self.service = folder / "service"
        self.service.mkdir()
        server.execute(f'CREATE DATABASE "{folder.name}"')
        self.url = f"postgresql://wfsync@/{quote(folder.name)}?host={quote(str(server.folder), safe='')}"
        programs = folder / "bin"
        programs.mkdir()
        python = shlex.quote(sys.executable)
        self._program(programs / "wfsync", f'#!/bin/sh\nexec {python} -m wfsync "$@"\n')
        self._program(programs / "python", f'#!/bin/sh\nexec {python} "$@"\n')
        self._program(programs / "gh", f"#!{sys.executable}\n{GH}")
        self.environment = cli.environment()
        self.environment["PATH"] = f"{programs}:{self.environment['PATH']}"
        work = folder / "work"
        shutil.copytree(REPO, work, ignore=shutil.ignore_patterns(".wfsync"))
        self.sh(f"git init -q --bare {self.origin}", folder)
        self.sh("git init -q && git add . && git commit -qm Start", work)
        self.sh(f"git remote add origin {self.origin} && git push -q origin main", work)
        self.work = work

    @staticmethod
    def _program(path: Path, text: str) -> None:
        path.write_text(text)
        path.chmod(0o755)

    def sh(self, script: str, cwd: Path, env: Mapping[str, str] | None = None, *, code: int = 0) -> str:
        """Run a shell step as CI does: it ends at the first command that fails. Returns both streams."""
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", script],
            cwd=cwd,
            env=self.environment | dict(env or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == code, f"{script}\n{done.stdout}"
        return done.stdout

    def clone(self, branch: str) -> Path:
        """What a runner checks out."""
        number = len(list(self.folder.glob("job*")))
        self.sh(f"git clone -q --branch {branch} {self.origin} job{number}", self.folder)
        return self.folder / f"job{number}"

    def propose(self, branch: str, old: str, new: str) -> None:
        """A branch with another text in one workflow."""
        self.sh(f"git checkout -q -B {branch} main", self.work)
        path = self.work / TRIAGE
        assert old in path.read_text(encoding="utf-8")
        path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
        self.sh(f"git commit -qam {branch} && git push -qf origin {branch} && git checkout -q main", self.work)

    def merge(self, branch: str) -> None:
        """Squash, as many teams do: the commit is another one."""
        self.sh(f"git merge -q --squash {branch} && git commit -qm merged && git push -q origin main", self.work)


@pytest.fixture
def team(cli: CommandLine, server: Server, tmp_path: Path) -> Team:
    return Team(cli, server, tmp_path)


class GitHub:
    """Runs the jobs of the workflow for one event."""

    def __init__(self, team: Team, event: str, branch: str, secrets: Mapping[str, str]) -> None:
        self.team = team
        self.folder = team.clone(branch)
        ref = "refs/pull/5/merge" if event == "pull_request" else f"refs/heads/{branch}"
        self.names: dict[str, str] = {
            "github.event_name": event,
            "github.ref": ref,
            "github.event.number": "5",
            "github.token": "t0ken",
            **{f"secrets.{name}": value for name, value in secrets.items()},
        }
        self.environment = {
            "GITHUB_STEP_SUMMARY": str(self.folder.with_suffix(".summary")),
            "GITHUB_REPOSITORY": "acme/flows",
            "GITHUB_SHA": "mergesha",
            "GITHUB_WORKSPACE": str(self.folder),
            "SERVICE": str(team.service),
        }
        self.said: list[str] = []

    def run(self, *, last_code: int = 0) -> str:
        """Run every job that the event is for; ``last_code`` is how its last step that runs is to end."""
        workflow = yaml.safe_load((self.folder / ".github/workflows/wfsync.yml").read_text(encoding="utf-8"))
        for job in workflow["jobs"].values():
            if self._holds(job["if"], self.names):
                for step in job["steps"]:
                    if not self._step(step, self.names, last_code):
                        break
        return "".join(self.said)

    def _step(self, step: dict[str, Any], names: Mapping[str, str], last_code: int) -> bool:
        if "if" in step and not self._holds(step["if"], names):
            return True
        given = {name: self._text(str(value), names) for name, value in step.get("with", {}).items()}
        uses = step.get("uses", "")
        if uses.startswith("./"):
            action = yaml.safe_load((self.folder / uses / "action.yml").read_text(encoding="utf-8"))
            inputs = {f"inputs.{n}": str(given.get(n, i.get("default", ""))) for n, i in action["inputs"].items()}
            return all(self._step(inner, {**names, **inputs}, last_code) for inner in action["runs"]["steps"])
        if uses.startswith("actions/upload-artifact@"):
            artifact = self.team.service / given["name"]
            artifact.mkdir(exist_ok=True)
            shutil.copy(self.folder / given["path"], artifact)
        elif not uses and not step["run"].startswith("pip install"):
            env = {name: self._text(str(value), names) for name, value in step.get("env", {}).items()}
            expected = last_code if last_code and "apply plan.json" in step["run"] else 0
            self.said.append(self.team.sh(step["run"], self.folder, {**self.environment, **env}, code=expected))
            return not expected
        return True

    def _text(self, text: str, names: Mapping[str, str]) -> str:
        return EXPRESSION.sub(lambda found: names.get(found[1], ""), text)

    def _holds(self, condition: str, names: Mapping[str, str]) -> bool:
        """Conditions here are comparisons joined by ``&&``."""
        for part in condition.split("&&"):
            left, operator, right = part.split()
            if (names.get(left, "") == right.strip("'")) != (operator == "=="):
                return False
        return True


def test_github_plans_on_the_pull_request_and_applies_that_on_merge(team: Team) -> None:
    read, write = {"WFSYNC_READ_URL": team.url}, {"WFSYNC_DATABASE_URL": team.url}
    team.sh("wfsync db upgrade && wfsync apply", team.clone("main"), {"WFSYNC_DATABASE_URL": team.url})

    team.propose("less", "Thank you for writing to us.", "Thank you.")
    said = GitHub(team, "pull_request", "less", read).run()
    assert "::notice title=wfsync plan::Plan: 0 to create, 1 to overwrite" in said
    assert f"file={TRIAGE},title=overwrite support.ticket-triage" in said
    team.propose("less", "Thank you for writing to us.", "Thanks.")
    GitHub(team, "pull_request", "less", read).run()
    [comment] = json.loads((team.service / "comments.json").read_text())
    assert "1 to overwrite" in comment
    assert "Thanks." in comment
    pinned = (team.service / "wfsync-plan" / "plan.json").read_text()
    assert "Thanks." not in pinned

    team.merge("less")
    job = GitHub(team, "push", "main", write)
    applied = job.run()
    assert "Applied: 0 created, 1 overwritten" in applied
    assert "passed, 0 failed, 0 errors." in applied[applied.index("Applied:") :]
    assert "1 |" in Path(job.environment["GITHUB_STEP_SUMMARY"]).read_text()
    assert "0 to overwrite" in team.sh("wfsync plan", team.clone("main"), {"WFSYNC_DATABASE_URL": team.url})


def test_github_applies_nothing_that_was_not_shown(team: Team) -> None:
    secrets = {"WFSYNC_READ_URL": team.url, "WFSYNC_DATABASE_URL": team.url}
    team.sh("wfsync db upgrade && wfsync apply", team.clone("main"), {"WFSYNC_DATABASE_URL": team.url})
    team.propose("less", "Thank you for writing to us.", "Thank you.")
    GitHub(team, "pull_request", "less", secrets).run()
    team.propose("less", "Thank you for writing to us.", "Pay now.")  # after the plan that was approved
    team.merge("less")
    said = GitHub(team, "push", "main", secrets).run(last_code=3)
    assert "STALE_PLAN" in said
    assert "1 to overwrite" in team.sh("wfsync plan", team.clone("main"), {"WFSYNC_DATABASE_URL": team.url})


def test_github_checks_the_files_of_a_fork_without_secrets(team: Team) -> None:
    team.propose("fork", "Thank you for writing to us.", "Thank you.")
    said = GitHub(team, "pull_request", "fork", {}).run()
    assert "Validated 16 files: 0 errors" in said
    assert "passed, 0 failed, 0 errors." in said
    assert not (team.service / "comments.json").exists()


class Notes(BaseHTTPRequestHandler):
    """Notes of a merge request, as GitLab's API has them."""

    kept: Final[list[str]] = []

    def do_GET(self) -> None:
        assert self.headers["PRIVATE-TOKEN"] == "t0ken"
        first = "page=1" in self.path.partition("per_page")[2]
        self._answer([{"id": n, "body": body} for n, body in enumerate(self.kept)] if first else [])

    def do_POST(self) -> None:
        self.kept.append(self._body())
        self._answer({"id": len(self.kept) - 1})

    def do_PUT(self) -> None:
        self.kept[int(self.path.rpartition("/")[2])] = self._body()
        self._answer({})

    def _body(self) -> str:
        body: str = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"]
        return body

    def _answer(self, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class calls it so
        pass


@pytest.fixture
def api() -> Iterator[str]:
    Notes.kept.clear()
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Notes)
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}/api/v4"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def gitlab(team: Team, branch: str, env: Mapping[str, str]) -> str:
    """Run the stages of a pipeline, each job in a clone of its own with the artifacts of the jobs before."""
    artifacts: dict[str, bytes] = {}
    said = []
    pipeline = yaml.safe_load((REPO / ".gitlab-ci.yml").read_text(encoding="utf-8"))
    assert pipeline["default"]["before_script"] == ['pip install "wfsync[runtime]"']
    for stage in pipeline["stages"]:
        if stage == "apply" and "CI_MERGE_REQUEST_IID" in env:
            continue
        folder = team.clone(branch)
        for name, data in artifacts.items():
            (folder / name).write_bytes(data)
        said += [team.sh(line, folder, env) for line in pipeline[stage]["script"]]
        for name in pipeline[stage].get("artifacts", {}).get("paths", []):
            artifacts[name] = (folder / name).read_bytes()
    return "".join(said)


def test_gitlab_keeps_one_note_on_the_merge_request_and_applies_the_plan_that_was_approved(
    team: Team, api: str
) -> None:
    env = {"WFSYNC_DATABASE_URL": team.url, "CI_API_V4_URL": api, "CI_PROJECT_ID": "9", "GITLAB_API_TOKEN": "t0ken"}
    team.sh("wfsync db upgrade && wfsync apply", team.clone("main"), env)
    for text in ("Thank you.", "Thanks."):
        team.propose("less", "Thank you for writing to us.", text)
        gitlab(team, "less", env | {"CI_MERGE_REQUEST_IID": "4"})
    [note] = Notes.kept
    assert "Thanks." in note
    team.merge("less")
    said = gitlab(team, "main", env)
    assert "Applied: 0 created, 1 overwritten" in said
    assert said.count("passed, 0 failed, 0 errors.") == 2
    assert len(Notes.kept) == 1


def test_what_the_recipes_write_is_ignored_by_git(team: Team) -> None:
    folder = team.clone("main")
    for name in ("plan.md", "plan.json", "wfsync.xml", "tests.xml"):
        (folder / name).write_text("x")
    assert team.sh("git status --porcelain", folder) == ""

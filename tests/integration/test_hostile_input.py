"""Files that were made to hurt: through the real command line, with little memory, each comes to a clear end."""

from __future__ import annotations

import json
import os
import subprocess
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bundles import MOMENT, JsonObject, bundle, call, canonical, put, spoilt
from command_line import CommandLine
from strategies import json_values
from wfsync.bundle.load import LoadOptions, load
from wfsync.bundle.parse import Syntax
from wfsync.bundle.yaml_write import write_yaml
from wfsync.render.explanations import CATALOGUE
from wfsync.render.problems import problems_github, problems_json, problems_text

MEBIBYTE: Final = 1024 * 1024
ADDRESS_SPACE: Final = 1536 * MEBIBYTE
RESIDENT: Final = 300 * MEBIBYTE
"""What a command may have held at its peak; importing everything takes 40 MiB."""

_LIMITED: Final = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, ({ADDRESS_SPACE}, {ADDRESS_SPACE}))
from wfsync.cli.main import main
code = main(sys.argv[1:])
sys.stdout.flush()
try:
    with open("/proc/self/status") as status:
        peak = next(line.split()[1] for line in status if line.startswith("VmHWM:"))
except FileNotFoundError:
    peak = 0
print("peak", peak, file=sys.stderr)
sys.exit(code)
"""
"""The peak of this program alone: ``ru_maxrss`` would count what the parent held when it started this one, and that is
a test runner that has grown for ten minutes."""


@dataclass(frozen=True, slots=True)
class Limited:
    """Runs commands in processes with bounded memory; no traceback, ever."""

    cli: CommandLine
    folder: Path

    def run(self, *args: str, code: int) -> tuple[str, str]:
        """Both streams of a command that ends with ``code``."""
        done = subprocess.run(
            [*self.cli.argv()[:1], "-c", _LIMITED, *args],
            cwd=self.folder,
            env=self.cli.environment(),
            capture_output=True,
            timeout=60,
            check=False,
        )
        stderr = done.stderr.decode()
        assert "Traceback" not in stderr
        assert "INTERNAL" not in stderr
        assert done.returncode == code, (done.stdout[:500], stderr[:500])
        assert int(stderr.rpartition("peak ")[2]) * 1024 < RESIDENT
        return done.stdout.decode(), stderr

    def validate(self, path: str = ".", *, code: int = 1) -> JsonObject:
        """What ``validate`` says of ``path``, as JSON."""
        document: JsonObject = json.loads(self.run("validate", path, "--format", "json", code=code)[0])
        return document

    def errors(self, contents: Mapping[str, bytes], *, code: int = 1) -> dict[str, list[JsonObject]]:
        """Write these files and validate them all in one run: the errors of each."""
        for name, data in contents.items():
            (self.folder / name).write_bytes(data)
        found: dict[str, list[JsonObject]] = defaultdict(list)
        for error in self.validate(code=code)["errors"]:
            found[error["place"]["file"]].append(error)
        return found


@pytest.fixture
def limited(cli: CommandLine, tmp_path: Path) -> Limited:
    return Limited(cli, tmp_path)


def at(error: JsonObject) -> tuple[int, int]:
    return error["place"]["line"], error["place"]["column"]


def text(key: str, **replaced: str) -> bytes:
    """A canonical bundle as text, with values spelled as no tree could hold them."""
    spelled = canonical(bundle(key)).decode()
    for name, value in replaced.items():
        assert f'"{name}": null' in spelled
        spelled = spelled.replace(f'"{name}": null', f'"{name}": {value}')
    return spelled.encode()


# ------------------------------------------------------------------------------------------------------ size and depth


def test_a_gibibyte_is_refused_unread(limited: Limited) -> None:
    put(limited.folder, spoilt(bundle("alpha"), "draft", 0))
    for name in ("huge.json", "huge.yaml"):
        with (limited.folder / name).open("wb") as file:
            file.truncate(1024 * MEBIBYTE)
    errors = limited.errors({})
    assert [e["code"] for e in errors["alpha.json"]] == ["SCHEMA_VALIDATION_FAILED"]
    for name in ("huge.json", "huge.yaml"):
        assert [e["code"] for e in errors[name]] == ["INVALID_BUNDLE"]
        [named] = limited.validate(name)["errors"]
        assert "larger than 16 MiB" in named["message"]
        assert "larger than 16 MiB" in limited.run("fmt", name, code=1)[1]


@pytest.mark.parametrize("name", ["wfsync.yaml", "registry.yaml"])
def test_a_gibibyte_of_settings(limited: Limited, name: str) -> None:
    put(limited.folder, bundle("alpha"))
    (limited.folder / "wfsync.yaml").write_text("version: 1\nregistry: registry.yaml\n")
    with (limited.folder / name).open("wb") as file:
        file.truncate(1024 * MEBIBYTE)
    [error] = limited.validate("alpha.json")["errors"]
    assert "larger than" in error["message"]


def test_just_below_the_limit_is_read(limited: Limited) -> None:
    data = text("alpha", description=json.dumps("x" * (16 * MEBIBYTE - 4096)))
    assert 15 * MEBIBYTE < len(data) < 16 * MEBIBYTE
    assert limited.errors({"alpha.json": data}, code=0) == {}
    assert [e["code"] for e in limited.errors({"alpha.json": data + b" " * MEBIBYTE})["alpha.json"]] == [
        "INVALID_BUNDLE"
    ]


def test_a_hundred_thousand_levels(limited: Limited) -> None:
    cases = {
        "lists.json": (b"[" * 100_000, (1, 201)),
        "objects.json": (b'{"a":' * 100_000, (1, 1001)),
        "closed.json": (b"[" * 100_000 + b"]" * 100_000, (1, 201)),
        "flow.yaml": (b"[" * 100_000, (1, 201)),
        "flow-objects.yaml": (b"{a: " * 100_000, (1, 801)),
        "sequence.yaml": (b"- " * 100_000, (1, 401)),
        "mapping.yaml": (b"".join(b" " * i + b"a:\n" for i in range(1500)), (201, 201)),
    }
    errors = limited.errors({name: data for name, (data, _) in cases.items()})
    for name, (_, place) in cases.items():
        [error] = errors[name]
        assert (error["code"], at(error)) == ("INVALID_BUNDLE", place)
        assert "nested deeper than 200" in error["message"]


def test_depth_in_the_middle_of_a_sound_file(limited: Limited) -> None:
    deep: Any = 1
    for _ in range(190):
        deep = [deep]
    assert limited.errors({"a.json": canonical(spoilt(bundle("a"), "metadata/trigger", {"a": deep}))}, code=0) == {}
    for _ in range(10):
        deep = [deep]
    [error] = limited.errors({"b.json": canonical(spoilt(bundle("b"), "metadata/trigger", {"a": deep}))})["b.json"]
    assert "nested deeper than 200" in error["message"]


# ---------------------------------------------------------------------------------------------------------------- YAML


def test_alias_bombs(limited: Limited) -> None:
    laughs = b"a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + b"".join(
        b"a%d: &a%d [%s]\n" % (i, i, b", ".join([b"*a%d" % (i - 1)] * 9)) for i in range(1, 30)
    )
    cases = {
        "laughs.yaml": laughs,
        "text.yaml": b"a: &a " + b"x" * 100_000 + b"\nb: [" + b", ".join([b"*a"] * 5_000) + b"]\n",
        "many.yaml": b"- &a [x]\n" + b"- *a\n" * 300_000,
    }
    errors = limited.errors(cases)
    for name in cases:
        [error] = errors[name]
        assert error["code"] == "INVALID_BUNDLE"
        assert "aliases stand for more" in error["message"]


def test_what_yaml_could_do_and_must_not(limited: Limited) -> None:
    cases = {
        "itself.yaml": b"a: &a [1, *a]\n",
        "program.yaml": b"a: !!python/object/apply:os.system [ls]\n",
        "tag.yaml": b"a: !x 1\n",
        "two.yaml": b"--- 1\n--- 2\n",
        "three.yaml": b"a: 1\n...\n---\nb: 2\n",
        "nobody.yaml": b"a: *b\n",
        "merge.yaml": b"a: &a {x: 1}\nb: {<<: *a}\n",
    }
    errors = limited.errors(cases)
    # `<<` is an ordinary key in YAML 1.2
    assert [e["code"] for e in errors.pop("merge.yaml")] == ["UNSUPPORTED_FORMAT"]
    assert {name: [e["code"] for e in found] for name, found in errors.items()} == {
        name: ["INVALID_BUNDLE"] for name in cases if name != "merge.yaml"
    }


def test_a_few_aliases_are_fine(limited: Limited) -> None:
    lines = write_yaml(bundle("alpha", published={1: []})).decode()
    lines = lines.replace("name: A workflow", "name: &n A workflow", 1).replace("name: A workflow", "name: *n")
    assert limited.errors({"alpha.yaml": lines.encode()}, code=0) == {}


# ------------------------------------------------------------------------------------------------------------ encoding


def test_invalid_utf8(limited: Limited) -> None:
    pieces = [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"]
    errors = limited.errors(
        {
            f"{i}.{suffix}": b'{"a":\n "x' + piece + b'"}'
            for i, piece in enumerate(pieces)
            for suffix in ("json", "yaml")
        }
    )
    assert len(errors) == 2 * len(pieces)
    for [error] in errors.values():
        assert (error["code"], at(error)) == ("INVALID_BUNDLE", (2, 4))
        assert "UTF-8" in error["message"]


def test_what_is_no_object(limited: Limited) -> None:
    texts = [b"", b" \n", b"null", b"[]", b'"text"', b"1", b"\x00", b"// x\n{}", b"{,}", b"\xef\xbb\xbf", b"\xff" * 99]
    texts += ['{"a": 1}'.encode(encoding) for encoding in ("utf-16", "utf-16-le", "utf-32")]
    errors = limited.errors({f"{i}.{s}": data for i, data in enumerate(texts) for s in ("json", "yaml")})
    assert len(errors) == 2 * len(texts)
    assert {e["code"] for found in errors.values() for e in found} == {"INVALID_BUNDLE"}


def test_a_byte_order_mark_and_other_line_ends_are_read_and_written_away(limited: Limited) -> None:
    bom = b"\xef\xbb\xbf"
    canon = {key: canonical(bundle(key)) for key in ("mark", "crlf", "cr", "sound")}
    spellings = {
        "mark.json": bom + canon["mark"],
        "crlf.json": canon["crlf"].replace(b"\n", b"\r\n"),
        "cr.json": bom + canon["cr"].replace(b"\n", b"\r"),
        "sound.json": canon["sound"],
        "yaml.yaml": bom + write_yaml(bundle("yaml")).replace(b"\n", b"\r\n"),
    }
    assert limited.errors(spellings, code=0) == {}
    assert "4 rewritten, 1 unchanged" in limited.run("fmt", ".", code=0)[0]
    assert {key: (limited.folder / f"{key}.json").read_bytes() for key in canon} == canon
    assert (limited.folder / "yaml.yaml").read_bytes() == write_yaml(bundle("yaml"))


def test_lines_are_counted_with_any_line_end(limited: Limited) -> None:
    lines = canonical(bundle("alpha")).replace(b'"isPaused": false', b'"isPaused": oops').split(b"\n")
    number = next(i for i, line in enumerate(lines, 1) if b"oops" in line)
    errors = limited.errors({f"{i}.json": end.join(lines) for i, end in enumerate((b"\n", b"\r\n", b"\r"))})
    places = [at(error) for [error] in errors.values()]
    assert places == [(number, lines[number - 1].index(b"oops") + 1)] * 3


# -------------------------------------------------------------------------------------------------------------- values


def test_duplicate_keys_name_both_places(limited: Limited) -> None:
    once = b'  "formatVersion": 1,'
    data = canonical(bundle("plain"))
    errors = limited.errors(
        {
            "plain.json": data.replace(once, b'  "formatVersion": 2,\n' + once),
            "escaped.json": data.replace(once, b'  "format\\u0056ersion": 2,\n' + once),
            "plain.yaml": b"a: 1\n'a': 2\n",
        }
    )
    for name, line in (("plain.json", 5), ("escaped.json", 5), ("plain.yaml", 2)):
        [error] = errors[name]
        assert error["code"] == "INVALID_BUNDLE"
        assert (error["place"]["line"], error["related"][0]["line"]) == (line, line - 1)


def test_numbers_beyond_binary64(limited: Limited) -> None:
    numbers = ["1e400", "-1e400", "1e999999999999", "9" * 400, "-" + "9" * 5000 + ".5"]
    trigger = json.dumps({f"n{i}": f"@{i}" for i in range(len(numbers))})
    for i, number in enumerate(numbers):
        trigger = trigger.replace(f'"@{i}"', number)
    errors = limited.errors({f"{s}.{s}": text(s, trigger=trigger) for s in ("json", "yaml")})
    for name in ("json.json", "yaml.yaml"):
        assert [e["code"] for e in errors[name]] == ["INVALID_VALUE"] * len(numbers)
        assert [e["place"]["pointer"] for e in errors[name]] == [
            f"/workflows/0/metadata/trigger/n{i}" for i in range(len(numbers))
        ]
        assert max(len(e["message"]) for e in errors[name]) < 300


_SPELLINGS: Final = {
    "1e21": "1e+21",
    "1000000000000000000000": "1e+21",
    "1.50": "1.5",
    "1.0": "1",
    "-0": "0",
    "-0.0": "0",
    "1E2": "100",
    "1e-7": "1e-7",
    "0.000001": "0.000001",
    "1e-400": "0",
    "123456789012345678901": "123456789012345678901",
    "9007199254740993": "9007199254740993",
    "1" + "0" * 22 + "1": "1" + "0" * 22 + "1",
    "1" * 300: "1" * 300,
    "0.1000000000000000055511151231257827": "0.1",
}


@pytest.mark.parametrize("syntax", ["json", "yaml"])
def test_numbers_have_one_spelling(limited: Limited, syntax: str) -> None:
    members = ", ".join(f'"n{i:02d}": {written}' for i, written in enumerate(_SPELLINGS))
    assert limited.errors({f"alpha.{syntax}": text("alpha", trigger=f"{{{members}}}")}, code=0) == {}
    limited.run("fmt", ".", code=0)
    lines = [line.strip() for line in (limited.folder / f"alpha.{syntax}").read_text().splitlines()]
    found = [
        line.partition(": ")[2].rstrip(",") for line in lines if line.lstrip('"').startswith("n") and line[-1] != '"'
    ]
    found = [value for value in found if value[:1] in "-0123456789" and value]
    wanted = [canon if syntax == "json" else canon.replace("1e", "1.0e") for canon in _SPELLINGS.values()]
    assert found == wanted
    assert "0 rewritten" in limited.run("fmt", ".", code=0)[0]


def test_what_jsonb_cannot_hold(limited: Limited) -> None:
    escapes = ["\\u0000", "\\ud800", "\\udc00", "\\udc00\\ud800", "a\\u0000b"]
    values = [*(f'"{e}"' for e in escapes), *(f'{{"{e}": 1}}' for e in escapes)]
    contents = {}
    for i, value in enumerate(values):
        field = "description" if value.startswith('"') else "trigger"
        for syntax in ("json", "yaml"):
            contents[f"{syntax}{i}.{syntax}"] = text(f"{syntax}{i}", **{field: value})
    errors = limited.errors(contents)
    assert errors.keys() == contents.keys()
    for name, found in errors.items():
        assert {e["code"] for e in found} == {"INVALID_VALUE"}, name
        assert all(e["place"]["line"] > 1 for e in found)


def test_a_pair_of_surrogates_is_a_character(limited: Limited) -> None:
    assert limited.errors({"alpha.json": text("alpha", description='"\\ud83d\\ude00"')}, code=0) == {}


def test_hostile_names_and_texts_cannot_command_a_terminal_or_a_runner(cli: CommandLine, tmp_path: Path) -> None:
    put(tmp_path, bundle("alpha") | {"\x1b[2J\u202e::error::x\n::set-env name=A::b": 1})
    (tmp_path / "\x1b[31m\n::error::y.json").write_bytes(b"{")
    for form in ("text", "json", "github"):
        output = cli("validate", ".", "--format", form).output
        assert not {"\x1b", "\u202e"} & set(output)
        assert not any(line.startswith(("::set-env", "::error::")) for line in output.splitlines())


# ---------------------------------------------------------------------------------------------------- very many faults

_MANY: Final = 5_000
_MOST_REPORTED: Final = 2_000


@pytest.mark.parametrize(
    "path", ["draft/definition/steps", "publishedVersions", "dependencies/nodeTypes", "dependencies/actions"]
)
def test_very_many_faults_are_cut(limited: Limited, path: str) -> None:
    put(limited.folder, spoilt(bundle("alpha"), path, [0] * _MANY), pretty=False)
    document = limited.validate(code=0 if path.startswith("draft") else 1)
    assert 0 < len(document["errors"]) + len(document["warnings"]) < _MOST_REPORTED


def test_very_many_repeated_keys_are_cut(limited: Limited) -> None:
    errors = limited.errors({"x.json": b"{" + b'"a":0,' * 200_000 + b'"a":0}'})
    assert 0 < len(errors["x.json"]) < _MOST_REPORTED


# ---------------------------------------------------------------------------------------------------------- properties

_TOKENS: Final = (
    b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\r", b"\n", b"\t", b'"', b"\\", b"\\u0000", b"\\ud800",
    b"{", b"}", b"[", b"]", b"[" * 300, b"{" * 300, b",", b":", b"1e400", b"-", b"-0", b"1.50", b"9" * 400, b"1e",
    b"NaN", b"Infinity", b"null", b"true", b"# ", b"&a ", b"*a", b"<<: *a", b"!!binary ", b"---\n", b"...\n",
    b"%YAML 1.1\n", b"? ", b"- ", b"| ", b"'", b"\xe2\x80\xa8", b"\xf0\x9f\x98\x80", b'"key": "alpha"',
    b'"version": 1',
)  # fmt: skip

_SEED: Final = canonical(bundle("alpha", draft=[call("beta", 1)], published={1: [], 2: [call("alpha", 1)]}))
_SEEDS: Final[dict[Syntax, bytes]] = {"json": _SEED, "yaml": write_yaml(json.loads(_SEED))}


@st.composite
def _mutilated(draw: st.DrawFn) -> tuple[Syntax, bytes]:
    """A sound file with a few cuts, copies and foreign tokens."""
    syntax: Syntax = draw(st.sampled_from(("json", "yaml")))
    data = bytearray(_SEEDS[syntax])
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.sampled_from([0, 0, 1, 2, 7, 100])))
        piece = draw(st.sampled_from(_TOKENS) | st.binary(max_size=4) | st.just(bytes(data[start : start + 60])))
        data[start:end] = piece
    return syntax, bytes(data)


@settings(max_examples=400)
@given(_mutilated())
def test_no_bytes_make_load_raise(drawn: tuple[Syntax, bytes]) -> None:
    syntax, data = drawn
    _assert_clear(data, syntax)


@st.composite
def _replaced(draw: st.DrawFn) -> JsonObject:
    """A sound tree with some value replaced by any other, or with a member too many."""
    holder: dict[str, Any] = {"tree": json.loads(_SEED)}
    node: Any = holder
    name: Any = "tree"
    while isinstance(node[name], dict | list) and node[name] and draw(st.integers(0, 9)):
        node = node[name]
        name = draw(st.sampled_from(sorted(node))) if isinstance(node, dict) else draw(st.integers(0, len(node) - 1))
    if isinstance(node[name], dict) and draw(st.booleans()):
        node[name][draw(st.text(max_size=5))] = draw(json_values())
    else:
        node[name] = draw(json_values())
    return holder


@settings(max_examples=200)
@given(_replaced())
def test_no_tree_makes_load_raise(holder: JsonObject) -> None:
    _assert_clear(json.dumps(holder["tree"]).encode(), "json")


def _assert_clear(data: bytes, syntax: Syntax) -> None:
    """A file is either sound and gives workflows, or has faults with codes that are explained and can be printed."""
    for many in (False, True):
        loaded = load(data, syntax, f"alpha.{syntax}", LoadOptions(many=many), name=None if many else "alpha")
        errors = [problem for problem in loaded.problems if problem.is_error]
        assert bool(errors) is not bool(loaded.workflows)
        for problem in loaded.problems:
            assert problem.code in CATALOGUE
            assert problem.message
            assert problem.place is not None
            assert problem.place.line is None or 1 <= problem.place.line <= data.count(b"\n") + data.count(b"\r") + 1
        for render in (problems_text, problems_json, problems_github):
            render(loaded.problems).encode()


def test_the_seeds_are_sound() -> None:
    for syntax, data in _SEEDS.items():
        assert MOMENT.encode() in data
        assert not [p for p in load(data, syntax, "x", LoadOptions(), name="alpha").problems if p.is_error]


def test_no_memory_is_left_to_the_machine() -> None:
    assert os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") > ADDRESS_SPACE, "the limits would prove nothing"

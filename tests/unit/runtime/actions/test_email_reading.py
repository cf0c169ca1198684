"""parse_email_reply and convert_html_to_blocks (docs/actions.md)."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime_actions import action, call, refuses


def parsed(text: str | None = None, html: str | None = None) -> Any:
    return call("parse_email_reply", {"text": text, "html": html})


def blocks(html: str) -> Any:
    return call("convert_html_to_blocks", {"html": html})["blocks"]


ATTRIBUTIONS = [
    "On Mon, 4 May 2026 at 09:12, Ann Lee <ann@example.com> wrote:",
    "On Mon, 4 May 2026 at 09:12, Ann Lee\n<ann@example.com>\nwrote:",
    "Am Mo., 4. Mai 2026 um 09:12 Uhr schrieb Ann Lee <ann@example.com>:",
    "Am 04.05.26 um 09:12 schrieb Ann Lee:",
    "Le lun. 4 mai 2026 à 09:12, Ann Lee <ann@example.com> a écrit :",
    "El lun, 4 may 2026 a las 9:12, Ann Lee (<ann@example.com>) escribió:",
    "Il giorno lun 4 mag 2026 alle ore 09:12 Ann Lee <ann@example.com> ha scritto:",
    "Op ma 4 mei 2026 om 09:12 schreef Ann Lee <ann@example.com>:",
    "Em seg., 4 de mai. de 2026 às 09:12, Ann Lee <ann@example.com> escreveu:",
    "Den mån 4 maj 2026 kl 09:12 skrev Ann Lee <ann@example.com>:",
    "W dniu 4.05.2026 o 09:12, Ann Lee pisze:",
    "2026-05-04 9:12 GMT+02:00 Ann Lee <ann@example.com>:",
    "Ann Lee <ann@example.com> schrieb am 4. Mai 2026:",
]


@pytest.mark.parametrize("attribution", ATTRIBUTIONS)
@pytest.mark.parametrize("marked", [True, False])
def test_what_stands_above_a_quotation_is_new(attribution: str, marked: bool) -> None:
    quoted = "> It broke.\n>> Again?" if marked else "It broke.\nAgain?"
    found = parsed(f"Thank you.\n\nIt works.\n\n{attribution}\n\n{quoted}\n")
    assert found["text"] == "Thank you.\n\nIt works."
    assert "It broke." in found["quoted"]
    assert attribution.partition("\n")[0] in found["quoted"]


def test_answers_between_and_below_quotations_are_new() -> None:
    text = "On 4 May 2026, Ann wrote:\n> First?\n\nYes.\n\n> Second?\n\nNo.\n-- \nBo\n"
    assert parsed(text) == {
        "text": "Yes.\n\nNo.",
        "html": None,
        "quoted": "On 4 May 2026, Ann wrote:\n> First?\n> Second?",
        "signature": "Bo",
        "tokens": [],
    }


HEADERS = [
    "From: Ann Lee <ann@example.com>\nSent: Monday, 4 May 2026 09:12\nTo: Help\nSubject: RE: Printer",
    "Von: Ann Lee\nGesendet: Montag, 4. Mai 2026 09:12\nAn: Hilfe\nBetreff: AW: Drucker",
    "De : Ann Lee\nEnvoyé : lundi 4 mai 2026 09:12\nÀ : Aide\nObjet : RE: Imprimante",
    "*From:* Ann Lee\n*Date:* 4 May 2026\n*To:* Help\n*Subject:* Printer",
    "________________________________\nFrom: Ann\nSent: today\nTo: Help\nSubject: Printer",
    "差出人: アン\n送信日時: 2026年5月4日\n宛先: 窓口\n件名: プリンター",
    "-----Original Message-----\nanything",
    "----- Ursprüngliche Nachricht -----\nanything",
    "-------- Message original --------\nanything",
    "---------- Forwarded message ---------\nanything",
    "##- Please type your reply above this line -##\nanything",
]


@pytest.mark.parametrize("headers", HEADERS)
def test_all_below_copied_headers_is_quoted(headers: str) -> None:
    found = parsed(f"New.\n\n{headers}\n\nOld, not marked.\n")
    assert found["text"] == "New."
    assert found["quoted"] == f"{headers}\n\nOld, not marked."


NEW_ALL_THE_SAME = [
    "On Monday I wrote:\nnothing special.",
    "On 4 May it rained.\nOn 5 May, too.",
    "From: here to there\nit is far.",
    "The answer:\n42",
    "To: do\n- this",
    "He wrote: 4 words.",
    "A -- B\nC",
    "one\n\ntwo",
]


@pytest.mark.parametrize("text", NEW_ALL_THE_SAME)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert parsed(text)["text"] == text
    assert parsed(text)["quoted"] is None


@pytest.mark.parametrize(
    ("text", "new", "signature"),
    [
        ("Hi\n-- \nBo\nExample Ltd", "Hi", "Bo\nExample Ltd"),
        ("Hi\n--\nBo", "Hi", "Bo"),
        ("Hi\n\nSent from my iPhone", "Hi", "Sent from my iPhone"),
        ("Hallo\n\nVon meinem iPhone gesendet\n\n> alt", "Hallo", "Von meinem iPhone gesendet"),
        ("Get Outlook for Android", "", "Get Outlook for Android"),
        ("Hi\n-- \nBo\n\nOn 4 May 2026, Ann wrote:\n> x\n> -- \n> Ann", "Hi", "Bo"),
    ],
)
def test_signatures(text: str, new: str, signature: str) -> None:
    found = parsed(text)
    assert (found["text"], found["signature"]) == (new, signature)


def test_tokens_are_found_in_quotations_too() -> None:
    found = parsed("ok\n> [#4711] and [ref:a.b-1:ref], again [#4711]\n> [# 1] [#]")
    assert found["tokens"] == ["[#4711]", "[ref:a.b-1:ref]"]


HTML_REPLIES = [
    '<p>New.</p><div class="gmail_quote"><div>On … wrote:</div><blockquote><p>Old.</p></blockquote></div>',
    '<p>New.</p><blockquote type="cite"><div><blockquote>Older</blockquote>Old.</div></blockquote>',
    '<div>New.</div><div id="appendonsend"></div><hr><div><b>From:</b> Ann</div><p>Old.</p>',
    '<div>New.</div><div class=x><div id="x_divRplyFwdMsg"><b>Von:</b> Ann</div></div><p>Old.</p>',
    '<p>New.</p><div class="moz-cite-prefix">Am 4.5. schrieb Ann:</div><blockquote>Old.</blockquote>',
    "<p>New.</p><hr><p>From: Ann<br>Sent: today<br>To: Help<br>Subject: x</p><p>Old.</p>",
    '<P>New.</P><DIV CLASS="yahoo_quoted">Old.</DIV>',
]


@pytest.mark.parametrize("html", HTML_REPLIES)
def test_html_alone(html: str) -> None:
    found = parsed(html=html)
    assert found["text"] == "New."
    assert "Old." in found["quoted"]
    assert "New." in found["html"]


def test_html_signature_and_answer_below_a_quotation() -> None:
    found = parsed(
        html='<blockquote>Old.</blockquote><p>New.</p><div class="gmail_signature">-- <br>Bo<div>x</div></div>'
    )
    assert found["text"] == "New."
    assert found["html"] == "<p>New.</p>"
    assert found["signature"] is not None
    assert "Bo" in found["signature"]


def test_text_counts_where_both_are_given() -> None:
    found = parsed("text", "<p>html</p><blockquote>old</blockquote>")
    assert (found["text"], found["html"]) == ("text", "<p>html</p>")
    assert parsed(" \n", "<p>html</p>")["text"] == "html"
    assert parsed() == {"text": "", "html": None, "quoted": None, "signature": None, "tokens": []}
    assert parsed("", "")["html"] is None


BLOCKS: list[tuple[str, Any]] = [
    ("<p>a</p><p>b</p>", [("paragraph", "a"), ("paragraph", "b")]),
    ("a<br>b<br><br>c", [("paragraph", "a\nb"), ("paragraph", "c")]),
    ("<h2> A  title </h2>text", [("heading", "A title"), ("paragraph", "text")]),
    ("<div><div>a</div>b</div>", [("paragraph", "a"), ("paragraph", "b")]),
    ("<blockquote><p>a</p>b</blockquote>c", [("quote", "a"), ("quote", "b"), ("paragraph", "c")]),
    ("a<hr>b", [("paragraph", "a"), ("divider", ""), ("paragraph", "b")]),
    ("<table><tr><td>a<td>b<tr><td>c</table>", [("paragraph", "a | b"), ("paragraph", "c")]),
    ("&lt;b&gt; &amp; &eacute;&#8364;&#x1F600; &#99999999999; &#0;", [("paragraph", "<b> & é€😀 \ufffd \ufffd")]),
    ("<style>p{}</style><script>alert('</p>')</script><title>t</title>a<!-- b -->c", [("paragraph", "ac")]),
    ("a < b and c <3", [("paragraph", "a < b and c <3")]),
    ("<p>&nbsp;</p><p>\n</p>", []),
    ("<img alt='Logo' src=x>", [("paragraph", "[Logo]")]),
    ("<p>unclosed <b>all <i>the</p> way", [("paragraph", "unclosed all the"), ("paragraph", "way")]),
    ("x<![CDATA[y]]>z<?php 1?>", [("paragraph", "xz")]),
    ("x <a href='", [("paragraph", "x <a href='")]),
]


@pytest.mark.parametrize(("html", "expected"), BLOCKS)
def test_blocks(html: str, expected: Any) -> None:
    found = [(b["type"], "".join(piece["text"] for piece in b.get("content", []))) for b in blocks(html)]
    assert found == expected


def test_marks_lists_links_and_code() -> None:
    html = (
        "<ol><li><p>one <b>bold <i>both</i></b></p><ul><li>deep</li></ul></li><li>two</li></ol>"
        "<p><a href='https://example.com/?a=1&amp;b=2'>here</a> <code>x</code></p><pre>def f():\n  &lt;1</pre>"
    )
    assert blocks(html) == [
        {
            "type": "listItem",
            "ordered": True,
            "level": 1,
            "content": [
                {"type": "text", "text": "one "},
                {"type": "text", "text": "bold ", "bold": True},
                {"type": "text", "text": "both", "bold": True, "italic": True},
            ],
        },
        {"type": "listItem", "ordered": False, "level": 2, "content": [{"type": "text", "text": "deep"}]},
        {"type": "listItem", "ordered": True, "level": 1, "content": [{"type": "text", "text": "two"}]},
        {
            "type": "paragraph",
            "content": [
                {"type": "text", "text": "here", "href": "https://example.com/?a=1&b=2"},
                {"type": "text", "text": " "},
                {"type": "text", "text": "x", "code": True},
            ],
        },
        {"type": "code", "text": "def f():\n  <1"},
    ]


@pytest.mark.parametrize(
    ("href", "kept"),
    [
        ("https://example.com", "https://example.com"),
        (" HTTP://example.com ", "HTTP://example.com"),
        ("mailto:a@example.com", "mailto:a@example.com"),
        ("tel:+491", "tel:+491"),
        ("javascript:alert(1)", None),
        ("JaVa\nScRiPt:alert(1)", None),
        ("java&#115;cript:alert(1)", None),
        ("&#1;javascript:alert(1)", None),
        ("data:text/html,x", None),
        ("vbscript:x", None),
        ("//example.com", None),
        ("/local", None),
        ("file:///etc/passwd", None),
    ],
)
def test_only_harmless_links(href: str, kept: str | None) -> None:
    piece = blocks(f'<a href="{href}" onclick="evil()">x</a>')[0]["content"][0]
    assert piece.get("href") == kept
    assert piece["text"] == "x"


def test_text_becomes_paragraphs_with_links() -> None:
    found = call(
        "convert_html_to_blocks", {"text": "a\nb (see https://example.com/x).\r\n\r\n> old\nc", "html": "<p></p>"}
    )
    assert found == {
        "blocks": [
            {
                "type": "paragraph",
                "content": [
                    {"type": "text", "text": "a\nb (see "},
                    {"type": "text", "text": "https://example.com/x", "href": "https://example.com/x"},
                    {"type": "text", "text": ")."},
                ],
            },
            {"type": "quote", "content": [{"type": "text", "text": "old"}]},
            {"type": "paragraph", "content": [{"type": "text", "text": "c"}]},
        ],
        "truncated": False,
    }
    assert call("convert_html_to_blocks", {}) == {"blocks": [], "truncated": False}


HOSTILE = [
    "<div>" * 52_000,
    "<b>" * 87_000 + "x",
    "<a " * 87_000,
    '<a "' * 65_000,
    "<!--" * 65_000,
    "<!" * 130_000,
    "<script>" * 32_000,
    "</" * 130_000,
    "<" * 260_000,
    "&#" + "9" * 260_000 + ";",
    "&" * 260_000,
    "<a href=x>y" * 23_000,
    "<blockquote>" * 21_000,
    "x<i>y</i>" * 29_000,
    "<ul><li>" * 32_000,
    "<p " + "a " * 130_000 + ">",
    "<p " + "a=" * 130_000 + ">",
    '<div class="' + "a " * 100_000 + '">x',
    "\0" * 260_000,
    '"\\' * 130_000,
    "İ<SCRIPT>x</SCRIPT>" * 10_000,
    "<pre>" + "\x01" * 250_000,
    "On " * 87_000,
    "On 1 wrote\n" * 20_000,
    ("On 1 " + "wrote " * 160 + "\n") * 250,
    "From: a\n" * 30_000,
    "-- \n" * 65_000,
    "\n" * 260_000,
    "> \n" * 87_000,
    "-" * 260_000,
    "*" * 260_000,
    "é" * 260_000,
    "http://" * 37_000,
    "[#" * 130_000,
]


@pytest.mark.parametrize("source", HOSTILE, ids=lambda s: repr(s[:12]))
def test_no_mail_hangs_or_floods_a_worker(source: str) -> None:
    began = time.thread_time()
    for given_ in ({"text": source}, {"html": source}):
        for name in ("parse_email_reply", "convert_html_to_blocks"):
            output = call(name, given_)
            assert len(json.dumps(output, ensure_ascii=False).encode()) <= 256 * 1024
    assert time.thread_time() - began < 4, "of this thread: others may be busy"


def test_a_body_that_is_too_long_says_so() -> None:
    found = call("convert_html_to_blocks", {"html": "<p>" + "word " * 60_000})
    assert found["truncated"]
    assert not call("convert_html_to_blocks", {"html": "<p>" + "word " * 30_000})["truncated"]


PIECES = (
    "<div>|</div>|<blockquote>|</blockquote>|<a href='|'>|<!--|-->|<pre>|</pre>|<li>|<ul>|<br>|\n|> |-- \n|From: a\n"
    "|Sent: b\n|To: c\n|On 1 May, A <a@b.c> wrote:|x| |&amp;|&#|é|<td>|<h1>|</h1>|<b>|</b>|<hr>|<script>|</script>|<"
)
MAILS = st.lists(st.sampled_from(PIECES.split("|")), max_size=40).map("".join)


@given(MAILS)
def test_any_mail_gives_output_that_fits_its_schema(source: str) -> None:
    for given_ in ({"text": source}, {"html": source}):
        parsed_ = call("parse_email_reply", given_)
        call("convert_html_to_blocks", {"html": parsed_["html"], "text": parsed_["text"]})
        call("convert_html_to_blocks", given_)


def test_the_email_actions_are_pure() -> None:
    for name in ("parse_email_reply", "convert_html_to_blocks"):
        assert not action(name).side_effects
        assert refuses(name, {"text": 1})
        assert refuses(name, {"body": ""})

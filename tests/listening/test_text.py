"""Texts are stored, compared and shown without harm, whatever people and machines put into them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest

from listening.text import folded, plain, show_html, storable
from tests.listening.corpora import corpus, grown

ALLOWED = """
    a abbr b blockquote br cite code dd del div dl dt em hr i ins kbd li mark ol p pre q s small span strong sub sup
    u ul
"""
NOT_ABSOLUTE = """
    /inbox //x.example # https:x https:///x http:/x javascript:alert(1) data:text/html,x vbscript:x ftp://x.example
    mailto: java&#10;script:x https://&#10;x.example https://\\x tel:112 https://x.example/&#9;a https://@x
"""


def hostile() -> Iterator[str]:
    """Every payload as it is, after a quote and a tag left open, and where a link or an entity would stand."""
    cases = [case["payload"] for case in corpus("xss-sanitizer-cases/cases.json")]
    for payload in [*corpus("xss-payloads/payloads.json"), *cases, *corpus("naughty-strings/strings.json")]:
        yield payload
        yield f"<p title='\"{payload}"
        yield f'<a href="{payload}">x</a>'


class Judge(HTMLParser):
    """Reads what came out as plain HTML: only allowed tags, no attribute but those of a link that leaves."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ALLOWED.split(), tag
        given = dict(attrs)
        if href := given.pop("href", None):
            assert href.lower().startswith(("http://", "https://", "mailto:")), href
        assert given in ({}, {"target": "_blank", "rel": "nofollow noopener noreferrer"}), given
        assert (tag == "a") == bool(given)

    def handle_comment(self, data: str) -> None:
        pytest.fail(f"a comment came through: {data}")

    def unknown_decl(self, data: str) -> None:
        pytest.fail(f"a declaration came through: {data}")


def test_nothing_that_runs_comes_out_and_cleaning_twice_changes_nothing() -> None:
    for payload in hostile():
        shown = show_html(payload)
        judge = Judge()
        judge.feed(shown)
        judge.close()
        assert show_html(shown) == shown, payload


@pytest.mark.parametrize(
    ("html", "shown"),
    [
        ("<p>Ciao <b>a</b> tutti<br>e <i>tutte</i></p>", "<p>Ciao <b>a</b> tutti<br>e <i>tutte</i></p>"),
        ('<p id="x" class="y" style="color:red" name="n" data-z="1" hx-get="/" onclick="z()">a</p>', "<p>a</p>"),
        ("a<img src='https://x.example/p.gif' alt='p'>b", "ab"),
        ("a<script>alert(1)</script><style>p{}</style>b<!-- c -->", "ab"),
        ("<form action='/'><input name=q><button>ok</button></form>", "ok"),
        ("1 < 2 & 3", "1 &lt; 2 &amp; 3"),
        ("a\r\nb&#13;c", "a\nb\nc"),
        ("a\x00b\ud800c", "a\ufffdb\ufffdc"),
        ("", ""),
    ],
)
def test_text_stays_and_the_rest_goes(html: str, shown: str) -> None:
    assert show_html(html) == shown


@pytest.mark.parametrize("href", ["https://x.example/a?b=c#d", "HTTP://X.example", "mailto:ciao@nivalta.example"])
def test_absolute_links_leave_without_a_trace(href: str) -> None:
    link = f'<a href="{href}" target="_blank" rel="nofollow noopener noreferrer">x</a>'
    assert show_html(f'<a href="{href}" title="t" target="_top" rel="opener">x</a>') == link


@pytest.mark.parametrize("href", NOT_ABSOLUTE.split())
def test_other_links_lose_their_address(href: str) -> None:
    assert "href" not in show_html(f'<a href="{href}">x</a>')


@pytest.mark.parametrize(
    "html",
    [
        "<div>" * 100_000,
        "x<div>" * 7_000 + "</p>" * 100_000,
        "<a " + " ".join(f"x{i}" for i in range(50_000)) + ">",
        "<b><p>" * 50_000,
        "<table>" * 50_000,
    ],
)
def test_deep_and_long_html_takes_less_than_a_second(html: str) -> None:
    begun = time.perf_counter()
    show_html(html)
    assert time.perf_counter() - begun < 1


def test_no_repeated_string_takes_a_second() -> None:
    for recipe in corpus("redos-strings/recipes.json"):
        text = grown(recipe)
        for read in (show_html, folded, plain, storable):
            begun = time.perf_counter()
            read(text)
            assert time.perf_counter() - begun < 1, (read, recipe)


def test_storable_changes_only_what_cannot_be_stored() -> None:
    for text in corpus("naughty-strings/strings.json"):
        assert storable(text) == text.replace("\x00", "\ufffd")
        storable(text).encode()
    assert storable("a\x00b\udc80c\U0001f600") == "a\ufffdb\ufffdc\U0001f600"


@pytest.mark.parametrize(
    ("text", "tidy"),
    [
        ("  a  b \r\nc\t\rd ", "  a  b\nc\nd"),
        ("\n\n a\n\n\n\nb\n \n", " a\n\nb"),
        ("a\u2028b", "a\nb"),
        ("", ""),
        (" \n ", ""),
        ("\x00", "\ufffd"),
    ],
)
def test_plain_text_is_tidy(text: str, tidy: str) -> None:
    assert plain(text) == tidy
    assert plain(tidy) == tidy


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("PERCHÉ", "perche"),
        ("perche\u0301", "perché"),
        ("Straße", "STRASSE"),
        ("İstanbul ızgara", "istanbul izgara"),
        ("ΟΔΟΣ", "οδος"),
        ("dell’azienda", "dell'azienda"),
        ("ﬁne", "fine"),
        ("Ｎ１＃", "n1#"),
        ("ｶﾞ", "ガ"),
        ("か\u3099", "が"),
        ("ni\u00adval\u200dta", "nivalta"),
        ("❤️", "❤"),
        ("\u1112\u1161\u11ab", "한"),
    ],
)
def test_equal_for_people_is_equal_when_folded(one: str, other: str) -> None:
    assert folded(one) == folded(other)


@pytest.mark.parametrize(("one", "other"), [("か", "が"), ("한", "하"), ("x²", "x2"), ("a b", "ab"), ("は", "ば")])
def test_other_letters_stay_apart(one: str, other: str) -> None:
    assert folded(one) != folded(other)


def test_folding_twice_changes_nothing() -> None:
    for text in ["Nivàlta ΟΔΟΣ", *corpus("naughty-strings/strings.json")]:
        assert folded(folded(text)) == folded(text)

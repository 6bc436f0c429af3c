"""Feeds that others wrote: real ones of 2009 and 2026, test documents of five projects, and attacks."""

from __future__ import annotations

import io
import json
import resource
import time
from pathlib import Path
from typing import Any

import feedparser
import pytest

from listening.connectors.contract import Trouble
from listening.connectors.feed import parsing
from listening.connectors.feed.parsing import MARK, read
from listening.connectors.feed.text import plain
from listening.isolation import isolated

from .corpora import SHARED, corpus, grown
from .feeds import FEEDS, headers_of, recorded

REAL = "real-*/**/*"


def feedparsers_own(data: bytes, headers: dict[str, str] | None = None) -> Any:
    return feedparser.parse(
        io.BytesIO(data), response_headers=headers or {}, sanitize_html=False, resolve_relative_uris=False
    )


def without(marks: str, *missing: int) -> str:
    return "".join(marks[i : i + MARK] for i in range(0, len(marks), MARK) if i // MARK not in missing)


def test_real_feeds_have_the_entries_that_feedparser_sees() -> None:
    files = recorded(REAL)
    assert len(files) >= 160
    for file in files:
        data = file.read_bytes()
        news, own = read(data, {}), feedparsers_own(data)
        assert (news["version"], len(news["items"]), news["set_aside"]) == (own.version, len(own.entries), []), (
            file.name
        )
        for item, entry in zip(news["items"], own.entries, strict=True):
            if entry.get("id"):
                assert item["external_id"] == entry.id.strip() or item["external_id"].startswith("sha256:")
            parsed = entry.get("published_parsed")
            if parsed and parsed.tm_year > 1970 and not entry.published.endswith(("CET", "CEST", "BST")):
                assert item["published_at"].startswith(time.strftime("%Y-%m-%dT%H:%M:%S", parsed)), file.name


def test_what_is_cut_out_changes_nothing_in_what_is_left() -> None:
    """The quick way gives each entry exactly as the whole document does, on every real feed."""
    quick = entries = 0
    for file in recorded(REAL):
        data = file.read_bytes()
        document = parsing._whole(data, {})
        whole = document.take(range(len(document.marks)))
        first = read(data, {})
        assert first["items"] == whole["items"], file.name
        quiet = read(data, {"marks": first["marks"]})
        assert quiet["items"] == []
        assert quiet["known"] == first["entries"]
        quick += quiet["version"] == "as before"
        some = range(0, min(len(first["items"]), 1500), max(len(first["items"]) // 3, 1))
        for i in some:
            news = read(data, {"marks": without(first["marks"], i)})
            assert news["items"] in ([whole["items"][i]], []), (file.name, i)  # []: an entry that stands there twice
            entries += len(news["items"])
    assert quick >= 150
    assert entries >= 400


def test_feedparsers_test_documents_do_not_stop_us() -> None:
    files = recorded("feedparser/**/*")
    assert len(files) > 1000
    for file in files:
        data = file.read_bytes()
        if file.suffix == ".json":
            continue
        headers = headers_of(data)
        news = read(data, {"content_type": headers.get("content-type", "")})
        own = feedparsers_own(data, headers)
        if own.version:
            assert news["entries"] == len(own.entries), file.name
        assert news["set_aside"] == [], file.name


@pytest.mark.parametrize("folder", ["feed-rs", "feedjira", "node-feedparser", "miniflux", "reader", "rss-parser"])
def test_documents_of_other_projects(folder: str) -> None:
    for file in recorded(f"{folder}/**/*"):
        if file.suffix != ".json":
            news = read(file.read_bytes(), {})
            assert news["version"] or file.name in NO_FEEDS, file.name
            assert news["set_aside"] == []


NO_FEEDS = {"unrecognized.rss", "compressed.xml", "xml_sample_2.xml", "xml__iso88591.xml"}


@pytest.mark.parametrize(
    ("name", "first"),
    [("feed-rs/jsonfeed/jsonfeed_example_1.json", ""), ("feedjira/json_feed.json", ""), ("reader/empty.json", "1")],
)
def test_json_feeds(name: str, first: str) -> None:
    recorded("reader/*")
    news = read((FEEDS / name).read_bytes(), {})
    assert "jsonfeed.org" in news["version"]
    assert news["items"]
    assert first in news["items"][0]["external_id"]


@pytest.mark.parametrize("name", ["big5", "gb2312", "tis620", "windows1255"])
def test_undeclared_encodings_of_other_scripts(name: str) -> None:
    recorded("reader/*")
    data = (FEEDS / "feedparser" / "illformed" / "chardet" / f"{name}.xml").read_bytes()
    codec = {"gb2312": "gb18030", "tis620": "cp874", "windows1255": "cp1255"}.get(name, name)
    assert data.decode(codec)
    assert read(data, {})["title"] in " ".join(data.decode(codec).split())


@pytest.mark.parametrize("words", ["Perché la città è così?", "Où est l'été, garçon?", "Größe für Straße", "¿Mañana?"])
@pytest.mark.parametrize("declared", ["", ' encoding="utf-8"'])
def test_western_text_without_a_true_encoding(words: str, declared: str) -> None:
    item = f"<item><title>{words}</title></item>"
    text = f'<?xml version="1.0"{declared}?><rss version="2.0"><channel>{item}</channel></rss>'
    wrong = {"content_type": "text/xml; charset=iso-8859-1"}
    assert read(text.encode("windows-1252"), {})["items"][0]["title"] == words
    assert read(b"\xef\xbb\xbf" + text.encode(), wrong)["items"][0]["title"] == words


def test_one_bad_byte_does_not_spoil_the_rest() -> None:
    text = "<rss version='2.0'><channel>" + "<item><title>Perché così — sì</title></item>" * 9 + "</channel></rss>"
    data = text.encode()
    items = read(data[:60] + b"\xe8" + data[60:], {})["items"]
    assert [item["title"] for item in items[1:]] == ["Perché così — sì"] * 8


# ── attacks ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_attacks_are_bounded_and_reach_nothing() -> None:
    files = sorted((SHARED / "corpora" / "xml-attacks").glob("*.*"))
    if not files:
        corpus("xml-attacks/SOURCE.md")
    secret = [line for line in Path("/etc/passwd").read_text().splitlines() if line]
    for file in files:
        began = time.monotonic()
        try:
            said = json.dumps(isolated("listening.connectors.feed.parsing:read", file.read_bytes(), {}))
        except Trouble as trouble:
            said = trouble.details
        assert time.monotonic() - began < 10, file.name
        assert not any(line in said for line in secret), file.name
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 1024**2


def test_a_body_that_names_a_file_opens_none(tmp_path: Path) -> None:
    file = tmp_path / "feed.xml"
    file.write_text("<rss version='2.0'><channel><item><title>from a file</title></item></channel></rss>")
    for body in (str(file), f"file://{file}"):
        assert read(body.encode(), {})["version"] == ""


def test_a_feed_of_thousands_is_read_in_turns() -> None:
    entries = "".join(f"<item><guid>g{i}</guid><title>{i}</title></item>" for i in range(8_000))
    data = f"<rss version='2.0'><channel>{entries}</channel></rss>".encode()
    stored: set[str] = set()
    marks, turns, more = "", 0, True
    while more:
        began = time.monotonic()
        options: dict[str, Any] = {"marks": marks}
        news = read(data, options)
        if "ask" in news:
            news = read(data, {**options, "known": sorted(stored.intersection(news["ask"]))})
        assert time.monotonic() - began < 10
        ids = {item["external_id"] for item in news["items"]}
        assert not ids & stored
        stored |= ids
        marks, more, turns = news["marks"], news["more"], turns + 1
        assert len(marks) <= 12_000
    assert len(stored) == 8_000
    assert turns == 4


@pytest.mark.parametrize("frame", ["{}", "<p>{}", "<a href='{}'>x</a>"])
def test_text_conversion_is_quick_for_any_text(frame: str) -> None:
    for recipe in corpus("redos-strings/recipes.json"):
        began = time.monotonic()
        text = plain(frame.format(grown(recipe).replace("'", "’") if "href" in frame else grown(recipe)))
        assert time.monotonic() - began < 1, recipe
        assert "\0" not in text


@pytest.mark.parametrize("depth", [300, 5_000, 60_000])
@pytest.mark.parametrize("tag", ["div", "b", "blockquote"])
def test_words_deep_in_markup_are_found(depth: int, tag: str) -> None:
    began = time.monotonic()
    assert plain(f"<{tag}>" * depth + "Nivalta" + f"</{tag}>" * depth) == "Nivalta"
    assert time.monotonic() - began < 1

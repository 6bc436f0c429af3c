"""`manage.py parse_feed`, as an operator starts it: a process without a database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.connectors.servers import replaying

ROOT = Path(__file__).resolve().parents[2]
KEYS = [
    "external_id", "url", "title", "text", "author", "published_at", "language", "conversation_key", "in_reply_to",
]  # fmt: skip
FEED = """<rss version="2.0"><channel><language>it</language><item><guid isPermaLink="false">1</guid>
<title>Perch\u00e9 no</title><description>&lt;p&gt;Uno&lt;/p&gt;&lt;p&gt;due\u2028tre&lt;/p&gt;</description></item>
<item><guid isPermaLink="false">2</guid></item></channel></rss>"""


def run(place: str, **environment: str) -> tuple[int, list[str], str]:
    known = {"PATH": os.environ["PATH"], "LANG": "C", "ASCOLTO_DATA_DIR": "/nonexistent", **environment}
    done = subprocess.run(
        [sys.executable, "manage.py", "parse_feed", place, "--json"],
        cwd=ROOT,
        env=known,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout.splitlines(), done.stderr.strip()


def test_a_line_of_json_for_each_item(tmp_path: Path) -> None:
    file = tmp_path / "feed.xml"
    file.write_text(FEED, encoding="utf-8")
    status, lines, errors = run(str(file))
    first, second = (json.loads(line) for line in lines)
    assert (status, errors) == (0, "")
    assert list(first) == KEYS
    assert (first["title"], first["text"], first["language"]) == ("Perch\u00e9 no", "Uno\n\ndue tre", "it")
    assert second["published_at"] is None


def test_an_empty_feed_and_what_is_no_feed(tmp_path: Path) -> None:
    file = tmp_path / "feed"
    file.write_text("<rss version='2.0'><channel/></rss>")
    assert run(str(file)) == (0, [], "")
    for content in ("", "<html><body>no</body></html>", "<opml version='2.0'><body/></opml>", '{"items": []}', "\x00"):
        file.write_text(content)
        status, lines, errors = run(str(file))
        assert (status, lines, len(errors.splitlines())) == (2, [], 1), content
    assert run(str(tmp_path / "missing"))[0] == 2


def test_an_address_is_read_through_the_guard() -> None:
    with replaying([{"get": "/feed", "text": FEED}]) as (base, replay):
        status, lines, errors = run(f"{base}/feed")
        assert (status, lines, replay.asked) == (2, [], [])
        assert len(errors.splitlines()) == 1
        status, lines, _ = run(f"{base}/feed", ASCOLTO_ALLOW_ADDRESSES=base.removeprefix("http://"))
        assert (status, len(lines)) == (0, 2)
        status, lines, errors = run(f"{base}/none", ASCOLTO_ALLOW_ADDRESSES=base.removeprefix("http://"))
        assert (status, len(errors.splitlines())) == (2, 1)

"""The recorded feeds of the shared folder, read where they are."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from .corpora import SHARED

FEEDS = SHARED / "recordings" / "feeds"
_COMMENT = re.compile(rb"<!--(.*?)-->", re.DOTALL)
_HEADER = re.compile(rb"^Header:\s*([\w-]+):\s*(.*?)\s*$", re.MULTILINE)
_EXPECT = re.compile(rb"Expect:\s*(.*?)\s*(?:Header:|$)", re.DOTALL)


def recorded(pattern: str) -> list[Path]:
    """Documents under recordings/feeds. Without the shared folder the test is left out, but not in CI."""
    if not FEEDS.is_dir():
        message = f"{FEEDS} is missing: set ASCOLTO_SHARED to the folder that holds recordings/"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    kinds = {".xml", ".atom", ".rss", ".json", ".html"}
    return sorted(file for file in FEEDS.glob(pattern) if file.suffix in kinds)


def headers_of(data: bytes) -> dict[str, str]:
    """The HTTP headers that a test document of feedparser wants to be served with."""
    comment = _COMMENT.search(data)
    found = _HEADER.findall(comment[1]) if comment else []
    return {name.decode().lower(): value.decode() for name, value in found}

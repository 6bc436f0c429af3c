"""`manage.py parse_feed FILE-or-URL --json`: what Ascolto hears in a feed, without a database."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from listening import fetching
from listening.connectors import feed
from listening.connectors.contract import Broken, Item, Trouble
from listening.isolation import isolated


class Command(BaseCommand):
    help = "Prints what Ascolto hears in a feed. Ends with 2 and one line of error for what is not a feed."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("place", metavar="FILE-or-URL")
        parser.add_argument("--json", action="store_true", help="one line of JSON for each item")

    def handle(self, *args: Any, **options: Any) -> None:
        now = datetime.now(UTC)
        try:
            data, described = _fetched(options["place"], now) if _is_url(options["place"]) else _read(options["place"])
            news = isolated(feed.PARSER, data, {**described, "most": len(data)})
            feed.check_version(news, data)
        except (Trouble, OSError) as error:
            self.stderr.write(" ".join(str(error).split()))
            raise SystemExit(2) from error
        for value in news["items"]:
            item = feed.item(value, now)
            self.stdout.write(
                _line(item) if options["json"] else f"{item.published_at}  {item.title or item.text[:80]}"
            )
        for raw in news["set_aside"]:
            self.stderr.write(f"{feed.UNREADABLE} {raw.splitlines()[0]}")


def _is_url(place: str) -> bool:
    return place.lower().startswith(("http://", "https://"))


def _fetched(address: str, now: datetime) -> tuple[bytes, dict[str, Any]]:
    response = fetching.client().get(address)
    feed.check(response, now)
    return response.content, feed.described(response)


def _read(name: str) -> tuple[bytes, dict[str, Any]]:
    with Path(name).open("rb") as file:
        data = file.read(fetching.LARGEST_BODY + 1)
    if len(data) > fetching.LARGEST_BODY:
        raise Broken("The file is larger than 32 MB.")
    return data, {}


def _line(item: Item) -> str:
    """Plain ASCII, so that no character in a text can end the line."""
    return json.dumps(
        {
            "external_id": item.external_id,
            "url": item.url,
            "title": item.title,
            "text": item.text,
            "author": item.author.name,
            "published_at": item.published_at.isoformat() if item.published_at else None,
            "language": item.language,
            "conversation_key": item.conversation_key,
            "in_reply_to": item.in_reply_to,
        }
    )

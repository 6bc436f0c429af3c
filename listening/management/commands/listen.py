from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.models import Brand
from listening import adding
from listening.connectors.contract import Trouble
from listening.credentials import NoKey

SHOWN = 10


class Command(BaseCommand):
    help = (
        "Adds a source, after showing what it would bring. Feeds: an address. Mastodon: mentions, #tag, search:WORDS."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("kind", help="feed or mastodon")
        parser.add_argument("--brand", required=True, metavar="SLUG")
        parser.add_argument("--address", required=True, metavar="A")

    def handle(self, *args: Any, **options: Any) -> None:
        brand = Brand.objects.filter(slug=options["brand"]).first()
        if brand is None:
            raise CommandError(f"There is no brand called {options['brand']}.")
        try:
            rehearsal = adding.rehearse(options["kind"], brand, options["address"])
        except (adding.NotAdded, Trouble, NoKey) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{rehearsal.name}: {len(rehearsal.caught)} items now")
        for item, words in rehearsal.caught[:SHOWN]:
            verdict = f"comes in ({', '.join(words)})" if words else "stays out"
            self.stdout.write(f"  {verdict}: {' '.join((item.title or item.text).split())[:100]}")
        source = adding.add(rehearsal, brand, timezone.now())
        self.stdout.write(f"{brand.name} listens to it from now on, as source {source.pk}.")

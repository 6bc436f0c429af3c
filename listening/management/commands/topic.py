from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.models import Brand
from listening import topics
from listening.models import Topic


class Command(BaseCommand):
    help = "Makes or changes a topic of a brand: any of these words, and also all of those, but none of the last."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--brand", required=True, metavar="SLUG")
        parser.add_argument(
            "--any", nargs="*", default=[], metavar="WORD", help="words, “phrases” in quotes, #hashtags, @handles"
        )
        parser.add_argument("--all", nargs="*", default=[], metavar="WORD")
        parser.add_argument("--none", nargs="*", default=[], metavar="WORD")

    def handle(self, *args: Any, **options: Any) -> None:
        brand = Brand.objects.filter(slug=options["brand"]).first()
        if brand is None:
            raise CommandError(f"There is no brand called {options['brand']}.")
        words = topics.Words(options["any"], options["all"], options["none"])
        known = Topic.objects.filter(brand=brand, name=options["name"]).first()
        try:
            topic = topics.save(brand, known, options["name"], words, None, timezone.now())
        except topics.NotKept as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{brand.name} {'now listens for' if known else 'listens for'} the topic {topic.name}.")

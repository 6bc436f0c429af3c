from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import Brand
from listening import matching
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
        lists = options["any"], options["all"], options["none"]
        if problems := matching.problems(*lists):
            raise CommandError(" ".join(str(problem) for problem in problems))
        words = dict(zip(("any_of", "all_of", "none_of"), lists, strict=True))
        topic, made = Topic.objects.get_or_create(brand=brand, name=options["name"], defaults=words)
        if not made:
            Topic.objects.filter(pk=topic.pk).update(**words, version=topic.version + 1, active=True)
        self.stdout.write(f"{brand.name} {'listens for' if made else 'now listens for'} the topic {topic.name}.")

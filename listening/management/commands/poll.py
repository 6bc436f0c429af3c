import logging
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from listening import polling
from listening.connectors import REGISTER
from listening.models import Source


class Command(BaseCommand):
    help = "Polls now: what is due, one source, or all. Prints items, new mentions, cursor, seconds."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--source", type=int, metavar="ID")
        parser.add_argument("--all", action="store_true", help="every active source, due or not")

    def handle(self, *args: Any, **options: Any) -> None:
        active = Source.objects.filter(state=Source.State.ACTIVE, kind__in=REGISTER)
        if options["source"]:
            wanted = list(active.filter(pk=options["source"]).values_list("pk", flat=True))
            if not wanted:
                raise CommandError(f"There is no active source with the number {options['source']}.", returncode=2)
        elif options["all"]:
            wanted = list(active.values_list("pk", flat=True))
        else:
            wanted = list(active.filter(next_poll_at__lte=timezone.now()).values_list("pk", flat=True))
        logging.getLogger("ascolto").setLevel(logging.WARNING)
        polled = 0
        for start in range(0, len(wanted), polling.BATCH):
            for result in polling.poll(polling.claim(polling.BATCH, only=wanted[start : start + polling.BATCH])):
                self._say(result)
                polled += 1
        if not wanted:
            self.stdout.write("Nothing is due.")
        elif polled < len(wanted):
            self.stdout.write(f"{len(wanted) - polled} left out: they are being polled by a worker at this moment.")

    def _say(self, result: polling.Result) -> None:
        source = Source.objects.only("cursor").get(pk=result.source.pk)
        words = f"  {result.words}" if result.words else ""
        self.stdout.write(
            f"{result.source.pk}  {result.source.name}  {result.outcome}"
            f"  items {result.items}  mentions {result.mentions}"
            f"  cursor {str(source.cursor)[:120]}  {result.seconds:.2f} s{words}"
        )

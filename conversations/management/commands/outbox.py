import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from conversations.models import Reply
from conversations.outbox import AT_REST


class Command(BaseCommand):
    help = (
        "One line for each reply that is not at rest: id, thread, state, remote id, attempts, age in seconds, reason."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true")
        parser.add_argument("--all", action="store_true", help="those at rest too")

    def handle(self, *args: Any, **options: Any) -> None:
        replies = Reply.objects.order_by("pk")
        if not options["all"]:
            replies = replies.exclude(state__in=AT_REST)
        now = timezone.now()
        for reply in replies:
            line = {
                "id": reply.pk,
                "thread": reply.thread_id,
                "state": reply.state,
                "remote_id": reply.remote_id,
                "attempts": reply.attempts,
                "age": round((now - reply.created_at).total_seconds(), 1),
                "reason": reply.reason,
            }
            self.stdout.write(
                json.dumps(line) if options["json"] else "  ".join(str(value) or "-" for value in line.values())
            )

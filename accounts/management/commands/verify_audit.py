from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.audit import first_bad_entry
from accounts.models import AuditEntry


class Command(BaseCommand):
    help = "Walks the audit trail's chain; ends with 1 and names the first entry that does not agree with it."

    def handle(self, *args: Any, **options: Any) -> None:
        bad = first_bad_entry()
        if bad is not None:
            raise CommandError(f"The audit trail was changed: the first entry that does not agree is {bad}.")
        last = AuditEntry.objects.exclude(seq=None).order_by("-seq").first()
        head = f" Its head is {last.print}." if last else ""
        self.stdout.write(f"The audit trail holds {AuditEntry.objects.count()} entries, and none was changed.{head}")

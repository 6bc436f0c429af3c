from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from config import doctor


class Command(BaseCommand):
    help = "Checks the installation, says in words what to mend, and ends with 1 if something is broken."
    requires_system_checks: list[str] = []  # else a missing key would end it before it could say so

    def handle(self, *args: Any, **options: Any) -> None:
        broken = 0
        for finding in doctor.examine(timezone.now()):
            self.stdout.write(f"{finding.level:<5} {finding.words}")
            if finding.remedy:
                self.stdout.write(f"      → {finding.remedy}")
            broken += finding.level == "bad"
        if broken:
            raise SystemExit(1)

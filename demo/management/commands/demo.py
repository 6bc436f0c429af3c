"""`manage.py demo`: loads the invented company into an empty database."""

from __future__ import annotations

import gc
import os
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from demo import history, places


class Command(BaseCommand):
    help = "Loads the demo's company and its two years of history, if the database is empty."

    def handle(self, *args: Any, **options: Any) -> None:
        if not (settings.DEMO or settings.TESTING):
            raise CommandError("The demo's company is loaded with ASCOLTO_DEMO=1 only, never into a real installation.")
        if not history.is_empty():
            self.stdout.write("This database already has a company: nothing was loaded.")
            return
        gc.disable()  # nothing of what is made here is garbage before the end; collecting took a tenth of the time
        places.open_to_listening()
        history.load(timezone.now(), processes=os.cpu_count() or 1)
        self.stdout.write("The demo's company and its history are loaded.")

"""What the clock wakes in listening. Tasks carry no authority and no data: due work is rows."""

from __future__ import annotations

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from accounts.binding import bound
from listening import polling, retention, watching
from listening.models import Heartbeat


@shared_task
def poll_due() -> None:
    polling.poll_due()


@shared_task
def beat_poller() -> None:
    """Says that the poller lives; the sender has its own (conversations.tasks.send_beat)."""
    with bound("poller"):
        for name in ("poller", "beat"):
            Heartbeat.objects.update_or_create(name=name, defaults={"at": timezone.now()})


@shared_task
def tidy() -> None:
    """Ends watches of cold conversations, and lets go what is kept for a while only."""
    now = timezone.now()
    with bound("poller"):
        watching.end_watches(now)
    retention.forget_unmatched(now, settings.UNMATCHED_DAYS)
    retention.forget_fetches(now)

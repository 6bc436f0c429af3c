"""What the clock and the bells wake in conversations. Twice is the same as once, and a lost bell costs seconds."""

from __future__ import annotations

import logging
from typing import Any

from celery import shared_task
from django.dispatch import receiver
from django.utils import timezone

from accounts.binding import bound
from conversations import intake, lifecycle, outbox, queues
from listening.models import Heartbeat
from listening.signals import mentions_arrived

log = logging.getLogger("ascolto.tasks")
AT_THE_BELL = 500


@shared_task
def take_mentions() -> None:
    intake.take_all(timezone.now())


@receiver(mentions_arrived)
def take_now(**_: Any) -> None:
    """The bell of listening: whoever polled takes what came, but not so much that other sources wait. The sweep finds
    what this leaves."""
    intake.take_all(timezone.now(), limit=AT_THE_BELL)


@shared_task
def send_due() -> None:
    """Drains the outbox. Only the sender's worker listens to this queue."""
    outbox.drain()


@shared_task
def send_beat() -> None:
    with bound("sender"):
        Heartbeat.objects.update_or_create(name="sender", defaults={"at": timezone.now()})


@shared_task
def wake_snoozed() -> None:
    with bound("poller"):
        lifecycle.wake_snoozed(timezone.now())


@shared_task
def fold_tally() -> None:
    with bound("poller"):
        queues.fold_tally()

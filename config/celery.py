"""The Celery application. Redis only wakes workers: tasks carry ids, and the rows in PostgreSQL are the truth."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.conf import settings

from config.schedule import SCHEDULE

# A message is delivered again when its worker has not finished after this time: longer than any task may run.
VISIBILITY_SECONDS = 900

app = Celery("ascolto")
app.conf.update(
    broker_url=settings.BROKER_URL,
    broker_transport_options={
        "visibility_timeout": VISIBILITY_SECONDS,
        "socket_timeout": 30,
        "health_check_interval": 25,
    },
    visibility_timeout=VISIBILITY_SECONDS,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    # A worker that lost Redis finishes what it does; the message comes again, and finds nothing left to do.
    worker_cancel_long_running_tasks_on_connection_loss=False,
    result_backend=None,
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    worker_max_tasks_per_child=200,
    worker_max_memory_per_child=300_000,  # KiB
    task_time_limit=300,
    task_soft_time_limit=240,
    task_default_queue="background",
    task_routes={
        "listening.tasks.*": {"queue": "poll"},
        "conversations.tasks.send*": {"queue": "send"},
    },
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
    timezone="UTC",
    beat_schedule=SCHEDULE,
)
app.autodiscover_tasks()

"""Celery's settings that the outbox and the polls rely on (docs/architecture.md)."""

from __future__ import annotations

import pytest

from config.celery import VISIBILITY_SECONDS, app


def test_a_task_ends_before_its_message_is_delivered_again() -> None:
    assert app.conf.task_soft_time_limit < app.conf.task_time_limit < VISIBILITY_SECONDS
    assert app.conf.broker_transport_options["visibility_timeout"] == VISIBILITY_SECONDS


def test_only_json_passes_and_nothing_is_acknowledged_before_it_is_done() -> None:
    assert app.conf.accept_content == ["json"]
    assert app.conf.task_acks_late
    assert app.conf.task_reject_on_worker_lost
    assert app.conf.worker_prefetch_multiplier == 1
    assert app.conf.result_backend is None


@pytest.mark.parametrize(
    ("task", "queue"),
    [
        ("listening.tasks.poll_due", "poll"),
        ("conversations.tasks.send_due", "send"),
        ("conversations.tasks.take_mentions", "background"),
    ],
)
def test_each_task_has_its_queue(task: str, queue: str) -> None:
    assert app.amqp.router.route({}, task)["queue"].name == queue

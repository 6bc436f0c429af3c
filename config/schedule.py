"""What beat rings, and how often. Beat only rings: which work is due stands in the database.

A ring that nobody answered in time is dropped (`expires`, seconds): the next one does the same work.
"""

from __future__ import annotations

from typing import Any


def every(seconds: float, task: str) -> dict[str, Any]:
    return {"task": task, "schedule": seconds, "options": {"expires": max(seconds * 2, 5)}}


SCHEDULE: dict[str, dict[str, Any]] = {
    "poll what is due": every(1, "listening.tasks.poll_due"),
    "say that the poller lives": every(5, "listening.tasks.beat_poller"),
    "let go what is kept for a while": every(3600, "listening.tasks.tidy"),
    "take mentions that no bell announced": every(15, "conversations.tasks.take_mentions"),
    "send and settle what is due": every(2, "conversations.tasks.send_due"),
    "say that the sender lives": every(5, "conversations.tasks.send_beat"),
    "wake what was snoozed": every(15, "conversations.tasks.wake_snoozed"),
    "fold the tally of the queues": every(60, "conversations.tasks.fold_tally"),
}

"""The main job over real HTTP: somebody speaks, the team answers, the network has it once, the clock stops."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from conversations import outbox
from conversations.models import Reply, Spell, Thread
from listening import polling, voice
from listening.models import Account, Source
from tests.cast import Cast, account_of, as_staff, source_of

pytestmark = pytest.mark.django_db(transaction=True)


def connected(cast: Cast, sandbox: Any) -> tuple[Account, Source]:
    identity = voice.identify("mastodon", sandbox.url, "nivalta-demo-token")
    account = account_of(
        cast.nivalta,
        sandbox.url,
        "nivalta-demo-token",
        identity.handle,
        remote_id=identity.remote_id,
        facts=identity.facts,
    )
    return account, source_of(
        cast.nivalta, "mastodon", address="mentions", base_url=sandbox.url, account=account, own_place=True
    )


def poll(source: Source) -> list[polling.Result]:
    return list(polling.poll(polling.claim(1, only=[source.pk])))


def test_a_customer_is_heard_answered_once_and_timed(cast: Cast, sandbox: Any, settings: Any) -> None:
    settings.UNDO_SECONDS = 0
    _, source = connected(cast, sandbox)
    poll(source)
    sandbox.say("gemma", "@nivalta the sole of my boots came off")
    assert [result.mentions for result in poll(source)] == [1]
    thread = Thread.objects.get()
    assert (thread.queue, thread.waiting_since is not None) == ("triage", True)

    with as_staff(cast.marta):
        thread.refresh_from_db()
        reply = outbox.submit(
            thread, cast.marta, "Send us the order number.", thread.version, uuid.uuid4(), timezone.now()
        )
    assert outbox.drain() == 1
    reply.refresh_from_db()
    thread.refresh_from_db()
    assert (reply.state, reply.reason) == (Reply.State.SENT, "")
    assert len(sandbox.published()) == 1
    spell = Spell.objects.get()
    assert (spell.outcome, thread.queue) == ("answered", "waiting")
    assert spell.ended_at is not None
    assert timedelta(0) <= spell.ended_at - spell.team_started_at < timedelta(minutes=1)

    poll(source)
    assert thread.messages.count() == 2

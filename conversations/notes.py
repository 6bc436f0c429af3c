"""What is said about a conversation and never in it: the team's notes, and the advice of consultants.

Other tables, other functions, other pages than replies: nothing here leads to the outbox.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from accounts import audit, live
from accounts.authority import Can, demand
from accounts.models import Engagement, Person
from conversations.models import Advice, Event, Message, Note, Thread

LONGEST = 5000
"""Characters."""


class Refusal(Exception):
    """It was not kept; the words say why and what to do."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


def add_note(thread: Thread, author: Person, text: str, now: datetime) -> Note:
    """An internal note, for the team alone."""
    demand(author, Can.WRITE_NOTES)
    note = Note.objects.create(thread=thread, author_id=author.pk, text=_some_words(text), at=now)
    audit.record(author.pk, "note.added", note, now, thread=thread.pk)
    live.touch(thread.brand_id)
    return note


def advise(
    thread: Thread,
    message: Message,
    engagement: Engagement,
    author: Person,
    text: str,
    kinds: Sequence[str],
    matters: str,
    quote: str,
    now: datetime,
) -> Advice:
    """A consultant's advice on a message, inside a running engagement. `quote`: the words it is about."""
    demand(author, Can.ADVISE)
    if not engagement.runs_at(now) or message.thread_id != thread.pk:
        raise Refusal("Your engagement has ended: nothing can be added any more.")
    kinds = [kind for kind in dict.fromkeys(kinds) if kind in Advice.Kind.values]
    if not kinds:
        raise Refusal("Say what kind of advice it is.")
    advice = Advice.objects.create(
        thread=thread,
        message=message,
        engagement=engagement,
        author=author,
        text=_some_words(text),
        kinds=kinds,
        matters=matters if matters in Advice.Matters.values else Advice.Matters.BEFORE,
        quote=quote.strip()[:1000],
        created_at=now,
    )
    audit.record(author.pk, "advice.given", advice, now, thread=thread.pk, engagement=engagement.pk)
    live.touch(thread.brand_id)
    return advice


def decide(advice: Advice, taken: bool, person: Person, reason: str, now: datetime) -> Advice:
    """Staff take advice up, or do not follow it and say why."""
    demand(person, Can.DECIDE_ADVICE)
    advice = Advice.objects.select_related("thread").get(pk=advice.pk)
    if advice.state != Advice.State.OPEN:
        raise Refusal("A colleague has already decided this.")
    if not taken and not reason.strip():
        raise Refusal("Say in a few words why it is not followed: the consultant reads it.")
    state = Advice.State.TAKEN if taken else Advice.State.DECLINED
    changed = Advice.objects.filter(pk=advice.pk, state=Advice.State.OPEN).update(
        state=state, decided_by_id=person.pk, decided_at=now, reason=reason.strip()[:500]
    )
    if not changed:
        raise Refusal("A colleague has already decided this.")
    advice.refresh_from_db()
    Event.objects.create(
        thread=advice.thread, at=now, person=person, kind=f"advice_{state}", data={"advice": advice.pk}
    )
    audit.record(person.pk, f"advice.{state}", advice, now, thread=advice.thread_id)
    live.touch(advice.thread.brand_id)
    return advice


def _some_words(text: str) -> str:
    text = text.strip()
    if not text:
        raise Refusal("Write something first.")
    if len(text) > LONGEST:
        raise Refusal("This is too long. Shorten it to 5,000 characters.")
    return text

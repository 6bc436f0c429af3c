"""Who takes it, and what it is about: assigning and labelling, with undo."""

from __future__ import annotations

from datetime import datetime

from accounts import audit, live
from accounts.authority import Can, allows, demand
from accounts.models import Person, Staff
from conversations import lifecycle, spells
from conversations.lifecycle import NotPossible
from conversations.models import Event, Label, Thread, ThreadLabel


def assign(thread: Thread, owner: Staff | None, person: Person, now: datetime) -> Event:
    """Gives a thread to a colleague of its brand, or back to the queue. Raises `NotPossible` for anybody else, `Stale`
    if it is no longer with whom `thread` says."""
    demand(person, Can.TRIAGE)
    seen, thread = thread, lifecycle.locked(thread)
    if thread.owner_id != seen.owner_id:
        raise lifecycle.Stale
    if owner is not None and not (
        allows(owner.person, Can.TRIAGE) and owner.brands.filter(pk=thread.brand_id).exists()
    ):
        raise NotPossible("This colleague does not work for this brand.")
    before = lifecycle.snapshot(thread)
    seen.owner = thread.owner = owner
    return lifecycle.moved(thread, "assigned", person, now, before, to=owner.pk if owner else None)


def label(thread: Thread, labels: list[Label], person: Person, now: datetime) -> Event | None:
    """Sets the labels of a thread; the due time of whoever waits follows."""
    demand(person, Can.TRIAGE)
    if any(one.brand_id != thread.brand_id for one in labels):
        raise NotPossible("This label belongs to another brand.")
    thread = lifecycle.locked(thread)
    had = set(ThreadLabel.objects.filter(thread=thread).values_list("label_id", flat=True))
    wanted = {one.pk for one in labels}
    if had == wanted:
        return None
    ThreadLabel.objects.filter(thread=thread, label_id__in=had - wanted).delete()
    ThreadLabel.objects.bulk_create(
        [ThreadLabel(thread=thread, label_id=pk) for pk in wanted - had], ignore_conflicts=True
    )
    spells.recompute_due(thread, person.pk, now)
    spells.decided(thread, now)
    thread.save()
    added, gone = sorted(wanted - had), sorted(had - wanted)
    event = Event.objects.create(
        thread=thread,
        at=now,
        person=person,
        kind="labelled",
        data={"added": added, "removed": gone, "had": sorted(had)},
    )
    audit.record(person.pk, "thread.labelled", thread, now, added=added, removed=gone)
    live.touch(thread.brand_id)
    return event


def undo(event: Event, person: Person, now: datetime) -> Event | None:
    """Takes a move back, whichever it was."""
    if event.kind == "labelled":
        if event.person_id != person.pk:
            raise lifecycle.Stale
        return label(event.thread, list(Label.objects.filter(pk__in=event.data["had"])), person, now)
    return lifecycle.undo(event, person, now)

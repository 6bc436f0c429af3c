"""What a company's two years leave beside the conversations: an address book, the hours listened to, what was read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connection

from conversations.models import Contact, ContactIdentity
from demo.acts import Story
from demo.bank import bank, by_id
from demo.company import Company, week
from demo.places import REFUSAL
from demo.plot import kind_of, voice_of
from listening import coverage
from listening.models import Coverage, Fetch, Source

LISTENED = timedelta(days=14)
"""Of the ledger of hours, the part that pages show."""
FETCHES = 20
BLOGS = {"Passo Lento": "so-10", "Cammini Lenti": "so-11"}
FRESH = timedelta(minutes=210)
"""What came in later than this before the loading, and waits, is unread."""


def know_people(stories: Sequence[Story], company: Company) -> None:
    """The people of the bank who write, each one contact with all their identities: merging by hand comes later."""
    since: dict[str, datetime] = {}
    for story in stories:
        since[story.author.name] = min(story.began, since.get(story.author.name, company.now))
    entries = [entry for entry in bank()["contacts"] if entry["name"] in since]
    contacts = Contact.objects.bulk_create(Contact(name=entry["name"], since=since[entry["name"]]) for entry in entries)
    identities: dict[tuple[str, str], ContactIdentity] = {}
    for entry, contact in zip(entries, contacts, strict=True):
        for network in entry["handles"]:
            voice = voice_of(entry, network)
            remote_id, handle, url = voice.remote_id, voice.handle, voice.url
            if network == "blog":
                address = by_id("sources")[BLOGS[entry["name"]]]["address"]
                remote_id, handle, url = address, entry["handles"]["blog"], f"https://{entry['handles']['blog']}/"
            kind = kind_of(network)
            identities[kind, remote_id] = ContactIdentity(
                contact=contact, network=kind, remote_id=remote_id, handle=handle, url=url
            )
    ContactIdentity.objects.bulk_create(identities.values())


def settle(company: Company) -> None:
    """How everything stands at the moment of loading."""
    # Conversations of the invented past go on nowhere: their watches would be asked in vain.
    Source.objects.filter(warm_until__isnull=False).delete()
    _note_hours(company)
    _note_fetches(company)
    _note_last_items()
    _mark_read(company.now - FRESH)


# ── listening ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _note_hours(company: Company) -> None:
    now, half = company.now, company.now - LISTENED / 2
    deaf = _deaf_since(now)
    ears: dict[datetime, list[coverage.Ear]] = {half: [], now: []}
    for (_, key), source in company.sources.items():
        status = Coverage.Status.PAUSED if source.state == Source.State.PAUSED else Coverage.Status.CHECKED
        ears[half].append(coverage.Ear(source.pk, status, now - LISTENED, half))
        if key in deaf:
            coverage.note([coverage.Ear(source.pk, status, half, deaf[key])])
            ears[now].append(coverage.Ear(source.pk, Coverage.Status.FAILED, deaf[key] + timedelta(hours=1), now))
        else:
            ears[now].append(coverage.Ear(source.pk, status, half, now))
    for batch in ears.values():
        coverage.note(batch)
    _note_slow_hours(company)


def _deaf_since(now: datetime) -> dict[str, datetime]:
    """Sources that refuse us today, and since when."""
    events = [event for event in bank()["events"] if event["type"] == "deaf" and "hours_before_now" in event]
    return {event["source"]: now - timedelta(hours=event["hours_before_now"][0]) for event in events}


def _note_slow_hours(company: Company) -> None:
    for event in bank()["events"]:
        if event["type"] == "deaf" and "week" in event:
            start = week(company.now, event["week"])
            for (_, key), source in company.sources.items():
                if key == event["source"]:
                    for hour in range(event["hours"]):
                        at = start + timedelta(hours=hour)
                        coverage.note([coverage.Ear(source.pk, Coverage.Status.PARTIAL, None, at)])


def _note_fetches(company: Company) -> None:
    """The last polls of each invented place; the sandbox writes its own from now on."""
    rows: list[Fetch] = []
    deaf = _deaf_since(company.now)
    for number, ((_, key), source) in enumerate(company.sources.items()):
        if source.steady or source.state == Source.State.PAUSED:
            continue
        last = company.now - timedelta(seconds=60 + 23 * number)
        if key in deaf:
            _refuse(source, deaf[key], last, rows)
            continue
        for back in range(FETCHES):
            at = last - timedelta(seconds=back * source.interval)
            seconds = 0.2 + (number * 7 + back * 13) % 40 / 100
            rows.append(
                Fetch(
                    source=source, at=at, outcome=Coverage.Status.CHECKED, unchanged=True, status=304, seconds=seconds
                )
            )
        Source.objects.filter(pk=source.pk).update(
            last_attempt_at=last, last_success_at=last, next_poll_at=last + timedelta(seconds=source.interval)
        )
    Fetch.objects.bulk_create(rows)


def _refuse(source: Source, since: datetime, last: datetime, rows: list[Fetch]) -> None:
    """Refused again and again, tried later and later."""
    moments, wait = [since + timedelta(minutes=15)], 900.0
    while moments[-1] + timedelta(seconds=wait) < last:
        moments.append(moments[-1] + timedelta(seconds=wait))
        wait = min(wait * 2, 6 * 3600.0)
    rows += [
        Fetch(source=source, at=at, outcome=Coverage.Status.FAILED, status=403, seconds=0.3, words=REFUSAL)
        for at in moments
    ]
    Source.objects.filter(pk=source.pk).update(
        failures=len(moments),
        last_success_at=since,
        last_attempt_at=moments[-1],
        next_poll_at=moments[-1] + timedelta(seconds=wait),
        trouble_code="denied",
        trouble_words=REFUSAL,
        trouble_details=f"403 Forbidden: {source.address}",
    )


def _note_last_items() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE listening_source s SET last_item_at = m.at
               FROM (SELECT source_id, max(created_at) AS at FROM listening_mention GROUP BY source_id) m
               WHERE m.source_id = s.id"""
        )


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _mark_read(fresh: datetime) -> None:
    """Everybody has read what their brand had to read, but for what has just come in and waits."""
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO conversations_threadread (thread_id, person_id, version, at)
               SELECT t.id, m.staff_id, t.version, t.last_message_at
               FROM conversations_thread t JOIN accounts_membership m ON m.brand_id = t.brand_id
               WHERE NOT (t.queue = 'triage' AND t.last_message_at > %s)""",
            [fresh],
        )

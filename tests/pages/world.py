"""A brand on an ordinary day: every kind of entry, every queue with something in it. Its people speak Italian."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from accounts.binding import bound
from conversations import lifecycle, notes, outbox, triage
from conversations.models import Label, Reply, Thread
from listening.connectors.contract import Receipt, Refused
from listening.connectors.mastodon.server import NOT_ALLOWED
from tests.cast import Cast, as_staff
from tests.pages.conftest import Place


@dataclass
class Day:
    """`full` holds an answered question, a note, advice in each state, events and a reply on its way."""

    full: Thread
    open: Thread
    closed: Thread
    article: Thread


def ordinary_day(cast: Cast, square: Place, blog: Place) -> Day:
    now = timezone.now()
    full = square.hears("1", "La zip del mio zaino Nivalta si è rotta dopo due mesi.", language="it")
    first = full.messages.get()
    for key, text in (("1", "Nominate i tempi."), ("2", "Troppo formale."), ("3", "Dite il costo.")):
        with bound("consultant", cast.sandro.pk):
            kinds = ["tone", "facts"] if key == "2" else ["tone"]
            one = notes.advise(
                full, first, cast.engagements["sandro"], cast.sandro, text, kinds, "before", "si è rotta", now
            )
        if key != "3":
            with as_staff(cast.marta):
                notes.decide(one, key == "1", cast.marta, "" if key == "1" else "Qui va bene.", now)
    with as_staff(cast.marta):
        staff = cast.marta.staff
        triage.assign(full, staff, cast.marta, now)
        triage.label(full, list(Label.objects.filter(brand=full.brand)), cast.marta, now)
        notes.add_note(full, cast.marta, "È in garanzia: l’ha comprato a settembre.", now)
        reply = say(full, cast, "La ripariamo noi, in tre settimane. Scrivi a https://nivalta.example/garanzia")
    outbox._finish(claimed(reply), Receipt(remote_id="90", url="https://social.example/90", at=None))
    full.refresh_from_db()
    square.hears("1b", "Grazie @nivalta, spedisco domani!", conversation_key="1", language="it", warning="Zaini")
    full.refresh_from_db()
    with as_staff(cast.marta):
        failed = say(full, cast, "Perfetto.")
    outbox._finish(claimed(failed), Refused(NOT_ALLOWED))

    later = square.hears("2", "Nivalta, wann kommt das Zelt zurück?", "wanderin", language="de")
    closed = square.hears("3", "Che bella la vetrina di Nivalta!", "ringrazia")
    waiting = square.hears("4", "Dove trovo Nivalta a Bologna?", "viandante")
    open_ = square.hears(
        "5", "Un nomecheproprionondovrebbemaistareinunarigasola per Nivalta " * 3, "nomeutentelunghissimodavverotanto"
    )
    long_text = "Abbiamo provato i bastoncini Nivalta per sei mesi.\n\n" + "Reggono bene. " * 150
    article = blog.hears("a1", long_text, "Sentieri d’Appennino", title="Sei mesi con i bastoncini Nivalta")
    with as_staff(cast.marta):
        lifecycle.snooze(later, now + timedelta(days=1), cast.marta, now)
        lifecycle.close(closed, "thanks_only", cast.marta, now)
        answer = say(waiting, cast, "In via Larga 3, fino alle 19.")
    outbox._finish(claimed(answer), Receipt(remote_id="91", url="https://social.example/91", at=None))
    return Day(full, open_, closed, article)


def say(thread: Thread, cast: Cast, text: str) -> Reply:
    """Marta queues a reply; call it in her name."""
    thread.refresh_from_db()
    return outbox.submit(thread, cast.marta, text, thread.version, uuid.uuid4(), timezone.now())


def claimed(reply: Reply) -> Reply:
    mine = outbox.claim()
    assert mine is not None
    assert mine.pk == reply.pk
    return mine

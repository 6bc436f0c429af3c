"""The only way out: a reply from draft to sent, and everything that may happen on the way.

One approved reply becomes at most one message on the network. Therefore: the move to `sending` is committed before the
first byte leaves; one attempt, one outcome; what is not known is `uncertain` and is settled by looking, never by
sending again without a key that the network honours and that still lives; no second attempt without a look before it.
The database knows the same table of moves, and who may make them (`ascolto_reply_move` in guards.sql; a test compares
the two).

Staff write, send, take back and decide. The sender process claims and settles. Redis only wakes it: due work is a row.
docs/outbox.md says what becomes of a reply at each fault.
"""

from __future__ import annotations

import logging
import time
import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_noop

from accounts import audit, live
from accounts.authority import Can, allows, demand
from accounts.binding import bound
from accounts.models import Person
from conversations import spells
from conversations.models import Event, Message, Reply, ReplyAttempt, Spell, Thread
from listening import voice
from listening.connectors.contract import Ambiguous, NotSent, Receipt, Refused, Trouble, Unknown
from listening.models import Account, Item

log = logging.getLogger("ascolto.outbox")


State = Reply.State

STAFF, SENDER = "staff", "sender"
MOVES: dict[tuple[str, str], str] = {
    (State.DRAFT, State.QUEUED): STAFF,
    (State.DRAFT, State.AWAITING_APPROVAL): STAFF,
    (State.DRAFT, State.CANCELLED): STAFF,
    (State.AWAITING_APPROVAL, State.QUEUED): STAFF,
    (State.AWAITING_APPROVAL, State.DRAFT): STAFF,
    (State.AWAITING_APPROVAL, State.CANCELLED): STAFF,
    (State.QUEUED, State.SENDING): SENDER,
    (State.QUEUED, State.DRAFT): STAFF,
    (State.QUEUED, State.HELD): SENDER,
    (State.QUEUED, State.CANCELLED): STAFF,
    (State.HELD, State.QUEUED): STAFF,
    (State.HELD, State.DRAFT): STAFF,
    (State.HELD, State.CANCELLED): STAFF,
    (State.SENDING, State.SENT): SENDER,
    (State.SENDING, State.QUEUED): SENDER,
    (State.SENDING, State.HELD): SENDER,
    (State.SENDING, State.FAILED): SENDER,
    (State.SENDING, State.UNCERTAIN): SENDER,
    (State.FAILED, State.QUEUED): STAFF,
    (State.FAILED, State.DRAFT): STAFF,
    (State.UNCERTAIN, State.SENT): SENDER,
    (State.UNCERTAIN, State.QUEUED): SENDER,
    (State.UNCERTAIN, State.NEEDS_PERSON): SENDER,
    (State.NEEDS_PERSON, State.SENT): STAFF,
    (State.NEEDS_PERSON, State.QUEUED): STAFF,
    (State.NEEDS_PERSON, State.CANCELLED): STAFF,
}
"""Every move there is, and who makes it. Text changes in a draft only."""

AT_REST = (State.DRAFT, State.SENT, State.FAILED, State.CANCELLED)
UNDER_WAY = (State.AWAITING_APPROVAL, State.QUEUED, State.SENDING, State.UNCERTAIN, State.NEEDS_PERSON, State.HELD)

LEASE = timedelta(seconds=90)
"""How long a sender has for one attempt: two exchanges (finding the parent, posting) of `fetching.TOTAL_SECONDS` each,
and some air. Only when it is over does another sender conclude that this one died."""
LOOKS = tuple(timedelta(seconds=s) for s in (15, 60, 300, 1800))
"""When to look for a reply whose outcome is unknown, counted from the attempt: networks show things late."""
ATTEMPTS = 5
"""How often a reply that provably did not leave is tried."""
RETRY = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=6)
DRAIN_SECONDS = 60.0
"""A task takes no new work after this: it must end before Celery's time limit could cut an exchange in two."""
EARLY = timedelta(seconds=2)
"""How much older than our first attempt a message may seem, by the network's clock, and still be ours."""


UNSEEN = gettext_noop("Ascolto did not see it on the network. Look there yourself, then say whether it is out.")
LATE_PROOF = gettext_noop("The network confirmed it late: it is out. Look there, and paste its link.")
SAID_BEFORE = gettext_noop(
    "The same words stood there before Ascolto sent them. Look there, then say whether it is out."
)


class Refusal(Exception):
    """The reply does not leave; the words say why and what to do."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


class StaleReply(Refusal):
    """Something was said since the author read the thread: they read it first."""


def scaled(span: timedelta) -> timedelta:
    """Waits of the outbox follow one scale, so that tests can run the same table in less time."""
    return span * settings.TIME_SCALE


# ── what staff do ───────────────────────────────────────────────────────────────────────────────────────────────────


def save_draft(thread: Thread, author: Person, text: str, now: datetime, account: Account | None = None) -> Reply:
    """Keeps what somebody is writing, one draft for each author of a thread. Raises `Refusal` where none can answer."""
    demand(author, Can.REPLY)
    draft = _draft_of(thread, author)
    if draft is not None:
        draft.text, draft.changed_at = text, now
        if account is not None:
            draft.account = account
        draft.save(update_fields=["text", "changed_at", "account"])
        return draft
    leaving = thread.replies.filter(author_id=author.pk, state__in=UNDER_WAY, text=text).first()
    if leaving is not None:  # kept too late: these words were sent meanwhile
        return leaving
    speaker = account or thread.account
    if speaker is None or not voice.can_speak(speaker.kind):
        raise Refusal(gettext_noop("No reply can be sent from here. Answer there, and paste the link."))
    try:
        with transaction.atomic():
            return Reply.objects.create(
                thread=thread,
                parent=_last_inbound(thread),
                account=speaker,
                author_id=author.pk,
                text=text,
                created_at=now,
                changed_at=now,
            )
    except IntegrityError:  # the same author in another tab, at this moment
        return save_draft(thread, author, text, now, account)


def _draft_of(thread: Thread, author: Person) -> Reply | None:
    return Reply.objects.select_for_update().filter(thread=thread, author_id=author.pk, state=State.DRAFT).first()


def submit(
    thread: Thread,
    author: Person,
    text: str,
    seen_version: int,
    token: uuid.UUID,
    now: datetime,
    account: Account | None = None,
) -> Reply:
    """Queues a reply; it leaves after the time to undo. Raises `Refusal` (empty, too long, nobody to answer) or
    `StaleReply`. The same form posted twice gives the same reply."""
    demand(author, Can.REPLY)
    thread = Thread.objects.select_for_update().get(pk=thread.pk)
    twin = (
        Reply.objects.filter(client_token=token).exclude(thread=thread, author_id=author.pk, state=State.DRAFT).first()
    )
    if twin is not None:
        if (twin.thread_id, twin.author_id) != (thread.pk, author.pk) or twin.state == State.CANCELLED:
            raise Refusal(gettext_noop("This form is used up. Reload the page; your text is kept."))
        return twin
    draft = save_draft(thread, author, text, now, account)
    parent = _last_inbound(thread)
    _must_fit(draft, parent)
    if seen_version != thread.version:
        raise StaleReply(gettext_noop("Something new was said while you were writing. Read it, then send again."))
    if thread.replies.filter(state__in=UNDER_WAY).exists():
        raise StaleReply(
            gettext_noop("Another reply to this conversation is just leaving. Wait for it, or take it back.")
        )
    draft.parent, draft.client_token, draft.seen_version = parent, token, thread.version
    draft.payload = voice.compose(draft.account, parent.item, text)  # type: ignore[arg-type]
    draft.not_before = now + timedelta(seconds=settings.UNDO_SECONDS)
    draft.attempts, draft.looks, draft.reason, draft.first_attempt_at, draft.key = 0, 0, "", None, uuid.uuid4()
    spells.decided(thread, now)
    _move(draft, State.QUEUED, now, actor=author)
    return draft


def _last_inbound(thread: Thread) -> Message:
    message = (
        thread.messages.select_related("item")
        .filter(direction=Message.Direction.INBOUND, removed_at=None)
        .order_by("-at", "-pk")
        .first()
    )
    if message is None:
        raise Refusal(gettext_noop("What they said is gone from the network: there is nothing left to answer."))
    return message


def _must_fit(draft: Reply, parent: Message) -> None:
    if not draft.text.strip():
        raise Refusal(gettext_noop("Write something first."))
    limit, _ = voice.limits(draft.account)  # type: ignore[arg-type]
    length = voice.length(draft.account, draft.text, parent.item)  # type: ignore[arg-type]
    if length > limit:
        raise Refusal(gettext_noop("This is too long for the network. Shorten it, then send again."))


def take_back(reply: Reply, person: Person, now: datetime) -> Reply:
    """Undo: a reply that has not left goes back to its author's draft, with its text; to `person`, if its author may no
    longer reply. What stands in that draft already is kept below it. Gives the draft."""
    demand(person, Can.REPLY)
    reply = Reply.objects.select_for_update().get(pk=reply.pk)
    if reply.state not in (State.QUEUED, State.HELD, State.FAILED, State.AWAITING_APPROVAL):
        raise Refusal(gettext_noop("It has already left."))
    author = reply.author.person
    writer = author if allows(author, Can.REPLY) else person
    begun = _draft_of(reply.thread, writer)
    text = "\n\n".join(filter(None, [reply.text, begun.text.strip() if begun else ""]))
    if begun is not None:
        _move(begun, State.CANCELLED, now, actor=person)
    reply.not_before = None
    _move(reply, State.DRAFT, now, actor=person)
    if writer.pk != author.pk:
        _move(reply, State.CANCELLED, now, actor=person)
        return save_draft(reply.thread, writer, text, now, reply.account)
    reply.text = text
    reply.save(update_fields=["text"])
    return reply


def release(reply: Reply, person: Person, now: datetime) -> Reply:
    """Lets a held or failed reply leave (again), by a person's decision and under their name. If it was tried before,
    the sender looks for it first."""
    demand(person, Can.REPLY)
    reply = Reply.objects.select_for_update().get(pk=reply.pk)
    if reply.state not in (State.HELD, State.FAILED):
        raise Refusal(gettext_noop("It is not waiting for you any more."))
    reply.not_before, reply.attempts, reply.reason, reply.seen_version = now, 0, "", reply.thread.version
    _move(reply, State.QUEUED, now, actor=person)
    return reply


def cancel(reply: Reply, person: Person, now: datetime) -> Reply:
    """Gives a reply up. It never leaves."""
    demand(person, Can.REPLY)
    reply = Reply.objects.select_for_update().get(pk=reply.pk)
    if (reply.state, State.CANCELLED) not in MOVES:
        raise Refusal(gettext_noop("It has already left."))
    _move(reply, State.CANCELLED, now, actor=person)
    return reply


def decide(reply: Reply, person: Person, is_out: bool, link: str, now: datetime) -> Reply:
    """A person, who looked at the network, says whether an uncertain reply is out. Out: with the link. Not out: it is
    sent again, under a new key."""
    demand(person, Can.REPLY)
    reply = Reply.objects.select_for_update().get(pk=reply.pk)
    if reply.state != State.NEEDS_PERSON:
        raise Refusal(gettext_noop("It is not waiting for you any more."))
    if is_out:
        if not link.startswith(("https://", "http://")):
            raise Refusal(gettext_noop("Paste the link of the published reply."))
        if _taken(reply, link):
            raise Refusal(gettext_noop("This is the link of another reply. Paste the one of this reply."))
        _accepted(reply, Receipt(remote_id=link, url=link, at=reply.first_attempt_at), now, actor=person)
    else:
        reply.key, reply.not_before, reply.attempts, reply.looks = uuid.uuid4(), now, 0, 0
        reply.first_attempt_at, reply.reason = None, ""
        _move(reply, State.QUEUED, now, actor=person)
    return reply


def answered_there(thread: Thread, person: Person, link: str, text: str, at: datetime, now: datetime) -> Reply:
    """'I answered there': for a place that takes no reply from here. The link, the name and the time (`at`, in the
    past) end the spell."""
    demand(person, Can.REPLY)
    if at > now:
        raise Refusal(gettext_noop("The time of your answer lies in the future. Check it."))
    if not link.startswith(("https://", "http://")):
        raise Refusal(gettext_noop("Paste the link of your answer, beginning with https://."))
    if now - at < timedelta(minutes=1):  # forms know minutes; nothing said in this one is newer than the answer
        at = now
    thread = Thread.objects.select_for_update().get(pk=thread.pk)
    twin = thread.replies.filter(elsewhere=True, remote_url=link).first()
    if twin is not None:
        return twin
    reply = Reply.objects.create(
        thread=thread,
        parent=_last_inbound(thread),
        author_id=person.pk,
        elsewhere=True,
        text=text,
        state=State.SENT,
        remote_url=link,
        created_at=now,
        changed_at=now,
        sent_at=at,
    )
    spells.decided(thread, now)
    _spoken(reply, thread, at)
    _recorded(reply, "", now, person)
    return reply


# ── what the sender does ────────────────────────────────────────────────────────────────────────────────────────────


def drain() -> int:
    """Sends and settles what is due, one after the other; gives how many were handled.

    Runs in the sender process alone. Twenty of these at once are as one: a claim takes a row that nobody holds.
    """
    handled, end = 0, time.monotonic() + DRAIN_SECONDS
    while time.monotonic() < end and (reply := claim()) is not None:
        handled += 1
        if reply.state == State.SENDING:
            send(reply)
        elif reply.state == State.UNCERTAIN:
            settle(reply)
    return handled


def claim() -> Reply | None:
    """Takes the next due reply and commits what it becomes: `sending` before the first byte leaves; `held` when it may
    no longer leave; `uncertain` when the sender that had it died. One account speaks one message at a time."""
    with bound("sender"):
        now = _clock()
        busy = Reply.objects.filter(account=OuterRef("account"), state=State.SENDING, lease_until__gt=now)
        reply = (
            Reply.objects.select_for_update(skip_locked=True, of=("self", "account"))
            .select_related("thread", "account", "author__person", "parent__item")
            .filter(
                state__in=(State.QUEUED, State.SENDING, State.UNCERTAIN),
                not_before__lte=now,
                account__kind__isnull=False,  # an inner join: PostgreSQL locks no row that may be missing
            )
            .exclude(lease_until__gt=now)
            .filter(~Q(state=State.QUEUED) | ~Exists(busy))
            .order_by("not_before", "pk")
            .first()
        )
        if reply is None:
            return None
        if reply.state == State.SENDING:
            words = gettext_noop("The sender stopped in the middle. Ascolto looks whether it is out.")
            _tried(reply, "send", "unknown", words, now)
            _to_uncertain(reply, words, now)
        elif reply.state == State.UNCERTAIN:
            _hold_lease(reply, now)
            reply.save(update_fields=["lease_until", "lease_token"])
        elif words := _why_not(reply):
            _move(reply, State.HELD, now, reason=words)
        else:
            _start(reply, now)
        return reply


def _clock() -> datetime:
    """The database's clock, by which all senders agree on leases, however wrong their own clocks are."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
        return moment


def _why_not(reply: Reply) -> str:
    """Why a queued reply may not leave now; empty when it may. Rights are asked now, not when it was queued."""
    if not allows(reply.author.person, Can.REPLY):
        return gettext_noop("Its author may no longer reply. A colleague can take it over or give it up.")
    if reply.account.state != Account.State.ACTIVE:  # type: ignore[union-attr]
        return gettext_noop("The account is paused. Reconnect it, then release the reply.")
    if reply.attempts == 0 and reply.thread.version != reply.seen_version:
        return gettext_noop("Something new was said before it left. Read it, then release the reply or change it.")
    if reply.parent.removed_at is not None:
        return gettext_noop("What it answers is gone from the network.")
    return ""


def _start(reply: Reply, now: datetime) -> None:
    reply.attempts += 1
    reply.first_attempt_at = reply.first_attempt_at or now
    _hold_lease(reply, now)
    _move(reply, State.SENDING, now)


def _hold_lease(reply: Reply, now: datetime) -> None:
    reply.lease_until, reply.lease_token = now + scaled(LEASE), uuid.uuid4()


def send(reply: Reply) -> None:
    """One attempt. Nothing that happens after the network's answer can raise the attempt again."""
    outcome = _seen_before(reply)
    if outcome is None:
        outcome = _speak(reply)
    if isinstance(outcome, Refused):
        outcome = _believed(reply, outcome)
    _finish(reply, outcome)


def _seen_before(reply: Reply) -> Receipt | Exception | None:
    """No second attempt without a look: whoever pressed 'try again' may be wrong, and a refusal can hide a success.
    None: it may leave. Otherwise what the attempt comes to without a byte sent."""
    with bound("sender"):
        tried = reply.tries.filter(kind="send", at__gte=reply.first_attempt_at).exists()
    if not tried:
        return None
    found = _look(reply)
    if isinstance(found, Ambiguous):
        return Unknown(found.words)
    if isinstance(found, Exception):
        return NotSent(_words(found), wait=getattr(found, "wait", None))
    if found is None and not _renewed(reply):
        return Unknown("Another sender took over.")
    return found


def _renewed(claimed: Reply) -> bool:
    """Looking took its time: a whole lease for the attempt itself. False: it was over, and the reply is another's."""
    with bound("sender"):
        now = _clock()
        return bool(
            Reply.objects.filter(pk=claimed.pk, state=State.SENDING, lease_token=claimed.lease_token).update(
                lease_until=now + scaled(LEASE)
            )
        )


def _speak(reply: Reply) -> Receipt | Exception:
    assert reply.account is not None
    assert reply.payload is not None
    try:
        return voice.speak(reply.account, reply.payload, str(reply.key))
    except (NotSent, Refused, Unknown) as known:
        return known
    except Exception as error:
        log.exception("reply %s: the connector failed while sending", reply.pk)
        return Unknown(_words(error))


def _believed(reply: Reply, refused: Refused) -> Receipt | Exception:
    """Networks have refused and published all the same, so a refusal is believed after a look."""
    found = _look(reply)
    if isinstance(found, Ambiguous):
        return Unknown(found.words)
    return found if isinstance(found, Receipt) else refused


def replay(reply: Reply, receipt: Receipt, now: datetime) -> None:
    """What `claim` and `send` record when all goes well, with the network's answer and the time told: for the history
    of the demo, whose messages left long ago. Every move and guard is the usual one, under the sender's role.

    Raises `Refusal` where the reply may not leave, and outside demo and tests."""
    if not (settings.DEMO or settings.TESTING):
        raise Refusal("Only the demo has a history to replay.")
    reply = _reread(reply)
    if words := _why_not(reply):
        raise Refusal(words)
    _start(reply, now)
    _record(reply, receipt, now)


def _finish(claimed: Reply, outcome: Receipt | Exception) -> None:
    """Records an attempt. Another sender may have moved the reply since our lease ended: then only a proof counts."""
    with bound("sender"):
        now = _clock()
        reply = _reread(claimed)
        if reply.state == State.SENDING and reply.lease_token == claimed.lease_token:
            _record(reply, outcome, now)
        elif isinstance(outcome, Receipt):
            _late(reply, outcome, now)


def _late(reply: Reply, proof: Receipt, now: datetime) -> None:
    """An answer that came after the lease: it settles what is unknown, and stops what a person let leave again."""
    if reply.state == State.SENT:
        return
    _tried(reply, "send", "sent", proof.url, now)
    if reply.state in (State.SENDING, State.UNCERTAIN):
        _accepted(reply, proof, now)
    elif reply.state == State.QUEUED:
        _move(reply, State.HELD, now, reason=LATE_PROOF)
    elif reply.state == State.NEEDS_PERSON:
        reply.reason = LATE_PROOF
        reply.save(update_fields=["reason"])


def _record(reply: Reply, outcome: Receipt | Exception, now: datetime) -> None:
    if isinstance(outcome, Receipt):
        _tried(reply, "send", "sent", "", now)
        _accepted(reply, outcome, now)
        return
    words, doubt = _words(outcome), _in_doubt(reply)
    if isinstance(outcome, Refused) and outcome.account:
        assert reply.account is not None
        Account.objects.filter(pk=reply.account.pk).update(state=Account.State.PAUSED, state_words=words[:500])
    if isinstance(outcome, NotSent):
        _tried(reply, "send", "not sent", words, now)
    else:
        _tried(reply, "send", "refused" if isinstance(outcome, Refused) else "unknown", words, now)
    if doubt or not isinstance(outcome, NotSent | Refused):
        _to_uncertain(reply, words, now)
    elif isinstance(outcome, NotSent) and reply.attempts < ATTEMPTS:
        wait = timedelta(seconds=outcome.wait) if outcome.wait is not None else RETRY * 2 ** (reply.attempts - 1)
        reply.not_before = now + scaled(min(max(wait, timedelta(seconds=1)), LONGEST_WAIT))
        _move(reply, State.QUEUED, now, reason=words)
    elif isinstance(outcome, Refused) and outcome.account:
        _move(reply, State.HELD, now, reason=words)
    else:
        _move(reply, State.FAILED, now, reason=words)


def _in_doubt(reply: Reply) -> bool:
    """May an earlier attempt be out? Then what became of this one proves nothing about that one."""
    return reply.tries.filter(kind="send", outcome="unknown", at__gte=reply.first_attempt_at).exists()


def _to_uncertain(reply: Reply, words: str, now: datetime) -> None:
    reply.looks, reply.not_before = 0, now + scaled(LOOKS[0])
    _move(reply, State.UNCERTAIN, now, reason=words)


# ── when the outcome is unknown: look, and only then go on ──────────────────────────────────────────────────────────


def settle(reply: Reply) -> None:
    """Looks for an uncertain reply on the network. Found: sent. Not found: the same key again where the network honours
    keys and this one still lives; else look again later; at last a person decides. Never a resend without a key."""
    found = _look(reply)
    again = False
    with bound("sender"):
        now = _clock()
        current = _reread(reply)
        if current.state != State.UNCERTAIN or current.lease_token != reply.lease_token:
            return
        if isinstance(found, Receipt):
            _tried(current, "look", "found", "", now)
            _accepted(current, found, now)
        elif isinstance(found, Ambiguous):
            _tried(current, "look", "ambiguous", found.words, now)
            _move(current, State.NEEDS_PERSON, now, reason=found.words)
        elif found is None and _key_lives(current, now):
            _tried(current, "look", "not found", "", now)
            _move(current, State.QUEUED, now, reason=current.reason)
            _start(current, now)
            again = True
        else:
            _look_later(current, found, now)
    if again:
        _finish(current, _speak(current))


def _look(reply: Reply) -> Receipt | Exception | None:
    """What the network shows: a proof, nothing, `Ambiguous`, or why nothing could be seen."""
    assert reply.account is not None
    assert reply.payload is not None
    assert reply.first_attempt_at is not None
    try:
        found = voice.look(reply.account, reply.payload, reply.first_attempt_at)
    except (Ambiguous, Trouble, Refused) as known:
        return known
    except Exception as error:
        log.exception("reply %s: the connector failed while looking", reply.pk)
        return error
    with bound("sender"):
        if found is None or _taken(reply, found.remote_id):  # the same words, sent twice on purpose
            return None
        before = Item.objects.filter(external_id=found.remote_id, discovered_at__lt=reply.first_attempt_at)
        if before.exists() or (found.at and found.at < reply.first_attempt_at - EARLY):
            return Ambiguous(SAID_BEFORE)
    return found


def _taken(reply: Reply, remote_id: str) -> bool:
    """Is this message on the network known to be another reply of ours?"""
    others = Reply.objects.exclude(pk=reply.pk).filter(account_id=reply.account_id)  # type: ignore[misc]
    return others.filter(Q(remote_id=remote_id) | Q(remote_url=remote_id)).exists()


def _key_lives(reply: Reply, now: datetime) -> bool:
    """May the same key be sent again? Only where the network is known to honour it, and has not forgotten it."""
    facts = reply.account.facts  # type: ignore[union-attr]
    age = (now - reply.first_attempt_at).total_seconds()  # type: ignore[operator]
    return (
        facts.get("keys") == "honoured"
        and age < float(facts.get("key_seconds", 0))
        and reply.attempts < ATTEMPTS
        and not _why_not(reply)
    )


def _look_later(reply: Reply, found: Exception | None, now: datetime) -> None:
    """Not seen, or looking failed: networks show things late, so there are several looks before a person is asked."""
    _tried(reply, "look", "failed" if found else "not found", _words(found) if found else "", now)
    reply.looks += 1
    if reply.looks < len(LOOKS):
        reply.not_before = now + scaled(LOOKS[reply.looks] - LOOKS[reply.looks - 1])
        reply.lease_until = reply.lease_token = None
        reply.save(update_fields=["looks", "not_before", "lease_until", "lease_token"])
        live.touch(reply.thread.brand_id)
    else:
        _move(reply, State.NEEDS_PERSON, now, reason=UNSEEN)


# ── how every move is made ──────────────────────────────────────────────────────────────────────────────────────────


def _reread(reply: Reply) -> Reply:
    related = ("thread", "account", "author__person", "parent__item")
    return Reply.objects.select_for_update(of=("self",)).select_related(*related).get(pk=reply.pk)


def _move(reply: Reply, state: str, now: datetime, *, actor: Person | None = None, reason: str = "") -> None:
    """Makes one move of the table, with its audit entry, in the caller's transaction."""
    mover = MOVES.get((reply.state, state))
    if mover is None or (mover == STAFF) != (actor is not None):
        raise Refusal(gettext_noop("It is not waiting for you any more."))
    before, reply.state, reply.reason, reply.changed_at = reply.state, state, reason[:500], now
    if state != State.SENDING:
        reply.lease_until = reply.lease_token = None
    if state == State.DRAFT:
        reply.payload = None
    reply.save()
    _recorded(reply, before, now, actor)


def _recorded(reply: Reply, before: str, now: datetime, actor: Person | None) -> None:
    audit.record(actor.pk if actor else None, f"reply.{reply.state}", reply, now, before=before, thread=reply.thread_id)
    live.touch(reply.thread.brand_id)


def _words(error: Exception) -> str:
    return str(getattr(error, "words", "")) or f"{type(error).__name__}: {error}"


def _tried(reply: Reply, kind: str, outcome: str, words: str, now: datetime) -> None:
    ReplyAttempt.objects.create(reply=reply, at=now, kind=kind, outcome=outcome, words=words[:500])


def _accepted(reply: Reply, receipt: Receipt, now: datetime, actor: Person | None = None) -> None:
    """The network has it: the message stands in the thread, and the spell ends. Told at once: at our clock; found
    later: at the network's, inside what we know."""
    at = now
    if reply.state != State.SENDING and receipt.at is not None and reply.first_attempt_at is not None:
        at = min(max(receipt.at, reply.first_attempt_at), now)
    reply.remote_id, reply.remote_url, reply.sent_at = receipt.remote_id[:2000], receipt.url[:2000], at
    thread = Thread.objects.select_for_update().get(pk=reply.thread_id)
    _spoken(reply, thread, at)
    _move(reply, State.SENT, now, actor=actor)


def _spoken(reply: Reply, thread: Thread, at: datetime) -> None:
    """Puts our words into the thread: as a message, or beside the one that a poll brought already (`at`: when said)."""
    message = _echo(reply, thread)
    if message is not None:
        message.reply = reply
        message.save(update_fields=["reply"])
    else:
        message = Message.objects.create(
            thread=thread, reply=reply, direction=Message.Direction.OUTBOUND, at=at, team_at=at
        )
    said_since = thread.messages.filter(
        direction=Message.Direction.INBOUND, removed_at=None, at__gt=at, pk__gt=reply.parent_id
    ).order_by("at")
    spell = spells.open_spell(thread)
    if spell is not None and not said_since.filter(pk=spell.started_by_id).exists():
        spells.end(thread, Spell.Outcome.ANSWERED, at, answered_by=message)
        if later := said_since.first():
            spells.begin(thread, later)
    thread.version += 1
    thread.last_message_at, thread.last_ours = max(thread.last_message_at, at), not said_since.exists()
    thread.save()
    Event.objects.create(thread=thread, at=at, person_id=reply.author_id, kind="answered", data={"reply": reply.pk})


def _echo(reply: Reply, thread: Thread) -> Message | None:
    """Our own words as a poll brought them, before we knew that they were out."""
    heard = thread.messages.filter(direction=Message.Direction.OUTBOUND, reply=None)
    if reply.remote_id and (message := heard.filter(item__external_id=reply.remote_id).first()):
        return message
    return heard.filter(item__url=reply.remote_url).first() if reply.remote_url else None

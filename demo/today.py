"""Today's work: what waits at the moment of loading, so that the inbox has something overdue, something urgent and
something for later, at whatever hour that is."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from demo.acts import Act, Advised, Assigned, Draft, Labelled, Noted, Replied, Said, Snoozed, Story, Voice
from demo.bank import Entry, Wording, bank, by_id
from demo.plot import LABEL_OF_KIND, kind_of, source_of, voice_of

SEED = 7
MINUTES = {None: 240} | {
    entry["id"]: min(
        (
            one["first_response_business_minutes"]
            for one in bank()["company"]["response_targets"]
            if one["kind"] in entry["kinds"]
        ),
        default=240,
    )
    for entry in bank()["labels"]
}
"""How soon an answer is due, by the label it wears; without one, the brand's own target."""


@dataclass(frozen=True, slots=True)
class Open:
    """Something that waits. `due`: minutes from now; negative is overdue."""

    who: str
    network: str
    opening: str
    due: int
    label: str | None = None
    owner: str = ""
    brand: str = "nivalta"
    source: str = ""


WORK = (
    Open("passobreve_88", "reddit", "op-007", -125, "lb-01"),
    Open("Greta in vetta", "bluesky", "st-gretainvetta-5", 18, "lb-08", "teo"),
    Open("Cammini Lenti", "blog", "op-096", 42, "lb-04", source="so-11"),
    Open("Elisa Montefosco", "youtube", "op-009", 55),
    Open("Wanderpause", "mastodon", "op-070", 200, owner="marta"),
    Open("suola_vibrante", "bluesky", "op-073", 300, "lb-03"),
    Open("Bivacco 38", "bluesky", "st-bivacco38-5", 228, "lb-09", "teo"),
    Open("Orsolina Dalpiazzone", "mastodon", "op-145", 31),
    Open("Tobia Cenciarello", "mastodon", "op-013", -34, "lb-01"),
    Open("Fiona Ashbarrow", "mastodon", "op-121", 150, "lb-07"),
    Open("Sabine Holzgruber", "bluesky", "op-160", 260, "lb-10"),
    Open("Ottone Brusaferra", "bluesky", "op-049", 95),
    Open("Irma Grandinetti", "reddit", "op-105", 420, "lb-06"),
    Open("Pasquale Ventolini", "mastodon", "op-085", 900, "lb-03"),
    Open("Lucilla Vantaggiato", "bluesky", "op-066", 172),
    Open("Gianmaria Peltrosi", "bluesky", "op-064", 215),
    Open("Vale Fumagrigia", "mastodon", "op-137", 65, owner="marta"),
    Open("Claire Montrouvel", "bluesky", "op-053", 118, owner="marta"),
    Open("Dario Malvestito", "mastodon", "op-117", 36, "lb-07", "marta"),
    Open("Camilla Rovescala", "mastodon", "op-125", 12, "lb-08", "marta"),
    Open("Nadia Serramonti", "mastodon", "op-041", -12, "lb-01", brand="nivalta"),
)
SNOOZED = (
    ("Renata Bellacroce", "mastodon", "op-162", 26, 19),
    ("Ermete Zaccagnolo", "mastodon", "op-061", 30, 43),
    ("Tobia Cenciarello", "reddit", "op-113", 40, 66),
)
"""Who, where, what, hours since, hours until it comes back."""
BRONTOLA_KINDS = (
    ("complaint", -48, "lb-01", ""),
    ("question", 24, None, ""),
    ("question", 140, None, "samir"),
    ("praise", 500, "lb-03", ""),
    ("delivery", 47, "lb-08", ""),
    ("warranty", 180, "lb-07", "judith"),
    ("sustainability", 330, "lb-10", ""),
    ("complaint", 71, "lb-01", "samir"),
    ("question", 205, None, "marta"),
    ("review", 800, "lb-04", ""),
)
"""Kind, minutes to its due time, label, owner."""

AGAIN = (
    "Grazie Marta, numero d’ordine inviato. Ma il punto è un altro: sul sito scrivete «a prova di ghiaione». "
    "Lo pensate davvero?"
)
SUGGESTION = (
    "Domanda giusta. No: promette più di quanto uno scarpone possa fare, e oggi la togliamo dal sito. Il tuo paio è in "
    "verifica: venerdì ti diciamo qui cosa abbiamo trovato. — Teo"
)


def todays_work(now: datetime) -> list[Story]:
    dice = random.Random(SEED)  # noqa: S311 -- a story, no secret
    numbers = iter(range(900_001, 999_999))
    stories = [_open(now, one, dice, next(numbers)) for one in (*WORK, *_brontolas())]
    stories += [_snoozed(now, *one, dice, next(numbers)) for one in SNOOZED]
    return [*stories, _passo_lento(now, dice)]


def _brontolas() -> list[Open]:
    """Openings of the second brand, one of each kind, by people who have a handle where they fit."""
    work, used = [], set[str]()
    recurring = [one for one in bank()["contacts"] if one.get("recurring")]
    for number, (kind, due, label, owner) in enumerate(BRONTOLA_KINDS):
        openings = [
            one
            for one in bank()["openings"]
            if (one["brand"], one["kind"]) == ("brontola", kind) and one["language"] == "it"
        ]
        opening = next(one for one in openings[number:] + openings if one["id"] not in used and not one.get("event"))
        used.add(opening["id"])
        network = opening["networks"][0]
        able = [one for one in recurring[number * 2 :] + recurring if network in one["handles"]] or recurring
        work.append(Open(able[0]["name"], network, opening["id"], due, label, owner, "brontola"))
    return work


def _words(key: str) -> Entry:
    beats = {beat["id"]: beat for one in bank()["contacts"] for beat in one.get("storyline", [])}
    return by_id("openings").get(key) or beats[key]


def _person(name: str) -> Entry:
    return next(one for one in bank()["contacts"] if one["name"] == name)


def _story(brand: str, who: str, network: str, entry: Entry, source: str, number: int, dice: random.Random) -> Story:
    contact = _person(who)
    author = voice_of(contact, network) if network != "blog" else Voice(who)
    key = f"{author.remote_id}/statuses/{number}" if network == "mastodon" else f"https://{network}.example/{number}"
    addressed = not entry.get("matched_by", [1])
    return Story(
        key=key,
        brand=brand,
        source=source or source_of(brand, network, True if network == "mastodon" else addressed, dice),
        network=kind_of(network),
        kind=entry["kind"],
        issue=entry["issue"],
        language=entry.get("language") or contact["language"],
        author=author,
    )


def _said(story: Story, words: Wording, entry: Entry, heard_at: datetime) -> Said:
    return Said(
        at=heard_at - timedelta(seconds=20),
        heard_at=heard_at,
        key=story.key,
        text=words.fill(entry["text"]),
        title=words.fill(entry["title"]) if entry.get("title") else "",
        addressed=True,
        bank_id=entry["id"],
    )


def _open(now: datetime, one: Open, dice: random.Random, number: int) -> Story:
    entry = _words(one.opening)
    story = _story(one.brand, one.who, one.network, entry, one.source, number, dice)
    heard = now + timedelta(minutes=one.due - MINUTES[one.label])
    story.acts = [_said(story, Wording(one.network, now, dice), entry, heard)]
    by = one.owner or ("teo" if one.brand == "nivalta" else "samir")
    touched = min(heard + timedelta(minutes=4), now - timedelta(minutes=1))
    if one.label:
        story.acts.append(Labelled(at=touched, by=by, labels=(one.label,)))
    if one.owner:
        story.acts.append(Assigned(at=touched, by=by, to=one.owner))
    return story


def _snoozed(
    now: datetime, who: str, network: str, opening: str, since: int, until: int, dice: random.Random, number: int
) -> Story:
    entry = _words(opening)
    story = _story("nivalta", who, network, entry, "", number, dice)
    words = Wording(network, now, dice)
    heard = now - timedelta(hours=since)
    reply = by_id("replies")[entry["answered_by"][0]]
    answered = heard + timedelta(minutes=50)
    story.acts = [
        _said(story, words, entry, heard),
        Labelled(at=answered - timedelta(minutes=3), by="marta", labels=(LABEL_OF_KIND[entry["kind"]],)),
        Replied(at=answered, by="marta", text=words.fill(reply["text"], firma="Marta"), bank_id=reply["id"]),
        Snoozed(at=answered + timedelta(minutes=2), by="marta", until=now + timedelta(hours=until)),
    ]
    return story


def _passo_lento(now: datetime, dice: random.Random) -> Story:
    """The conversation that every picture of the product shows: answered once, asked again, with a note and advice."""
    opening, reply, advice = by_id("openings")["op-001"], by_id("replies")["re-001"], by_id("advice")["ad-01"]
    note = by_id("notes")["no-01"]
    story = _story("nivalta", "Passo Lento", "mastodon", opening, "so-01", 900_000, dice)
    words = Wording("mastodon", now, dice)
    asked = now - timedelta(minutes=24 + MINUTES["lb-01"])
    first = asked - timedelta(hours=15)
    acts: list[Act] = [
        _said(story, words, opening, first),
        Labelled(at=asked - timedelta(minutes=54), by="marta", labels=("lb-01", "lb-15")),
        Assigned(at=asked - timedelta(minutes=53), by="marta", to="marta"),
        Replied(
            at=asked - timedelta(minutes=28),
            by="marta",
            text=words.fill(reply["text"], firma="Marta"),
            bank_id="re-001",
        ),
        Said(
            at=asked - timedelta(seconds=20),
            heard_at=asked,
            key=f"{story.author.remote_id}/statuses/999999",
            text=AGAIN,
            addressed=True,
        ),
        Noted(at=asked + timedelta(minutes=15), by="teo", text=note["text"]),
        Advised(
            at=asked + timedelta(minutes=40),
            by="sandro",
            engagement="en-2",
            text=advice["text"],
            kinds=("tone", "facts"),
            matters="before",
            quote="«a prova di ghiaione». Lo pensate davvero?",
        ),
        Draft(
            at=now - timedelta(minutes=2),
            by="teo",
            text=SUGGESTION,
        ),
    ]
    story.acts = acts
    return story

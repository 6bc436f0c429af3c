"""Two years of conversations, drawn from the bank: how many a day, who writes what, who answers when, how it ends.

Deterministic: the same moment of loading gives the same stories. Pure: nothing here knows the database.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache

from demo.acts import (
    AdviceDecided,
    Advised,
    AnsweredOutside,
    Assigned,
    Closed,
    Deleted,
    Labelled,
    Noted,
    Replied,
    Said,
    Story,
    Voice,
)
from demo.bank import ROME, Entry, Wording, bank, by_id, fitting, signed
from demo.company import LIVE, RECALL_DAYS, recall_start, week
from demo.desk import HOME, MIXED_UNTIL, Desk

SEED = 20_240_311
WEEKS = 104
THREADS = 3020
"""In the whole of two years, storylines and press included."""
NETWORK_SHARE = {"mastodon": 42, "bluesky": 24, "reddit": 13, "forum": 9, "youtube": 4, "review": 5, "blog": 2,
                 "news": 1, "blog_comment": 2}  # fmt: skip
SHARE_OF_BRAND = {"nivalta": 2 / 3, "brontola": 1 / 3}
QUIET_WEEKS = timedelta(days=30)
"""No text of the house goes to two authors within this time."""
UNIQUE = ("sinistr", "Ezio", "lingua", "compiono undici", "matrimonio")
"""Openings with these words tell of an accident that happens once."""
CHATTY = {"complaint", "warranty", "delivery", "sizing", "question", "crisis", "sustainability", "comparison"}
LAST_WORDS = ("thanks", "solved", "more", "correction")
FURTHER_WORDS = ("info", "more", "angry", "unsolved", "offtopic")
GLAD = ("thanks", "solved", "correction")
ANSWERED_BY = {"thanks": "close", "solved": "close", "unsolved": "reopen", "info": "followup"}
"""Which stage of replies answers a stage of further messages, where the names differ."""
NO_ANSWER = {"spam": "spam", "homonym": "not_us"}
LABEL_OF_KIND = {
    "complaint": "lb-01", "question": "lb-02", "praise": "lb-03", "review": "lb-04", "press": "lb-05",
    "comparison": "lb-06", "warranty": "lb-07", "delivery": "lb-08", "sizing": "lb-09", "sustainability": "lb-10",
    "job": "lb-11", "influencer": "lb-12", "crisis": "lb-13",
}  # fmt: skip
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
PRESS_CODES = {"so-11": "blog", "so-13": "blog", "so-10": "blog", "so-17": "news", "so-18": "news", "so-19": "news"}
OUTLETS = {"Agenzia Dorsale": "so-19", "Il Gazzettino delle Cime": "so-17", "Quota Zero Magazine": "so-18"}


@dataclass(frozen=True, slots=True)
class Speech:
    """Words that somebody may begin with."""

    kind: str
    issue: str
    language: str
    text: str
    title: str = ""
    bank_id: str = ""
    answers: tuple[str, ...] = ()
    addressed: bool = False
    end_reason: str = ""


class Plot:
    """Draws the stories of the weeks before `now`."""

    def __init__(self, now: datetime, weeks: float = WEEKS) -> None:
        self.now, self.start = now, now - timedelta(weeks=weeks)
        self.scale = weeks / WEEKS
        self.dice = random.Random(SEED)  # noqa: S311 -- a story, no secret
        self.desk = Desk(now, self.dice)
        self.count = 0
        self.spoken: dict[str, datetime] = {}
        """When a text of the house was last sent."""
        self.opened: dict[str, list[datetime]] = {}
        self.framed: dict[str, int] = {}
        self.advised: dict[str, int] = {}
        self.strangers = 0

    def stories(self) -> list[Story]:
        told = [*self._storylines(), *self._press(), *self._recall_press(), *self._lot()]
        told = [story for story in told if story.began >= self.start]
        drawn = round(THREADS * self.scale) - len(told)
        told += [story for brand, day in self._days(max(drawn, 0)) if (story := self._everyday(brand, day))]
        self._settle_backlog(told)
        return sorted((story for story in (self._until_now(one) for one in told) if story), key=lambda s: s.began)

    # ── days ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _days(self, total: int) -> Iterable[tuple[str, date]]:
        """As many (brand, day) as there are threads to draw, by season, weekday and events. Rounded without loss."""
        last = (self.now - LIVE).astimezone(ROME).date()
        first = self.start.astimezone(ROME).date() + timedelta(days=1)
        days = [first + timedelta(days=n) for n in range(max((last - first).days, 1))]
        weights = [(brand, day, self._weight(brand, day)) for day in days for brand in SHARE_OF_BRAND]
        whole = sum(weight for *_, weight in weights)
        passed = drawn = 0.0
        for brand, day, weight in weights:
            passed += weight
            while drawn + 1 <= passed / whole * total + 1e-9:
                drawn += 1
                yield brand, day

    def _weight(self, brand: str, day: date) -> float:
        seasons = bank()["seasons"]
        monthly = seasons["monthly_weight" if brand == "nivalta" else "brontola_monthly_weight"]
        weight = SHARE_OF_BRAND[brand] * monthly[f"{day.month:02}"] * seasons["weekday_weight"][WEEKDAYS[day.weekday()]]
        since = (day - recall_start(self.now).astimezone(ROME).date()).days
        events = {event["id"]: event for event in bank()["events"]}
        if 0 <= since < RECALL_DAYS:
            weight *= events["ev-4"]["daily_multiplier"][since] if brand == "brontola" else 2
        number = self.desk.week_of(datetime.combine(day, time(12), ROME))
        for event in events.values():
            if (
                event.get("multiplier")
                and event["brand"] == brand
                and event["week"] <= number < event["week"] + event["weeks"]
            ):
                weight *= event["multiplier"]
        return float(weight)

    def _moment(self, day: date) -> datetime:
        seasons = bank()["seasons"]
        hours = [_hour_weight(seasons, day, hour) for hour in range(24)]
        hour = self.dice.choices(range(24), hours)[0]
        local = datetime.combine(day, time(hour, self.dice.randrange(60), self.dice.randrange(60)), ROME)
        return local.astimezone(UTC)

    # ── an everyday conversation ────────────────────────────────────────────────────────────────────────────────────

    def _everyday(self, brand: str, day: date) -> Story | None:
        at = self._moment(day)
        if brand == "brontola" and self.desk.in_recall(at) and self.dice.random() < 0.85:
            kind = "crisis"
        else:
            shares = bank()["seasons"]["kind_share"]
            kind = self.dice.choices(list(shares), list(shares.values()))[0]
        if kind == "press":
            kind = "question"
        network = self.dice.choices(list(NETWORK_SHARE), list(NETWORK_SHARE.values()))[0]
        speech, network = self._opening(brand, kind, network, at)
        return self._tell(brand, network, speech, self._author(network, speech.language), at)

    def _opening(self, brand: str, kind: str, network: str, at: datetime) -> tuple[Speech, str]:
        """An opening of the bank that is free at this moment, else a frame; and a network that it fits."""
        pool = [
            entry
            for entry in fitting("openings", kind=kind, brand=brand)
            if (entry.get("event") == "recall") == (kind == "crisis")
            and entry.get("expected") != "excluded_by_topic"
            and self._is_free(entry, at)
        ]
        here = [entry for entry in pool if network in entry["networks"]]
        frames = fitting("opening_frames", kind=kind, brand=brand)
        share = 0.3 if frames else 1.0
        if pool and self.dice.random() < share:
            entry = self.dice.choice(here or pool)
            self.opened.setdefault(entry["id"], []).append(at)
            return _speech(entry), network if here else self.dice.choice(entry["networks"])
        if not frames:
            return self._opening(brand, self.dice.choice(["question", "complaint", "praise"]), network, at)
        frame = self.dice.choice([one for one in frames if network in one["networks"]] or frames)
        return self._framed(frame), network if network in frame["networks"] else self.dice.choice(frame["networks"])

    def _is_free(self, entry: Entry, at: datetime) -> bool:
        before = self.opened.get(entry["id"], [])
        once = entry["id"] in ("op-001", "op-024") or any(word in entry["text"] for word in UNIQUE)
        return len(before) < (1 if once else 3) and all(abs(at - other) > timedelta(days=75) for other in before)

    def _framed(self, frame: Entry) -> Speech:
        """A whole message of a frame; none of its combinations repeats before all were used."""
        parts = [frame["a"], frame["b"], frame["c"]]
        name = f"{frame['issue']}/{frame['language']}/{frame['kind']}"
        number = self.framed.get(name, self.dice.randrange(1000))
        self.framed[name] = number + 1
        whole = len(parts[0]) * len(parts[1]) * len(parts[2])
        place = number * 37 % whole
        a, rest = place % len(parts[0]), place // len(parts[0])
        text = f"{parts[0][a]} {parts[1][rest % len(parts[1])]} {parts[2][rest // len(parts[1]) % len(parts[2])]}"
        addressed = "{at}" not in text and "{atb}" not in text
        return Speech(frame["kind"], frame["issue"], frame["language"], text, addressed=addressed)

    def _author(self, network: str, language: str) -> Voice:
        """Somebody of the bank who has a handle there and writes the language, or else a stranger."""
        network = "forum" if network == "blog_comment" else network
        pool = [one for one in bank()["contacts"] if one["language"] == language and network in one["handles"]]
        if pool and self.dice.random() < 0.55:
            weights = [7 if one.get("recurring") else 1 for one in pool]
            return voice_of(self.dice.choices(pool, weights)[0], network)
        self.strangers += 1
        first, last = (self.dice.choice(bank()["contacts"])["name"].split() for _ in range(2))
        name = f"{first[0]} {last[-1]}"
        return stranger(name, network, self.strangers)

    def _tell(self, brand: str, network: str, speech: Speech, author: Voice, at: datetime, **fixed: object) -> Story:
        """A whole conversation that begins at `at` with these words."""
        return _Telling(self, brand, network, speech, author, at, **fixed).story  # type: ignore[arg-type]

    # ── what is told first ──────────────────────────────────────────────────────────────────────────────────────────

    def _storylines(self) -> Iterable[Story]:
        """The people with a story of their own; what they say this month is today's work (demo.today)."""
        for contact in bank()["contacts"]:
            for beat in contact.get("storyline", []):
                if beat["month"] == 0:
                    continue
                at = self._moment((self.now + timedelta(days=30.4 * beat["month"])).astimezone(ROME).date())
                addressed = "{at}" not in beat["text"] and "{atb}" not in beat["text"]
                speech = Speech(beat["kind"], beat["issue"], contact["language"], beat["text"], addressed=addressed)
                never = "mai risposto" in beat["outcome"] or "nessuna risposta" in beat["outcome"]
                source = "so-10" if beat["network"] == "blog" else ""
                author = voice_of(contact, beat["network"])
                yield self._tell(
                    beat["brand"], beat["network"], speech, author, at, never=never, plain=True, source=source
                )

    def _press(self) -> Iterable[Story]:
        for entry in bank()["press"]:
            unit, number = entry["when"].split(":")
            days = float(number) * (30.4 if unit == "month" else 7)
            if entry["when"] == "week:-40":
                continue
            at = self._moment((self.now + timedelta(days=days)).astimezone(ROME).date())
            yield self._article(entry["brand"], entry["source"], entry["headline"], entry["lead"], at)

    def _recall_press(self) -> Iterable[Story]:
        """The agency's story and its near-copies: the first is read, the others are duplicates."""
        first = recall_start(self.now) + timedelta(minutes=35)
        for entry in bank()["press_duplicates"]:
            source = OUTLETS.get(entry["outlet"], "so-18")
            at = first + timedelta(minutes=entry["minutes_after_first"])
            reason = "duplicate" if entry["minutes_after_first"] else "no_reply"
            yield self._article("brontola", source, entry["headline"], entry["lead"], at, reason, entry["outlet"])
        for entry in bank()["press"]:
            if entry["when"] == "week:-40" and entry["id"] != "pr-11":
                at = self._moment((first + timedelta(days=self.dice.randint(1, 4))).astimezone(ROME).date())
                yield self._article(entry["brand"], entry["source"], entry["headline"], entry["lead"], at)

    def _article(
        self, brand: str, source: str, title: str, lead: str, at: datetime, reason: str = "no_reply", outlet: str = ""
    ) -> Story:
        speech = Speech("press", "press", "it", lead, title, addressed=True, end_reason=reason)
        network = PRESS_CODES[source]
        return self._tell(brand, network, speech, Voice(outlet), at, source=source)

    def _lot(self) -> Iterable[Story]:
        """Lot 26-B: complaints about the Cresta's sole, in the last three weeks."""
        soles = fitting("opening_frames", kind="complaint", brand="nivalta", issue="sole")[0]
        for days in (19, 16, 13, 10, 7, 5, 3.5):
            at = self._moment((self.now - timedelta(days=days)).astimezone(ROME).date())
            speech = self._framed(soles)
            network = self.dice.choice(soles["networks"])
            author = self._author(network, "it")
            yield self._tell(
                "nivalta", network, speech, author, at, labels=("lb-01", "lb-14", "lb-15"), scarponi="Cresta"
            )

    # ── ends ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _settle_backlog(self, stories: Sequence[Story]) -> None:
        """When the voice came home, what the outsourcer had never answered was read once and closed."""
        for story in stories:
            if self.desk.week_of(story.began) < MIXED_UNTIL and not any(isinstance(act, Closed) for act in story.acts):
                home = week(self.now, HOME[story.brand]) + timedelta(minutes=self.dice.randint(0, 420))
                later = story.acts[-1].at + timedelta(days=2)
                story.acts.append(Closed(at=max(home, later), by="ilaria", reason=_why(story)))

    def _until_now(self, story: Story) -> Story | None:
        """The part that has happened: what lies ahead is cut, and with it a question whose answer lies ahead."""
        story.acts.sort(key=lambda act: act.at)
        end = self.now - timedelta(minutes=25)
        kept = [act for act in story.acts if act.at < end and getattr(act, "heard_at", act.at) < end]
        if len(kept) < len(story.acts):
            while kept and _waits(kept):
                last = max(n for n, act in enumerate(kept) if isinstance(act, Said))
                kept = kept[:last]
        story.acts = kept
        return story if kept else None


def _why(story: Story) -> str:
    return "no_reply" if _waits(story.acts) else ""


def _waits(acts: Sequence[object]) -> bool:
    """Does the author have the last word, with nothing that ends the waiting?"""
    turns = [act for act in acts if isinstance(act, Said | AnsweredOutside | Replied | Closed)]
    return bool(turns) and isinstance(turns[-1], Said)


def _hour_weight(seasons: Entry, day: date, hour: int) -> float:
    if day.weekday() == 6 and str(hour) in seasons["hour_weight_sunday"]:
        return float(seasons["hour_weight_sunday"][str(hour)])
    for span, weight in seasons["hour_weight"].items():
        first, _, last = span.partition("-")
        if int(first) <= hour <= int(last or first):
            return float(weight)
    return 0.5


def _speech(entry: Entry) -> Speech:
    return Speech(
        entry["kind"],
        entry["issue"],
        entry["language"],
        entry["text"],
        entry.get("title", ""),
        entry["id"],
        tuple(entry["answered_by"]),
        not entry["matched_by"],
        entry.get("end_reason", ""),
    )


# ── who and where ───────────────────────────────────────────────────────────────────────────────────────────────────


def voice_of(contact: Entry, network: str) -> Voice:
    handle = contact["handles"].get(network, contact["name"]).strip()
    if network == "mastodon":
        name, _, host = handle.removeprefix("@").partition("@")
        return Voice(contact["name"], handle, f"https://{host}/users/{name}", f"https://{host}/@{name}")
    if network in ("blog", "news", "blog_comment"):
        return Voice(contact["name"])
    return Voice(contact["name"], handle, f"{network}:{handle}")


def stranger(name: str, network: str, number: int) -> Voice:
    word = "".join(letter for letter in name.lower() if letter.isascii() and letter.isalpha()) + str(number)
    if network == "mastodon":
        return Voice(
            name,
            f"@{word}@sentieri.example",
            f"https://sentieri.example/users/{word}",
            f"https://sentieri.example/@{word}",
        )
    if network in ("blog", "news", "blog_comment"):
        return Voice(name)
    handle = {"bluesky": f"{word}.example", "reddit": f"u/{word}", "forum": f"{word} su forumsentieri.example"}
    return Voice(name, handle.get(network, name), f"{network}:{word}")


def kind_of(network: str) -> str:
    """The connector's kind."""
    return "feed" if network in ("blog", "news", "blog_comment") else network


def source_of(brand: str, network: str, addressed: bool, dice: random.Random) -> str:
    """Where it is heard."""
    nivalta = brand == "nivalta"
    if network == "mastodon":
        mentions = "so-01" if nivalta else "so-02"
        return mentions if addressed or dice.random() < 0.9 else "so-03"
    places = {
        "bluesky": ["so-04"] if nivalta else ["so-05"],
        "reddit": ["so-06"] if nivalta else ["so-06", "so-07", "so-07"],
        "youtube": ["so-08"] if nivalta else ["so-09"],
        "forum": ["so-15"] if nivalta else ["so-15", "so-16", "so-16"],
        "blog": ["so-11"] if nivalta else ["so-13"],
        "news": ["so-18"],
        "blog_comment": ["so-12"] if nivalta else ["so-14"],
        "review": ["so-20"],
    }
    return dice.choice(places[network])


# ── one conversation ────────────────────────────────────────────────────────────────────────────────────────────────


class _Telling:
    """Writes one story from its first words to its end."""

    def __init__(
        self,
        plot: Plot,
        brand: str,
        network: str,
        speech: Speech,
        author: Voice,
        at: datetime,
        *,
        never: bool = False,
        plain: bool = False,
        source: str = "",
        labels: tuple[str, ...] = (),
        **slots: str,
    ) -> None:
        self.plot, self.dice, self.desk = plot, plot.dice, plot.desk
        self.speech, self.labels = speech, labels
        self.words = Wording(network, at, self.dice)
        self.words.values.update(slots)
        source = source or source_of(brand, network, speech.addressed, self.dice)
        self.network = network
        self.story = Story(
            key=self._key(author, network, source),
            brand=brand,
            source=source,
            network=kind_of(network),
            kind=speech.kind,
            issue=speech.issue,
            language=speech.language,
            author=author,
        )
        self.writer = ""
        self.messages = 0
        self._say(at, speech.text, speech.title, speech.bank_id, speech.addressed or network == "blog_comment")
        if never:
            self._give_up()
        elif speech.end_reason or speech.kind in NO_ANSWER:
            self._dismiss(NO_ANSWER.get(speech.kind, speech.end_reason))
        elif self.desk.is_home(brand, at):
            self._at_home(plain)
        else:
            self._by_agency()

    def _key(self, author: Voice, network: str, source: str) -> str:
        self.plot.count += 1
        number = self.plot.count
        if network == "mastodon":
            return f"{author.remote_id}/statuses/{number}"
        return f"https://{_host(source)}/{number}"

    # what is said

    def _say(self, at: datetime, text: str, title: str = "", bank_id: str = "", addressed: bool = True) -> Said:
        self.messages += 1
        key = self.story.key if self.messages == 1 else f"{self.story.key}-{self.messages}"
        if self.story.network == "mastodon" and self.messages > 1:
            self.plot.count += 1
            key = f"{self.story.author.remote_id}/statuses/{self.plot.count}"
        said = Said(
            at=at,
            key=key,
            text=self.words.fill(text, staff=self.desk.first_name(self.writer or "marta")),
            title=self.words.fill(title) if title else "",
            heard_at=at + self._lag(),
            addressed=addressed,
            bank_id=bank_id,
        )
        self.story.acts.append(said)
        return said

    def _lag(self) -> timedelta:
        """Between what the network says and the next poll."""
        longest = 62 if self.story.network == "mastodon" else 870
        return timedelta(seconds=self.dice.randint(4, longest))

    # endings without an answer

    def _give_up(self) -> None:
        """Never answered; at home somebody closes it, a while later."""
        began = self.story.began
        if self.desk.is_home(self.story.brand, began):
            at = self.desk.after(began, self.dice.randint(20, 60) * 3600)
            self.story.acts.append(Closed(at=at, by=self._who(at), reason="no_reply"))

    def _dismiss(self, reason: str) -> None:
        reason = {"press_item": "no_reply"}.get(reason, reason)
        at = self.desk.after(self._heard(), self.dice.randint(600, 14_000))
        who = self._who(at)
        if self.speech.kind == "press":
            self.story.acts.append(Labelled(at=at - timedelta(seconds=20), by=who, labels=("lb-05",)))
        self.story.acts.append(Closed(at=at, by=who, reason=reason))

    # the outsourcer's years

    def _by_agency(self) -> None:
        """Uniform answers, late, on the network itself; a quarter never; the author says what they think of it."""
        if self.dice.random() < 0.25:
            return
        network = self.network if kind_of(self.network) != "feed" else "forum"
        reply = self.dice.choice(fitting("agency_replies", kinds=self.speech.kind, networks=network))
        at = self.desk.agency_answer_time(self._heard())
        self.plot.count += 1
        key = f"https://piazzetta.example/users/{self.story.brand}/statuses/{self.plot.count}"
        text = self.words.fill(reply["text"])
        self.story.acts.append(
            AnsweredOutside(
                at=at, key=key, to=self.story.key, text=text, heard_at=at + self._lag(), bank_id=reply["id"]
            )
        )
        if self.dice.random() < 0.22 and (more := self._follow("late", "angry")):
            said = self._say(at + timedelta(minutes=self.dice.randint(20, 2000)), more["text"], bank_id=more["id"])
            home = week(self.plot.now, HOME[self.story.brand])
            end = self.desk.after(said.heard_at, self.dice.randint(9, 60) * 3600)
            self.story.acts.append(
                Closed(at=min(end, max(home, said.heard_at + timedelta(hours=1))), by="marta", reason="no_reply")
            )
            return
        self.story.acts.append(Closed(at=self.desk.after(at, self.dice.randint(30, 54) * 3600), by="marta"))

    # at home

    def _at_home(self, plain: bool) -> None:
        if not plain and self.dice.random() < 0.05:
            self._give_up()
            return
        last = self._answer("first")
        rounds = self._rounds(plain)
        for number in range(rounds):
            more = self._follow(*(LAST_WORDS if number == rounds - 1 else FURTHER_WORDS))
            if more is None:
                break
            said = self._say(last.at + timedelta(minutes=self.dice.randint(15, 1900)), more["text"], bank_id=more["id"])
            stage: str = more["stage"]
            if stage in GLAD and self.dice.random() < 0.6:
                self._close(said.heard_at, "thanks_only")
                return
            last = self._answer(ANSWERED_BY.get(stage, stage))
        self._end(last, plain)

    def _rounds(self, plain: bool) -> int:
        """How often the author comes back before the end."""
        if plain or self.speech.kind not in CHATTY:
            return int(self.dice.random() < 0.2)
        return self.dice.choices([0, 1, 2, 3], [52, 33, 12, 3])[0]

    def _end(self, last: Replied, plain: bool) -> None:
        """Closed; a few are taken back by their author, and a few come back because it did not help."""
        if self.dice.random() < 0.02 and not plain:
            self.story.acts.append(Deleted(at=last.at + timedelta(hours=self.dice.randint(2, 20)), key=self.story.key))
        closed = self._close(last.at)
        if self.dice.random() < 0.07 and self.speech.kind in CHATTY and (more := self._follow("unsolved")):
            self._say(closed.at + timedelta(hours=self.dice.randint(5, 140)), more["text"], bank_id=more["id"])
            self._close(self._answer("reopen").at)

    def _answer(self, stage: str) -> Replied:
        """The house answers what was said last: perhaps after a question to a colleague, or advice."""
        since = self._heard()
        at = self.desk.answer_time(self.story.brand, since)
        self.writer = self.desk.writer(
            self.story.brand, at, self.story.language, self.writer if stage != "first" else ""
        )
        if stage == "first":
            self._triage(since, at)
        entry = self._reply_text(stage, at)
        text = self.words.fill(
            signed(entry["text"]), firma=self.desk.first_name(self.writer), staff=self.desk.first_name(self.writer)
        )
        reply = Replied(at=at, by=self.writer, text=text, bank_id=entry["id"])
        self.story.acts.append(reply)
        self._advice(since, at)
        return reply

    def _triage(self, since: datetime, at: datetime) -> None:
        moment = max(since + timedelta(seconds=30), at - timedelta(minutes=self.dice.randint(2, 25)))
        labels = self.labels or ((LABEL_OF_KIND[self.speech.kind],) if self.speech.kind in LABEL_OF_KIND else ())
        if labels and self.dice.random() < 0.35:
            self.story.acts.append(Labelled(at=moment, by=self.writer, labels=labels))
        if self.dice.random() < 0.2:
            self.story.acts.append(Assigned(at=moment, by=self.writer, to=self.writer))
        if self.dice.random() < (0.3 if self.speech.kind in ("complaint", "warranty", "crisis") else 0.12):
            crisis = self.speech.kind == "crisis"
            pool = [note for note in bank()["notes"] if (note.get("event") == "recall") == crisis]
            note = self.words.fill(self.dice.choice(pool)["text"])
            self.story.acts.append(Noted(at=moment, by=self._who(moment), text=note))

    def _close(self, at: datetime, reason: str = "") -> Closed:
        end = self.desk.after(at, self.dice.randint(1, 22) * 3600)
        who = self.desk.writer(self.story.brand, end, self.story.language, self.writer)
        closed = Closed(at=end, by=who, reason=reason)
        self.story.acts.append(closed)
        return closed

    def _who(self, at: datetime) -> str:
        return self.desk.writer(self.story.brand, at, "it")

    def _heard(self) -> datetime:
        """When the team could know of what was said last."""
        return max(act.heard_at for act in self.story.acts if isinstance(act, Said))

    # words

    def _follow(self, *stages: str) -> Entry | None:
        """A further message of the author, in their language. The author of an article says no more."""
        if self.network in ("blog", "news"):
            return None
        pool = [
            entry
            for entry in fitting(
                "followups", kinds=self.speech.kind, brand=self.story.brand, language=self.story.language
            )
            if entry["stage"] in stages
        ]
        return self.dice.choice(pool) if pool else None

    def _reply_text(self, stage: str, at: datetime) -> Entry:
        """What the house says: written for these words, else for the issue, else for the stage, else of a frame; a text
        that went to somebody else lately is left alone."""
        replies, language = by_id("replies"), self.story.language
        pool = fitting("replies", brand=self.story.brand, language=language)
        tiers: list[list[Entry]] = [[replies[key] for key in self.speech.answers]] if stage == "first" else []
        tiers += [
            [
                one
                for one in pool
                if one["stage"] == stage and self.speech.issue in one["issues"] and not one.get("answers")
            ],
            [one for one in pool if one["stage"] == stage and "any" in one["issues"]] if stage != "first" else [],
        ]
        if language != "it":
            tiers.append([one for one in pool if "any" in one["issues"] and one["stage"] in (stage, "close")])
        for tier in tiers:
            free = [one for one in tier if self._is_fresh(one["id"], at)]
            if free:
                entry = self.dice.choice(free)
                self.plot.spoken[entry["id"]] = at
                return entry
        if language != "it" and (spare := [one for one in pool if self.speech.issue in one["issues"]] or pool):
            return self.dice.choice(spare)
        return {"id": "", "text": self._framed_reply()}

    def _is_fresh(self, key: str, at: datetime) -> bool:
        last = self.plot.spoken.get(key)
        return last is None or abs(at - last) > QUIET_WEEKS

    def _framed_reply(self) -> str:
        frame = bank()["reply_frames"][0]
        actions = frame["actions"].get(self.speech.issue) or frame["actions"].get(
            FRAME_OF_KIND.get(self.speech.kind, ""), [""]
        )
        glad = self.speech.kind in ("praise", "review")
        close = self.dice.choice(["Buona strada.", "Intanto grazie.", ""] if glad else frame["close"])
        parts = (self.dice.choice(frame["ack"]), self.dice.choice(actions), close)
        return " ".join(part for part in parts if part)

    # advice

    def _advice(self, since: datetime, replied: datetime) -> None:
        """A consultant reads the conversation, inside an engagement, and says one thing about it."""
        for act in [a for a in self.story.acts if isinstance(a, Said | Replied) and a.bank_id]:
            entry = _advice_about().get(act.bank_id)
            if entry is None or self.plot.advised.get(entry["id"], 0) >= 3:
                continue
            before = entry["when"] == "before" and isinstance(act, Said)
            at = since + (replied - since) * 0.6 if before else replied + timedelta(hours=self.dice.randint(2, 30))
            engagement = _engagement_at(self.story.brand, entry["by"], self.desk.week_of(at))
            if engagement is None or any(isinstance(a, Advised) for a in self.story.acts) or at <= since:
                continue
            self.plot.advised[entry["id"]] = self.plot.advised.get(entry["id"], 0) + 1
            filled = self.words.fill(entry["quote"], firma=self.desk.first_name(self.writer))
            self.story.acts.append(
                Advised(
                    at=at,
                    by=engagement[1],
                    engagement=engagement[0],
                    text=self.words.fill(entry["text"]),
                    kinds=(entry["kind"],),
                    matters=entry["when"],
                    quote=filled if filled in f"{getattr(act, 'title', '')} {act.text}" else entry["quote"],
                )
            )
            self._decide(at, replied)

    def _decide(self, at: datetime, replied: datetime) -> None:
        taken = self.dice.random() < 0.77
        pool = [one for one in bank()["advice_decisions"] if one["decision"] == ("taken" if taken else "declined")]
        reason = self.dice.choice(pool)["reason"] if not taken or self.dice.random() < 0.4 else ""
        moment = (
            max(replied - timedelta(minutes=1), at + timedelta(minutes=3))
            if at < replied
            else self.desk.after(at, 7200)
        )
        self.story.acts.append(AdviceDecided(at=moment, by=self.writer, taken=taken, reason=reason))


FRAME_OF_KIND = {
    "complaint": "sole", "question": "use", "delivery": "late", "sizing": "size-run", "praise": "product-praise",
    "review": "rev-boot", "warranty": "spare", "sustainability": "made", "comparison": "cmp", "crisis": "recall",
}  # fmt: skip


@cache
def _advice_about() -> dict[str, Entry]:
    """Advice by the words that it is about."""
    return {entry["about"]["id"]: entry for entry in bank()["advice"]}


def _engagement_at(brand: str, by: str, number: float) -> tuple[str, str] | None:
    """The engagement that runs in this week for this brand, and who of its consultants advises."""
    for plan in bank()["company"]["engagements"]:
        if brand in plan["brands"] and plan["from_week"] <= number < min(plan["to_week"], 0):
            return plan["id"], by if by in plan["consultants"] else plan["consultants"][0]
    return None


def _host(source: str) -> str:
    """The web host of a source of the bank."""
    address = by_id("sources").get(source, {}).get("address", "")
    return address.split("//")[-1].split("/")[0].lstrip("@") or "piazzetta.example"

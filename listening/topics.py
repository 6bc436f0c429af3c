"""Making and changing a topic. A change is a new version; what is already in the inbox never leaves because of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from accounts import audit
from accounts.authority import Can, demand
from accounts.models import Brand, Person
from listening import matching
from listening.models import Topic


class NotKept(Exception):
    """The topic cannot be kept. `problems` say why: English source strings with their term."""

    def __init__(self, problems: Sequence[matching.Problem]) -> None:
        super().__init__(" ".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Words:
    """The three lists of a topic."""

    any_of: Sequence[str] = ()
    all_of: Sequence[str] = ()
    none_of: Sequence[str] = ()

    @classmethod
    def of_lines(cls, any_of: str, all_of: str, none_of: str) -> Words:
        """Out of a form: one word or phrase a line; quotes around a phrase and blank lines don't count."""
        return cls(_lines(any_of), _lines(all_of), _lines(none_of))


def _lines(text: str) -> list[str]:
    lines = (line.strip().strip('"“”«»').strip() for line in text.splitlines())
    return list(dict.fromkeys(line for line in lines if line))


def save(brand: Brand, topic: Topic | None, name: str, words: Words, person: Person | None, now: datetime) -> Topic:
    """Keeps a new topic (`topic` is None) or a new version of one. `person` is None for the operator's command.
    Raises `NotKept`."""
    if person is not None:
        demand(person, Can.EDIT_LISTENING)
    name = name.strip()[:120]
    problems = matching.problems(words.any_of, words.all_of, words.none_of)
    twin = Topic.objects.filter(brand=brand, name=name).first()
    if not name or (twin is not None and twin != topic):
        problems = [*problems, matching.Problem("Give it a name that no other topic of the brand has.")]
    if problems:
        raise NotKept(problems)
    lists = {"any_of": list(words.any_of), "all_of": list(words.all_of), "none_of": list(words.none_of)}
    if topic is None:
        topic = Topic.objects.create(brand=brand, name=name, **lists)
    else:
        version = topic.version + 1
        Topic.objects.filter(pk=topic.pk).update(name=name, version=version, active=True, **lists)
        topic.refresh_from_db()
    audit.record(person.pk if person else None, "topic.kept", topic, now, version=topic.version)
    return topic

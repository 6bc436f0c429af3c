"""Who may do what: the one table. Views, domain functions and commands ask `allows`; nothing else compares a role.

The database repeats it in its own words (accounts/guards.sql, conversations/guards.sql), so that a question forgotten
here is still refused there.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol


class Role(StrEnum):
    ADMINISTRATOR = "administrator"
    MANAGER = "manager"
    COMMUNITY_MANAGER = "community_manager"
    CONSULTANT = "consultant"


class Can(StrEnum):
    """A capability. Each URL names exactly one."""

    BE_ANYONE = "be anyone"
    """Log-in, health: no person needed."""
    BE_THEMSELVES = "be themselves"
    """Own preferences, log-out."""
    READ_CONVERSATIONS = "read conversations"
    TRIAGE = "triage"
    WRITE_NOTES = "write notes"
    REPLY = "reply"
    DECIDE_ADVICE = "decide advice"
    READ_REPORTS = "read reports"
    READ_SOURCES = "read sources"
    EDIT_LISTENING = "edit listening"
    CONNECT_ACCOUNTS = "connect accounts"
    CONSULT = "consult"
    """Read the public conversation of a brand, inside an engagement."""
    ADVISE = "advise"


STAFF = frozenset({Role.ADMINISTRATOR, Role.MANAGER, Role.COMMUNITY_MANAGER})
EVERYONE = frozenset(Role)

GRANTS: dict[Can, frozenset[Role]] = {
    Can.BE_ANYONE: EVERYONE,
    Can.BE_THEMSELVES: EVERYONE,
    Can.READ_CONVERSATIONS: STAFF,
    Can.TRIAGE: STAFF,
    Can.WRITE_NOTES: STAFF,
    Can.REPLY: STAFF,
    Can.DECIDE_ADVICE: STAFF,
    Can.READ_REPORTS: STAFF,
    Can.READ_SOURCES: STAFF,
    Can.EDIT_LISTENING: frozenset({Role.ADMINISTRATOR, Role.MANAGER}),
    Can.CONNECT_ACCOUNTS: frozenset({Role.ADMINISTRATOR}),
    Can.CONSULT: frozenset({Role.CONSULTANT}),
    Can.ADVISE: frozenset({Role.CONSULTANT}),
}


class Somebody(Protocol):
    """Whoever acts: a `Person`."""

    role: str
    active: bool


class NotAllowed(PermissionError):
    """The rule itself refuses: the person's role has no such capability, or the person is no longer active."""


def allows(person: Somebody | None, capability: Can) -> bool:
    """Does the table grant `capability` to this person? Nobody (None) may only be anyone."""
    if person is None:
        return capability is Can.BE_ANYONE
    return person.active and Role(person.role) in GRANTS[capability]


def demand(person: Somebody | None, capability: Can) -> None:
    """Raises `NotAllowed` unless the table grants it. Domain functions call this, so that no forgotten view can."""
    if not allows(person, capability):
        raise NotAllowed(f"This needs the right to {capability.value}.")

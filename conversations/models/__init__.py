from conversations.models.advice import Advice
from conversations.models.contact import Contact, ContactIdentity
from conversations.models.event import Event
from conversations.models.label import Label, ThreadLabel
from conversations.models.note import Note
from conversations.models.queue import QueueTally
from conversations.models.reply import Reply, ReplyAttempt
from conversations.models.spell import Spell
from conversations.models.targets import CalendarVersion, TargetVersion
from conversations.models.thread import Message, Thread, ThreadRead

__all__ = [
    "Advice",
    "CalendarVersion",
    "Contact",
    "ContactIdentity",
    "Event",
    "Label",
    "Message",
    "Note",
    "QueueTally",
    "Reply",
    "ReplyAttempt",
    "Spell",
    "TargetVersion",
    "Thread",
    "ThreadLabel",
    "ThreadRead",
]

from listening.models.account import Account, Credential
from listening.models.coverage import Coverage, Fetch
from listening.models.heartbeat import Heartbeat
from listening.models.item import Item, ItemSource, SetAsideItem
from listening.models.mention import Mention, MentionTopic
from listening.models.source import Source
from listening.models.topic import Topic

__all__ = [
    "Account",
    "Coverage",
    "Credential",
    "Fetch",
    "Heartbeat",
    "Item",
    "ItemSource",
    "Mention",
    "MentionTopic",
    "SetAsideItem",
    "Source",
    "Topic",
]

"""The register of networks: how each is heard and, where it can be, answered."""

from __future__ import annotations

from .contract import Ear
from .feed import FEED
from .mastodon import MASTODON

REGISTER: dict[str, Ear] = {connector.kind: connector for connector in (FEED, MASTODON)}
"""Connector by kind. One that also speaks is a `contract.Voice`."""

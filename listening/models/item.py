from __future__ import annotations

from django.db import models

from listening.models.source import Source


class Item(models.Model):
    """Something somebody said, as a connector returned it, stored once however many sources saw it.

    `html` is hostile and is cleaned when shown. `removed_at`: the network deleted it, and so did we.
    """

    scope = models.CharField(max_length=80)
    """Where `external_id` is unique: the network, or `source:<id>` for feeds."""
    external_id = models.CharField(max_length=2000)
    network = models.CharField(max_length=20)
    """The connector's kind: decides badge and voice."""
    url = models.CharField(max_length=4000, blank=True)
    title = models.CharField(max_length=1000, blank=True)
    text = models.TextField(blank=True)
    html = models.TextField(blank=True)
    warning = models.CharField(max_length=1000, blank=True)
    media = models.JSONField(default=list)
    author_name = models.CharField(max_length=300, blank=True)
    author_handle = models.CharField(max_length=300, blank=True)
    author_id = models.CharField(max_length=500, blank=True)
    author_url = models.CharField(max_length=2000, blank=True)
    ours = models.BooleanField(default=False)
    published_at = models.DateTimeField()
    """The network's time, or ours where it has none; never in the future."""
    discovered_at = models.DateTimeField()
    edited_at = models.DateTimeField(null=True)
    removed_at = models.DateTimeField(null=True)
    language = models.CharField(max_length=20, blank=True)
    conversation_key = models.CharField(max_length=2000)
    in_reply_to = models.CharField(max_length=2000, blank=True)
    visibility = models.CharField(max_length=10, default="public")
    remote = models.JSONField(default=dict)
    comments_url = models.CharField(max_length=2000, blank=True)
    fingerprint = models.CharField(max_length=32)
    """Of everything that can be edited: equal means that there is nothing to write."""
    hidden_words = models.BooleanField(default=False)
    """The words are gone (retention, or the network deleted them): id and times stay, so that it never comes twice."""
    sources: models.ManyToManyField[Source, ItemSource] = models.ManyToManyField(Source, through="ItemSource")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["scope", "external_id"], name="item_once")]
        indexes = [models.Index(fields=["scope", "conversation_key"], name="item_conversation")]


class ItemSource(models.Model):
    """Which sources saw an item."""

    item = models.ForeignKey(Item, on_delete=models.CASCADE)
    source = models.ForeignKey(Source, on_delete=models.CASCADE)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "item"], name="item_source_once")]


class SetAsideItem(models.Model):
    """Something that came and could not be stored: kept, visible, tried again by hand. Never lost."""

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="set_aside")
    reason = models.CharField(max_length=500)
    raw = models.TextField()
    print = models.CharField(max_length=64)
    """Hash of `raw`: the same broken thing is kept once."""
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "print"], name="set_aside_once")]

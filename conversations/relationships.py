"""Who the company speaks with. A contact is found again by the network's own lasting id, whoever answered last time."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction

from conversations.models import Contact, ContactIdentity
from listening.models import Item, Source
from listening.text import storable_id


def contact_of(item: Item, source: Source, now: datetime) -> Contact:
    """The author of an item: for an article of a feed the outlet, else the person."""
    network, remote_id, name, kind = _identity(item, source)
    found = ContactIdentity.objects.select_related("contact").filter(network=network, remote_id=remote_id).first()
    if found:
        _refresh(found, item)
        return found.contact
    try:
        with transaction.atomic():
            contact = Contact.objects.create(name=name, kind=kind, since=min(item.published_at, now))
            ContactIdentity.objects.create(
                contact=contact, network=network, remote_id=remote_id, handle=item.author_handle, url=item.author_url
            )
    except IntegrityError:  # another worker met the same person at this moment
        return ContactIdentity.objects.select_related("contact").get(network=network, remote_id=remote_id).contact
    return contact


def _identity(item: Item, source: Source) -> tuple[str, str, str, str]:
    """(network, lasting id, name, kind). Feeds name nobody lastingly: an outlet is its source, a commenter a name."""
    if item.author_id:
        name = item.author_name or item.author_handle or item.author_id
        return item.network, item.author_id, name[:300], Contact.Kind.PERSON
    if source.comments_of_id or source.own_place or item.in_reply_to:
        name = item.author_name or item.author_handle or "—"
        return item.network, storable_id(f"{source.address}#{name}", 500), name[:300], Contact.Kind.PERSON
    return item.network, storable_id(source.address, 500), source.name[:300], Contact.Kind.OUTLET


def _refresh(identity: ContactIdentity, item: Item) -> None:
    """People change their names and handles; the id stays."""
    if item.author_handle and item.author_handle != identity.handle:
        ContactIdentity.objects.filter(pk=identity.pk).update(handle=item.author_handle, url=item.author_url)
    if item.author_id and item.author_name and item.author_name != identity.contact.name:
        Contact.objects.filter(pk=identity.contact_id).update(name=item.author_name[:300])
        identity.contact.name = item.author_name[:300]

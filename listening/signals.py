"""The one bell: mentions were stored. Conversations answers it; its sweep finds whatever a lost bell left."""

from django.dispatch import Signal

mentions_arrived = Signal()

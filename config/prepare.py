"""Brings database, translations and static files to this version: `python -m config.prepare`, as owner. Repeatable."""

from __future__ import annotations

import os

import django
from django.core.management import call_command

from config.messages import compile_messages


def prepare() -> None:
    compile_messages()
    # The roles come before the migrations that name them, and again after, for the tables that are new.
    call_command("roles", verbosity=0)
    call_command("migrate", interactive=False, verbosity=1)
    call_command("roles", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    prepare()

"""Brings database, translations and static files to this version: `python -m config.prepare`, as owner. Repeatable."""

from __future__ import annotations

import os
from pathlib import Path

import django
from django.contrib.staticfiles.finders import get_finders
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.management import call_command

from config.messages import compile_messages


def prepare() -> None:
    compile_messages()
    # The roles come before the migrations that name them, and again after, for the tables that are new.
    call_command("roles", verbosity=0)
    call_command("migrate", interactive=False, verbosity=1)
    call_command("roles", verbosity=0)
    if static_files_changed():
        call_command("collectstatic", interactive=False, verbosity=0)


def static_files_changed() -> bool:
    """Whether one is newer than the last collection, which compresses them all and takes seconds."""
    manifest = Path(staticfiles_storage.path("staticfiles.json"))
    if not manifest.exists():
        return True
    sources = [Path(storage.path(name)) for finder in get_finders() for name, storage in finder.list([])]
    return max(path.stat().st_mtime for path in sources) > manifest.stat().st_mtime


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    prepare()

import os

from django.core.management.base import BaseCommand

from accounts.roles import LOGINS, install


class Command(BaseCommand):
    help = "Makes the database's roles and applies the guards, as the owner. Passwords: ASCOLTO_<LOGIN>_PASSWORD."
    requires_system_checks: list[str] = []

    def handle(self, *args: object, **options: object) -> None:
        named = {kind: os.environ.get(f"ASCOLTO_{kind.upper()}_PASSWORD", "") for kind in LOGINS}
        install(passwords={kind: password for kind, password in named.items() if password})

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import Login
from accounts.passwords import link_for


class Command(BaseCommand):
    help = "Prints a link, good for one hour, by which somebody sets a new password."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")

    def handle(self, *args: Any, **options: Any) -> None:
        login = Login.objects.filter(email__iexact=options["email"]).first()
        if login is None or not login.is_active:
            raise CommandError(f"Nobody active signs in as {options['email']}.")
        self.stdout.write(link_for(login))

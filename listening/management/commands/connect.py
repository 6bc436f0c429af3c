import getpass
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from accounts.models import Brand
from listening import connecting
from listening.connectors.contract import Trouble
from listening.credentials import NoKey
from listening.voice import Speechless


class Command(BaseCommand):
    help = "Connects an account of a brand: its token, from standard input, is checked and kept encrypted."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("kind", help="the network, such as mastodon")
        parser.add_argument("--brand", required=True, metavar="SLUG")
        parser.add_argument("--base", required=True, metavar="URL", help="the server, such as https://social.example")
        parser.add_argument(
            "--token-stdin", action="store_true", help="read the token from standard input, without asking"
        )
        parser.add_argument(
            "--login", metavar="NAME", default="", help="refuse the token unless it belongs to this account"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        brand = Brand.objects.filter(slug=options["brand"]).first()
        if brand is None:
            raise CommandError(f"There is no brand called {options['brand']}.")
        token = sys.stdin.read().strip() if options["token_stdin"] else getpass.getpass("Token: ").strip()
        if not token:
            raise CommandError("The token is empty. Give it on standard input with --token-stdin.")
        try:
            with transaction.atomic():
                account = connecting.connect(options["kind"], brand, options["base"], token, None, timezone.now())
                handle, wanted = account.handle.lstrip("@").lower(), options["login"].lstrip("@").lower()
                if wanted and wanted not in (handle, handle.partition("@")[0]):
                    raise CommandError(f"This token belongs to {account}, not to {options['login']}. Nothing was kept.")
        except Speechless as error:
            raise CommandError(f"No account can be connected for {options['kind']}.") from error
        except (Trouble, NoKey) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{account}  {account.base_url}  connected to {brand.name}")

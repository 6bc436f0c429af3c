import re
from typing import Any
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone

from accounts.authority import Role
from accounts.models import Brand, Login, Membership, Person, Staff
from accounts.passwords import link_for
from conversations.models import CalendarVersion, TargetVersion
from conversations.reports.clock import holidays_of

OFFICE_HOURS = {str(day): [["09:00", "18:00"]] for day in range(5)}
TARGET_SECONDS = 90 * 60


class Command(BaseCommand):
    help = (
        "Begins an installation: a brand with office hours and a target, its administrator, and their link for an hour."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--brand", required=True, metavar="SLUG")
        parser.add_argument("--name", required=True)
        parser.add_argument("--zone", default="Europe/Rome", help="IANA time zone of its working hours")
        parser.add_argument("--admin", required=True, metavar="EMAIL")
        parser.add_argument("--country", default="IT", help="whose public holidays count")

    def handle(self, *args: Any, **options: Any) -> None:
        email = options["admin"].strip().lower()
        try:
            validate_email(email)
        except ValidationError as error:
            raise CommandError(f"{options['admin']} is no e-mail address.") from error
        if options["zone"] not in available_timezones():
            raise CommandError(f"There is no time zone {options['zone']}: use a name such as Europe/Rome.")
        if not re.fullmatch(r"[a-z0-9-]+", options["brand"]):
            raise CommandError("The brand's short name takes small letters, digits and hyphens only.")
        with transaction.atomic():
            brand = self._brand(options)
            login = self._administrator(email, brand)
        self.stdout.write(f"Set the administrator's password within one hour:\n{link_for(login)}")

    def _brand(self, options: dict[str, Any]) -> Brand:
        now = timezone.now()
        brand, made = Brand.objects.get_or_create(
            slug=options["brand"], defaults={"name": options["name"], "zone": options["zone"]}
        )
        if made:
            years = range(now.year - 1, now.year + 6)
            try:
                holidays = {day.isoformat(): name for day, name in holidays_of(options["country"], years).items()}
            except (NotImplementedError, ValueError) as error:
                raise CommandError(f"No holidays are known for {options['country']}: use a code such as IT.") from error
            CalendarVersion.objects.create(
                brand=brand, zone=options["zone"], weekly=OFFICE_HOURS, holidays=holidays, valid_from=now
            )
            TargetVersion.objects.create(brand=brand, seconds=TARGET_SECONDS, valid_from=now)
        return brand

    def _administrator(self, email: str, brand: Brand) -> Login:
        person, _ = Person.objects.get_or_create(
            email=email,
            defaults={
                "name": email.partition("@")[0],
                "kind": Person.Kind.STAFF,
                "role": Role.ADMINISTRATOR,
                "zone": brand.zone,
            },
        )
        if not person.is_staff_member:
            raise CommandError(f"{email} belongs to a consultant. An administrator needs an account of their own.")
        staff, _ = Staff.objects.get_or_create(person=person)
        Membership.objects.get_or_create(brand=brand, staff=staff)
        login = Login.objects.filter(person=person).first()
        if login is None:
            login = Login(person=person, email=email)
            login.set_unusable_password()
            login.save()
        return login

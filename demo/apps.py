from django.apps import AppConfig
from django.conf import settings


class DemoConfig(AppConfig):
    """The invented company. Installed in the demo and in tests only (config/settings.py)."""

    name = "demo"

    def ready(self) -> None:
        if settings.DEMO:
            from demo import places

            places.open_to_listening()

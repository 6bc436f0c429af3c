from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        from accounts import checks, roles  # noqa: F401  (registers the start-up checks)

        roles.apply_after_migrations()

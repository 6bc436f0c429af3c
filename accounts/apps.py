from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        from accounts import checks, live, roles  # noqa: F401  (start-up checks, changes of rights)

        roles.apply_after_migrations()

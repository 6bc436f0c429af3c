"""Settings. What differs between installations comes from the environment (docs/operating.md has the table)."""

from __future__ import annotations

import os
import sys

from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

from config import environment

ROOT = environment.ROOT
DATA_DIR = environment.data_dir()
DEMO = environment.flag("ASCOLTO_DEMO")
TESTING = environment.flag("ASCOLTO_TEST")
DEBUG = False

# ── secrets and addresses ───────────────────────────────────────────────────────────────────────────────────────────
SECRET_KEY = environment.secret("SECRET_KEY", "secret_key") or ("only-for-commands" if "parse_feed" in sys.argv else "")
# The web process has no use for them: it never reads a credential.
CREDENTIAL_KEYS = (
    []
    if environment.process() == "web"
    else environment.secret("ASCOLTO_CREDENTIAL_KEYS", "credential_keys").replace(",", " ").split()
)
ALLOWED_HOSTS = environment.words("ASCOLTO_HOSTS") or ["127.0.0.1", "localhost", "[::1]", "testserver"]
CSRF_TRUSTED_ORIGINS = environment.words("ASCOLTO_ORIGINS")
PROCESS = environment.process()
PUBLIC_URL = (os.environ.get("ASCOLTO_URL") or f"http://127.0.0.1:{os.environ.get('PORT', '8000')}").rstrip("/")

# ── parts ───────────────────────────────────────────────────────────────────────────────────────────────────────────
INSTALLED_APPS = [
    "accounts",
    "listening",
    "conversations",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_htmx",
    "csp",
    "axes",
    *(["demo"] if DEMO or TESTING else []),
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "accounts.middleware.headers",
    "accounts.middleware.live_poll",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.middleware.Binding",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": False,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "accounts.context.person",
            ],
            "loaders": [("django.template.loaders.cached.Loader", ["django.template.loaders.filesystem.Loader"])],
            "builtins": ["django.templatetags.i18n", "django.templatetags.static", "accounts.templatetags.ascolto"],
            "libraries": {"django_htmx": "django_htmx.templatetags.django_htmx"},
        },
    }
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

# ── data ────────────────────────────────────────────────────────────────────────────────────────────────────────────
DATABASES = {"default": environment.database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REDIS_URL = environment.redis()
BROKER_URL = environment.redis("broker")
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

# ── people ──────────────────────────────────────────────────────────────────────────────────────────────────────────
AUTH_USER_MODEL = "accounts.Login"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "accounts.signing_in.Backend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("MinimumLengthValidator", "CommonPasswordValidator", "UserAttributeSimilarityValidator")
]
LOGIN_URL = "log-in"
PASSWORD_RESET_TIMEOUT = 3600
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_SAMESITE = "Lax"
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = 0.25  # hours
AXES_USERNAME_FORM_FIELD = "username"  # the form's name for it; by the model's (email) axes would count nobody
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_ENABLE_ACCESS_FAILURE_LOG = False
AXES_VERBOSE = False
AXES_LOCKOUT_CALLABLE = "accounts.views.sessions.locked"

# ── languages and time ──────────────────────────────────────────────────────────────────────────────────────────────
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("it", _("Italian"))]
LOCALE_PATHS = [ROOT / "locale"]
FORMAT_MODULE_PATH = ["config.formats"]
USE_TZ = True
TIME_ZONE = "UTC"

# ── pages ───────────────────────────────────────────────────────────────────────────────────────────────────────────
STATIC_URL = "/static/"
STATIC_ROOT = None if TESTING else DATA_DIR / "static"
STATICFILES_DIRS = [ROOT / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if TESTING
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = TESTING
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
    }
}
# Cookies with the __Host- prefix need TLS: the demo and the tests speak plain HTTP on the loopback.
SECURE = not (DEMO or TESTING)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE
SESSION_COOKIE_NAME = "__Host-session" if SECURE else "session"
CSRF_COOKIE_NAME = "__Host-csrf" if SECURE else "csrf"
SECURE_SSL_REDIRECT = False  # the proxy is the only door and does it (docker-compose.yml)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SECURE else None
SECURE_HSTS_SECONDS = 31_536_000 if SECURE else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE
X_FRAME_OPTIONS = "DENY"

# ── the network ─────────────────────────────────────────────────────────────────────────────────────────────────────
ALLOW_ADDRESSES = environment.allowed_addresses()
CONTACT_ADDRESS = os.environ.get("ASCOLTO_CONTACT", "")
SHARED_DIR = os.environ.get("ASCOLTO_SHARED", str(ROOT.parent / "shared"))

# ── the rhythm of the product (seconds unless said) ─────────────────────────────────────────────────────────────────
UNDO_SECONDS = int(os.environ.get("ASCOLTO_UNDO_SECONDS", "20"))
UNMATCHED_DAYS = int(os.environ.get("ASCOLTO_UNMATCHED_DAYS", "30"))
# One table of waits, scaled: `make test` runs at 1/20, the fault suite can run at full scale.
TIME_SCALE = float(os.environ.get("ASCOLTO_TIME_SCALE", "1"))

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {"ascolto": {"level": "INFO"}},
}

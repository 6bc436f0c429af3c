"""The web process. Pages are WSGI: sync Django under ASGI is several times slower (docs/adr)."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("ASCOLTO_PROCESS", "web")

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()

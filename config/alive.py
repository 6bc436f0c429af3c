"""The health check of a container: `python -m config.alive web|poller|sender|beat`. Ends with 1 and words when it ails.

Without Django, so that it costs a blink: the web process is asked over HTTP, the others by what they note in the
database every ten seconds (`listening_heartbeat`).
"""

from __future__ import annotations

import contextlib
import http.client
import sys

import psycopg2

from config import environment

PORT = 8000
DEAF_SECONDS = 90


def main(name: str) -> None:
    try:
        ailment = web(PORT) if name == "web" else heartbeat(name)
    except (OSError, http.client.HTTPException, psycopg2.Error) as error:
        ailment = str(error).strip()
    if ailment:
        sys.exit(f"{name}: {ailment}")


def web(port: int) -> str:
    """Asks /healthz, under the name that people use, as the proxy does."""
    host = (environment.words("ASCOLTO_HOSTS") or ["localhost"])[0]
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        connection.request("GET", "/healthz", headers={"Host": host})
        status = connection.getresponse().status
    return "" if status == http.client.OK else f"answers {status}"


def heartbeat(name: str) -> str:
    """How long ago the process said that it lives, by the database's own clock."""
    with contextlib.closing(psycopg2.connect(environment.database_url())) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM clock_timestamp() - at)::float8 FROM listening_heartbeat WHERE name = %s", [name]
        )
        row = cursor.fetchone()
    if row is None:
        return "has not said yet that it lives"
    return "" if row[0] < DEAF_SECONDS else f"last said that it lives {row[0]:.0f} seconds ago"


if __name__ == "__main__":
    main(sys.argv[1])

"""docker-compose.yml as far as it can be proved without an engine: what it promises, and its commands as processes."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.fernet import Fernet

from config import alive, environment
from config.services import Services
from config.supervisor import product

COMPOSE: dict[str, Any] = yaml.safe_load((environment.ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = ("web", "worker", "sender", "beat", "migrate", "manage")
ONE_SHOT = ("migrate", "manage")
DOMAIN = "ascolto.example"
PATIENCE_SECONDS = 120.0
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?::([?-])([^}]*))?\}")


def told(service: str, values: dict[str, str]) -> dict[str, str]:
    """A service's environment with the operator's values put in, as compose does it."""

    def fill(found: re.Match[str]) -> str:
        name, sign, rest = found.groups()
        assert values.get(name) or sign == "-", f"{name} is missing: {rest}"
        return values.get(name) or rest

    return {name: VARIABLE.sub(fill, value) for name, value in SERVICES[service].get("environment", {}).items()}


# ── what the file promises ──────────────────────────────────────────────────────────────────────────────────────────


def test_only_the_proxy_publishes_a_port() -> None:
    assert [name for name, service in SERVICES.items() if service.get("ports")] == ["proxy"]
    assert SERVICES["proxy"]["ports"] == ["80:80", "443:443"]


def test_only_the_proxy_and_those_who_fetch_have_a_way_out() -> None:
    inner = {name for name, network in COMPOSE["networks"].items() if network.get("internal")}
    with_a_way_out = {name for name, service in SERVICES.items() if not inner.issuperset(service["networks"])}
    assert with_a_way_out == {"proxy", "worker", "sender", "manage"}
    for name in ("postgres", "redis"):
        assert not set(SERVICES["proxy"]["networks"]) & set(SERVICES[name]["networks"])


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_can_do_little(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "proxy" else [])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == ("no" if name in ONE_SHOT else "unless-stopped")
    assert name in ONE_SHOT or service["healthcheck"]["test"]
    assert service.get("user") or service["build"]["target"] in ("app", "proxy")
    assert "privileged" not in service


def test_no_image_runs_as_root() -> None:
    stages = (environment.ROOT / "Dockerfile").read_text().split("\nFROM ")[1:]
    last_users = {stage.splitlines()[0].split()[-1]: re.findall(r"^USER (.+)$", stage, re.M)[-1:] for stage in stages}
    assert last_users == {"packages": [], "app": ["10001:10001"], "proxy": ["10001:10001"]}


def test_no_secret_has_a_default_and_the_example_names_each() -> None:
    text = (environment.ROOT / "docker-compose.yml").read_text()
    needed = {name for name, sign, _ in VARIABLE.findall(text) if sign == "?"}
    optional = {name for name, sign, _ in VARIABLE.findall(text) if sign == "-"}
    assert {name for name, sign, _ in VARIABLE.findall(text) if not sign} == set()
    assert not [name for name in optional if name.endswith(("PASSWORD", "KEY", "KEYS"))]
    example = dict(re.findall(r"^(\w+)=(.*)$", (environment.ROOT / ".env.example").read_text(), re.M))
    assert example == dict.fromkeys(needed | optional, "")


def test_each_process_has_its_own_login_and_keys_only_where_they_are_needed() -> None:
    values = dict.fromkeys(re.findall(r"^(\w+)=", (environment.ROOT / ".env.example").read_text(), re.M), "x")
    logins = {"web": "web", "worker": "poller", "sender": "sender", "beat": "poller", "migrate": "owner"}
    for service, login in logins.items():
        variables = told(service, values)
        assert variables["ASCOLTO_PROCESS"] == login
        assert variables["DATABASE_URL"] == f"postgresql://ascolto_{login}:x@postgres:5432/ascolto"
    with_keys = {name for name in OURS if "ASCOLTO_CREDENTIAL_KEYS" in told(name, values)}
    assert with_keys == {"worker", "sender", "manage"}
    with_passwords = {name for name in OURS if "ASCOLTO_WEB_PASSWORD" in told(name, values)}
    assert with_passwords == {"migrate", "manage"}


def test_the_commands_are_those_of_the_demo(tmp_path: Path) -> None:
    with_address = re.compile(r"^\d+\.\d+\.\d+\.\d+:\d+$|^/.*/beat$")

    def without_places(command: list[str]) -> list[str]:
        return [with_address.sub("…", word) for word in command]

    services = Services(tmp_path)
    services.secrets = dict.fromkeys(("secret_key", "credential_keys", "web", "sender", "poller"), "x")
    services.urls = {"database": dict.fromkeys(("owner", "web", "sender", "poller"), "x"), "redis": "x"}
    demo = {part.name: part.command for part in product(services, {}, 8000)}
    for service, part in {"web": "web", "worker": "poller", "sender": "sender", "beat": "beat"}.items():
        assert SERVICES[service]["command"][:2] == ["python", "-m"]
        assert without_places(SERVICES[service]["command"][2:]) == without_places(demo[part])


def test_a_container_is_given_all_that_the_product_imports() -> None:
    lines = (environment.ROOT / ".dockerignore").read_text().splitlines()
    kept = {line[1:] for line in lines if line.startswith("!")}
    assert lines[1] == "*"
    assert kept >= {"manage.py", "accounts", "config", "conversations", "listening", "locale", "static", "templates"}
    assert not kept & {".env", ".git", ".ascolto", "demo", "tests"}
    assert all((environment.ROOT / path).exists() for path in kept)


def test_the_operators_manual_names_every_variable() -> None:
    read = re.compile(r'(?:environ(?:\.get)?[\[(]|flag\(|words\(|secret\()"([A-Z_]+)"')
    code = [path for folder in ("config", "accounts", "listening", "conversations") for path in python_files(folder)]
    known = {name for path in code for name in read.findall(path.read_text())}
    known |= {f"ASCOLTO_{login}_PASSWORD" for login in ("WEB", "SENDER", "POLLER")}
    manual = (environment.ROOT / "docs/operating.md").read_text()
    assert set(re.findall(r"^\| `([A-Z_]+)`", manual, re.M)) == known


def python_files(folder: str) -> Iterator[Path]:
    return (environment.ROOT / folder).rglob("*.py")


# ── the same commands, without an engine ────────────────────────────────────────────────────────────────────────────


class Deployment:
    """The services' commands as processes on this machine, with the environment that the file gives them."""

    def __init__(self, services: Services, data: Path) -> None:
        self.services, self.data, self.port = services, data, free_port()
        self.values = {
            "ASCOLTO_DOMAIN": DOMAIN,
            "SECRET_KEY": "s" * 64,
            "REDIS_PASSWORD": "r",
            "ASCOLTO_CREDENTIAL_KEYS": Fernet.generate_key().decode(),
            "ASCOLTO_OWNER_PASSWORD": services.secrets["owner"],
        } | {f"ASCOLTO_{login.upper()}_PASSWORD": password for login, password in services.passwords.items()}
        self.running: list[subprocess.Popen[bytes]] = []

    def variables(self, service: str) -> dict[str, str]:
        """Only the addresses of PostgreSQL and Redis differ: sockets here, names there."""
        variables = told(service, self.values) | {"PATH": os.environ["PATH"], "ASCOLTO_DATA_DIR": str(self.data)}
        login = variables["DATABASE_URL"].removesuffix("@postgres:5432/ascolto")
        place = self.services.urls["database"]["owner"].rpartition("@")[2]
        return variables | {"DATABASE_URL": f"{login}@{place}", "REDIS_URL": self.services.urls["redis"]}

    def command(self, words: list[str]) -> list[str]:
        places = {"python": sys.executable, "0.0.0.0:8000": f"127.0.0.1:{self.port}", "/tmp/beat": f"{self.data}/beat"}
        return [places.get(word, word) for word in words]

    def run(self, service: str, *words: str) -> subprocess.CompletedProcess[str]:
        command = [*SERVICES[service].get("entrypoint", []), *(words or SERVICES[service]["command"])]
        return subprocess.run(
            self.command(command),
            cwd=environment.ROOT,
            env=self.variables(service),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE_SECONDS,
        )

    def start(self, service: str) -> None:
        with (self.data / f"{service}.log").open("wb") as log:
            command = self.command(SERVICES[service]["command"])
            self.running.append(
                subprocess.Popen(
                    command,
                    cwd=environment.ROOT,
                    env=self.variables(service),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )

    def get(self, path: str, host: str = DOMAIN) -> tuple[int, list[tuple[str, str]]]:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request("GET", path, headers={"Host": host, "X-Forwarded-Proto": "https"})
            answer = connection.getresponse()
            return answer.status, answer.getheaders()

    def wait_until_ready(self) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.get("/readyz")[0] == http.client.OK:
                    return
            logs = "".join(f"{path}:\n{path.read_text()[-1000:]}" for path in self.data.glob("*.log"))
            assert time.monotonic() < end, logs
            time.sleep(0.2)

    def stop(self) -> None:
        for process in self.running:
            process.terminate()
        for process in self.running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def deployment(data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    for name in ("DATABASE_URL", "REDIS_URL", *(f"ASCOLTO_{each}_PASSWORD" for each in ("WEB", "SENDER", "POLLER"))):
        monkeypatch.delenv(name, raising=False)
    with Services(data, fast=True) as services:
        deployed = Deployment(services, data)
        yield deployed
        deployed.stop()


def test_the_services_start_in_their_order_and_get_ready(deployment: Deployment, monkeypatch: Any) -> None:
    migrated = deployment.run("migrate")
    assert migrated.returncode == 0, migrated.stdout
    for service, words in {"worker": "has not said yet", "web": "refused"}.items():
        checked = deployment.run(service, *SERVICES[service]["healthcheck"]["test"][1:])
        assert (checked.returncode, words in checked.stdout) == (1, True), checked.stdout
    for service in ("web", "worker", "sender", "beat"):
        deployment.start(service)
    deployment.wait_until_ready()
    for service in ("worker", "sender", "beat"):
        checked = deployment.run(service, *SERVICES[service]["healthcheck"]["test"][1:])
        assert (checked.returncode, checked.stdout) == (0, "")
    monkeypatch.setenv("ASCOLTO_HOSTS", DOMAIN)
    assert alive.web(deployment.port) == ""

    status, headers = deployment.get("/login/")
    cookies = [value for name, value in headers if name == "Set-Cookie"]
    assert status == 200
    assert cookies
    assert all(cookie.startswith("__Host-") and "Secure" in cookie for cookie in cookies)
    assert deployment.get("/login/", host="elsewhere.example")[0] == 400

    begun = deployment.run(
        "manage", "setup", "--brand", "nivalta", "--name", "Nivalta", "--admin", "ada@nivalta.example"
    )
    assert begun.returncode == 0, begun.stdout
    assert f"https://{DOMAIN}/password/" in begun.stdout
    examined = deployment.run("manage", "doctor")
    assert (examined.returncode, "bad " in examined.stdout) == (0, False), examined.stdout
    assert "Beat and both workers run." in examined.stdout

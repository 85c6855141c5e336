"""Stack: the services of docker-compose.yml as real containers, under a project name of their own."""

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.program import environment
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
SCALES = {"app": 3, "ws": 3, "worker": 2}
PATIENCE = 90.0
"""Seconds until what has to happen has happened."""


def run(*words: str, environ: dict[str, str] | None = None, check: bool = True) -> str:
    """A command's output, both kinds in one."""
    ran = subprocess.run(
        words,
        cwd=ROOT,
        env=environ,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert ran.returncode == 0 or not check, f"{' '.join(words)}:\n{ran.stdout[-2000:]}"
    return ran.stdout


def need_engine() -> None:
    """Skip where there is no Docker engine that answers, with Compose 2."""
    if shutil.which("docker") is None:
        pytest.skip("no docker command")
    for words in (("docker", "info"), ("docker", "compose", "version")):
        asked = subprocess.run(words, capture_output=True, text=True, check=False)
        if asked.returncode != 0:
            pytest.skip(f"`{' '.join(words)}` fails: {asked.stderr.strip()[-200:]}")


def commands_of_a_new_version() -> str:
    """Those by which it comes without a gap, as the docs print them."""
    text = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    (commands,) = re.findall(r"```bash\n(docker compose build\n.*?)```", text, re.DOTALL)
    return str(commands)


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for what Docker tells nobody."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"did not happen within {PATIENCE:g} s: {what}"
        time.sleep(0.1)


class Stack:
    """`up` to start it, `close` to remove it with its volumes."""

    def __init__(self, *files: str, **settings: str) -> None:
        self.project = f"sd-b64-test-{secrets.token_hex(3)}"
        self.http, self.ws = free_port(), free_port()
        self._files = [word for file in files for word in ("-f", file)]
        self.environ = environment(HTTP_PORT=str(self.http), WS_PORT=str(self.ws), **settings)

    def compose(self, *words: str, check: bool = True) -> str:
        """`docker compose` with these words."""
        command = ("docker", "compose", "-p", self.project, *self._files, *words)
        return run(*command, environ=self.environ, check=check)

    def shell(self, commands: str) -> str:
        """Commands as a person would type them in this folder, for this stack."""
        files = ":".join(word for word in self._files if word != "-f")
        ours = {"COMPOSE_PROJECT_NAME": self.project, "COMPOSE_FILE": files}
        return run("bash", "-euxc", commands, environ=self.environ | ours)

    def up(self, *words: str, **scales: int) -> None:
        """Start it or change its scales; returns when all is healthy."""
        wanted = [f"--scale={service}={number}" for service, number in (SCALES | scales).items()]
        self.compose("up", "-d", "--wait", "--no-recreate", *wanted, *words)

    def close(self) -> None:
        """Remove containers, network and volumes."""
        self.compose("--profile", "discord", "down", "-v", "-t", "2", check=False)

    def containers(self, service: str) -> list[str]:
        """The ids of its containers that there are."""
        return self.compose("ps", "-a", "-q", service).split()

    def addresses(self, service: str) -> dict[str, str]:
        """Its containers by their address."""
        found = {}
        for id in self.containers(service):
            (network,) = inspect(id)["NetworkSettings"]["Networks"].values()
            found[str(network["IPAddress"])] = id
        return found

    def settle(self) -> None:
        """Wait until every container is healthy."""
        until(
            lambda: all(health(id) == "healthy" for id in self.compose("ps", "-a", "-q").split()),
            "all containers healthy",
        )

    def painted(self) -> "Painted":
        """What the engines have begun so far."""
        engines = ("engine", "engine2")
        return Painted({name: run("docker", "logs", *self.containers(name)) for name in engines})


class Painted:
    """Tasks of the engines, by their logs."""

    def __init__(self, logs: dict[str, str]) -> None:
        self._begun = {name: re.findall(r"^begins (\S+)", log, re.MULTILINE) for name, log in logs.items()}
        self._done = {name: re.findall(r"^finishes (\S+)", log, re.MULTILINE) for name, log in logs.items()}

    def times(self, id: str) -> int:
        """How often a job was begun."""
        return self._counts[task(id)]

    def was_unfinished(self, id: str, engine: str) -> bool:
        """Whether this engine had begun the job and not finished it."""
        return task(id) in {_job(name) for name in set(self._begun[engine]) - set(self._done[engine])}

    @property
    def _counts(self) -> Counter[str]:
        return Counter(_job(name) for names in self._begun.values() for name in names)


def task(id: str) -> str:
    """What a job is called on an engine, whatever the attempt."""
    return sha256(id.encode()).hexdigest()[:16]


def _job(task_name: str) -> str:
    return task_name.split("-")[3]


def inspect(id: str) -> dict[str, Any]:
    """What Docker knows of a container."""
    (found,) = json.loads(run("docker", "inspect", id))
    return dict(found)


def health(id: str) -> str:
    """starting, healthy or unhealthy; or how it runs where nothing checks it."""
    state = inspect(id)["State"]
    return str(state["Health"]["Status"] if state["Running"] and not state["Restarting"] else state["Status"])


def is_unhealthy(id: str) -> bool:
    """Whether its checks have failed."""
    return health(id) == "unhealthy"


def send(id: str, number: signal.Signals) -> None:
    """Signal all processes of a container by the host's ids: so its restart policy holds."""
    for line in run("docker", "top", id, "-eo", "pid").splitlines()[1:]:
        try:
            os.kill(int(line), number)
        except ProcessLookupError:
            continue  # a health check that has ended


def fetch(url: str) -> Any:
    """The JSON of an answer."""
    with urllib.request.urlopen(url) as answer:
        return json.load(answer)


@contextmanager
def stack(**settings: str) -> Iterator[Stack]:
    """All services of the tests, up and healthy."""
    opened = Stack("docker-compose.yml", "tests/compose/override.yml", **settings)
    try:
        opened.up()
        yield opened
    finally:
        opened.close()

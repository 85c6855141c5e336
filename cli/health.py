"""`sd-b64 health`: whether the program of this container is well, for Docker's health checks.

It is asked two or three times a minute in every container of ours. So what answers HTTP is asked with
nothing loaded but the standard library, and only a worker and a bot, which listen nowhere, are looked for in
the shared queue.
"""

import http.client
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

SECONDS = 3.0
"""How long an answer may take; Docker's own limit is longer."""
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}
"""Addresses to listen on, and where such a listener is asked."""


@dataclass(frozen=True, slots=True)
class Door:
    """Where a program answers HTTP: its settings' name, their defaults, and what is asked."""

    name: str
    port: int
    path: str = "/healthz"

    def problem(self, environ: Mapping[str, str]) -> str | None:
        """What is wrong with it; None if it answers."""
        host = environ.get(f"{self.name}_HOST", "").strip("[] ")
        port = environ.get(f"{self.name}_PORT", "").strip() or str(self.port)
        connection = http.client.HTTPConnection(ANYWHERE.get(host, host), int(port), timeout=SECONDS)
        try:
            connection.request("GET", self.path)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            return f"{self.name}: port {port} does not answer: {error}"
        finally:
            connection.close()
        return None if status == 200 else f"{self.name}: port {port} answers {status}"


HTTP, WS, ENGINE = Door("HTTP", 5000), Door("WS", 8765), Door("ENGINE", 7861, "/sdapi/v1/options")
DOORS: dict[str, tuple[Door, ...]] = {
    "serve": (HTTP, WS),
    "httpserver": (HTTP,),
    "wsserver": (WS,),
    "engine": (ENGINE,),
    "core.worker": (),
    "bot": (),
}
"""Our programs, and where each one answers."""


def health(environ: Mapping[str, str], processes: Path = Path("/proc")) -> int:
    """Say what is wrong with this container's program; the exit code, 0 where it is well."""
    found = _find_program(processes)
    problem = _problem(*found, environ) if found else "no program of sd-b64 runs here"
    print(problem or "well")
    return 1 if problem else 0


def program_of(command: Sequence[str]) -> str | None:
    """Which of our programs this command line is: `python -m httpserver`, `python .../sd-b64 serve`."""
    if not Path(command[0]).name.startswith("python"):
        return None  # as Docker's init, which bears the words of what it starts
    for word, following in pairwise(command):
        if word == "-m" and following in DOORS:
            return following
        if following == "serve" and (Path(word).name == "sd-b64" or word == "cli"):
            return "serve"
    return None


def _find_program(processes: Path) -> tuple[str, int] | None:
    """The one of our programs that began first in this container, with its process id."""
    for folder in sorted(processes.glob("[0-9]*"), key=lambda folder: int(folder.name)):
        try:
            command = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:  # it ended meanwhile
            continue
        if program := program_of(command):
            return program, int(folder.name)
    return None


def _problem(program: str, pid: int, environ: Mapping[str, str]) -> str | None:
    if doors := DOORS[program]:
        return next((problem for door in doors if (problem := door.problem(environ))), None)
    if not environ.get("REDIS_URL") and not environ.get("REDIS_URL_FILE"):
        return None  # it runs, and there is nobody who would hear of it
    return _unheard(program, pid, environ)


def _unheard(program: str, pid: int, environ: Mapping[str, str]) -> str | None:
    """What is wrong with a program that only the shared queue hears of."""
    import asyncio

    from core import QueueUnavailable, SettingsError, is_heard
    from core.environment import load

    try:
        heard = asyncio.run(is_heard(load(environ), pid))
    except (QueueUnavailable, SettingsError) as error:
        return str(error)
    return None if heard else f"{program}: the shared queue hears nothing of it"

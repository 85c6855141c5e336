"""start: how long the imports take, how soon after the command there is an answer, memory at rest."""

import re
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.machine import pinned
from benchmarks.processes import ROOT, Bench, BenchmarkError, Say, wait_until_answered
from benchmarks.series import Gathering
from tests.ports import free_port

ROUNDS, QUICK_ROUNDS = 15, 5
SERVE = "sd-b64 serve"
MODULES = {SERVE: "cli.__main__, cli.serve", "python -m httpserver": "httpserver.__main__"}
"""What each command imports; `sd-b64` loads what it needs only when it knows the command."""
REST_SECONDS = 1.5
"""What is in memory so long after the first answer counts as at rest."""
IMPORTTIME = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)")
HEAVY = 6
"""How many imported packages are named."""


def measure(bench: Bench, *, quick: bool, say: Say) -> tuple[Gathering, list[str]]:
    """Each round all of it, on one core."""
    gathering = Gathering()
    rounds = QUICK_ROUNDS if quick else ROUNDS
    for turn in range(rounds):
        say(f"round {turn + 1} of {rounds}")
        for command, module in MODULES.items():
            gathering.add(import_ms(bench, module), command=command, metric="import ms")
        gathering.add_all(serve(bench), command=SERVE)
    for package, milliseconds in heaviest(bench, MODULES[SERVE]):
        gathering.add(milliseconds, package=package, metric="import ms")
    return gathering, []


def import_ms(bench: Bench, modules: str) -> float:
    """Milliseconds of the import alone, by the interpreter's own clock."""
    code = f"import time; began = time.perf_counter(); import {modules}; print(time.perf_counter() - began)"
    return 1000 * float(_python(bench, "-c", code).stdout)


def heaviest(bench: Bench, modules: str) -> list[tuple[str, float]]:
    """The top-level packages by the milliseconds of their own modules (`-X importtime`), heaviest first."""
    done = _python(bench, "-X", "importtime", "-c", f"import {modules}")
    own: dict[str, float] = {}
    for microseconds, name in IMPORTTIME.findall(done.stderr):
        package = name.split(".")[0]
        own[package] = own.get(package, 0.0) + int(microseconds) / 1000
    return sorted(own.items(), key=lambda item: -item[1])[:HEAVY]


def _python(bench: Bench, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run Python with these words to its end, on the core of what is measured."""
    command = [sys.executable, *words]
    with pinned(bench.cores.system):
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)


def serve(bench: Bench) -> dict[str, float]:
    """`sd-b64 serve` with the demo painter, from the command on: seconds and megabytes."""
    command = Path(sys.executable).parent / "sd-b64"
    if not command.exists():
        raise BenchmarkError("sd-b64 is not installed beside this Python: pip install -e .")
    ports = [free_port() for _ in range(3)]
    environ = dict(zip(("HTTP_PORT", "WS_PORT", "ENGINE_PORT"), map(str, ports), strict=True))
    environ |= {"ENGINE_STEP_SECONDS": "0", "SHUTDOWN_GRACE": "0", "PROMPT_FILE": ""}
    began = time.monotonic()
    with bench.running("serve", [str(command), "serve"], environ=environ) as program:
        first = wait_until_answered(program, f"http://127.0.0.1:{ports[0]}/readyz") - began
        time.sleep(REST_SECONDS)
        rest = program.memory()
        painted = time.monotonic()
        wait_until_answered(program, f"http://127.0.0.1:{ports[0]}/text?input=a%20monkey&steps=1")
        return {
            "first answer s": first,
            "MB at rest": rest,
            "first picture s": time.monotonic() - painted,
            "MB after it": program.memory(),
        }

"""The two C programs that measure: a simulated A1111 (backend.c) and a load generator (load.c).

In C, so that they are not the limit of what they measure; the http kind shows that they are not.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks.machine import pinned
from benchmarks.pictures import Picture
from benchmarks.processes import LOOPBACK, Bench, BenchmarkError, Program

HERE = Path(__file__).parent


class Loaded(msgspec.Struct, frozen=True):
    """What the load generator saw: seconds, but for the latencies, which are milliseconds."""

    pictures: int
    errors: int
    first_error: str
    seconds: float
    cpu: float
    p50: float
    p99: float


class Log(msgspec.Struct, frozen=True):
    """What one simulated server has recorded since it was last asked; seconds of CLOCK_MONOTONIC."""

    arrived: list[float]
    answered: list[float]
    """Of each finished picture, and of each that was cut off."""
    told: list[float]
    """Fraction of a progress, when it was told, and so on in turns."""
    painting: float | None = None
    """When the picture had arrived that is not finished."""

    @property
    def pictures(self) -> list[tuple[float, float]]:
        """When each began and ended, in their order; the one that is not finished ends never."""
        unfinished = [] if self.painting is None else [(self.painting, float("inf"))]
        return [*zip(self.arrived, self.answered, strict=True), *unfinished]


@dataclass(frozen=True, slots=True)
class Backends:
    """Simulated servers in one process."""

    program: Program
    ports: list[int]

    @property
    def addresses(self) -> str:
        """As SD_BACKENDS wants them."""
        return ",".join(f"http://127.0.0.1:{port}" for port in self.ports)

    def logs(self) -> dict[int, Log]:
        """What each has recorded since it was last asked."""
        return {port: _log(port) for port in self.ports}


@dataclass(frozen=True, slots=True)
class Native:
    """The compiled programs."""

    bench: Bench
    backend: Path
    load: Path

    @contextmanager
    def backends(self, count: int, seconds: float, pictures: Sequence[Picture]) -> Iterator[Backends]:
        """So many simulated servers that paint for so many seconds, on the core of the load."""
        command = [str(self.backend), str(count), str(seconds), *(str(picture.file) for picture in pictures)]
        with self.bench.running("backends", command, core=self.bench.cores.load) as program:
            yield Backends(program, _ports(program))

    def ask(
        self,
        wire: str,
        port: int,
        connections: int,
        seconds: float,
        what: str,
        *,
        least: int,
        grace: float = 5.0,
    ) -> Loaded:
        """Let so many connections ask again and again. Raises BenchmarkError for what is no picture."""
        words = [wire, str(port), str(connections), str(seconds), str(grace), str(least), what]
        with pinned(self.bench.cores.load):
            done = subprocess.run([str(self.load), *words], capture_output=True, check=False)
        if done.returncode:
            raise BenchmarkError(f"port {port}: {done.stderr.decode(errors='replace').strip()}")
        loaded = msgspec.json.decode(done.stdout, type=Loaded)
        if loaded.errors or not loaded.pictures:
            raise BenchmarkError(
                f"port {port}, {connections} connections: {loaded.pictures} pictures, "
                f"{loaded.errors} errors, first: {loaded.first_error}"
            )
        return loaded


def build(bench: Bench) -> Native:
    """Compile both into the bench's folder. Raises BenchmarkError where there is no compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise BenchmarkError("a C compiler is needed (cc or gcc) for the load generator")
    for name in ("backend", "load"):
        command = [compiler, "-O2", "-o", str(bench.folder / name), str(HERE / f"{name}.c")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BenchmarkError(f"{name}.c does not compile here:\n{done.stderr}")
    return Native(bench, bench.folder / "backend", bench.folder / "load")


def _ports(program: Program) -> list[int]:
    """The backend's first line."""
    while program.process.poll() is None:
        text = program.log.read_text(encoding="ascii", errors="replace")
        if text.endswith("\n"):
            return [int(word) for word in text.split()]
    raise BenchmarkError(f"the simulated servers did not start: {program.last_words}")


def _log(port: int) -> Log:
    with LOOPBACK.open(f"http://127.0.0.1:{port}/log", timeout=10) as response:
        return msgspec.convert(json.load(response), Log)

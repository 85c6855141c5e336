"""Programs under measurement: started on a core, their processor time and memory read from /proc."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from urllib.request import ProxyHandler, build_opener

from benchmarks.machine import Cores, pinned
from core.settings import SETTINGS

ROOT = Path(__file__).parent.parent
SETTLE_SECONDS = 20.0
"""How long a program may take to listen."""
ANSWER_SECONDS = 30.0
"""How long one that was started may take until it answers."""
STOP_SECONDS = 10.0
MEGABYTE = 1e6
LOOPBACK = build_opener(ProxyHandler({}))
"""Opens URLs of what is measured; a proxy that the environment names knows another 127.0.0.1."""
NOTHING: Mapping[str, str] = MappingProxyType({})

Say = Callable[[str], None]
"""Called with how far a measurement is."""


class BenchmarkError(Exception):
    """Something that is measured does not do what it should; its text is for whoever runs the benchmark."""


@dataclass(frozen=True, slots=True)
class Program:
    """A running program, with all the processes that it started."""

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def pids(self) -> list[int]:
        """Its own and those of its descendants."""
        children = _children()
        found, fresh = [], [self.process.pid]
        while fresh:
            found += fresh
            fresh = [child for parent in fresh for child in children.get(parent, ())]
        return found

    @property
    def last_words(self) -> str:
        """The end of what it has said, for an error."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-2000:]

    def cpu(self) -> float:
        """Seconds of processor time so far, by each process's own clock (/proc only counts ticks)."""
        total = 0.0
        for pid in self.pids:
            with suppress(OSError):  # it has just ended
                total += time.clock_gettime((~pid << 3) | 2)  # clock_getcpuclockid(3)
        return total

    def memory(self, field: str = "VmRSS") -> float:
        """Megabytes in memory now (`VmRSS`), or at most since `forget_peak` (`VmHWM`).

        Pages that several processes share count for each of them.
        """
        total = 0
        for pid in self.pids:
            with suppress(OSError, StopIteration):
                lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
                total += int(next(line for line in lines if line.startswith(field)).split()[1])
        return total * 1024 / MEGABYTE

    def forget_peak(self) -> None:
        """Let the peak begin anew with what is in memory now."""
        for pid in self.pids:
            with suppress(OSError):
                Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")

    def stop(self) -> None:
        """End it, kindly first."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()


@dataclass(frozen=True, slots=True)
class Bench:
    """Where programs are started: a folder of their own, and the two cores."""

    folder: Path
    cores: Cores

    @contextmanager
    def running(
        self,
        name: str,
        command: Sequence[str],
        *,
        core: int | None = None,
        ports: Sequence[int] = (),
        environ: Mapping[str, str] = NOTHING,
    ) -> Iterator[Program]:
        """Run a program on a core (default: that of what is measured), from when it listens on `ports`.

        Raises BenchmarkError if it does not.
        """
        for port in ports:  # else whoever listens there would be measured in its place
            if _is_listening(port):
                raise BenchmarkError(f"{name}: another program has taken port {port} just now; try again")
        log = self.folder / f"{name.replace(' ', '-')}-{time.monotonic_ns()}.log"
        try:
            with log.open("wb") as output, pinned(self.cores.system if core is None else core):
                process = subprocess.Popen(
                    command, cwd=self.folder, env=environment(environ), stdout=output, stderr=output
                )
        except OSError as error:  # as where nothing in /tmp may be run
            raise BenchmarkError(f"{name} cannot be started: {error}") from error
        program = Program(name, process, log)
        try:
            for port in ports:
                wait_until_listening(program, port)
            yield program
        finally:
            program.stop()

    @contextmanager
    def module(
        self,
        name: str,
        module: str,
        *words: str,
        ports: Sequence[int] = (),
        environ: Mapping[str, str] = NOTHING,
    ) -> Iterator[Program]:
        """The same for a Python module of this project."""
        with self.running(
            name, [sys.executable, "-m", module, *words], ports=ports, environ=environ
        ) as program:
            yield program


@contextmanager
def to_be_broken_off() -> Iterator[None]:
    """By Ctrl-C, a time-out of CI, or a terminal that closes: what was started is ended then."""
    both = (signal.SIGTERM, signal.SIGHUP)
    ends = [number for number in both if signal.getsignal(number) is signal.SIG_DFL]  # nohup ignores one
    for number in ends:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        print("benchmarks: broken off", file=sys.stderr)
        raise SystemExit(128 + signal.SIGINT) from None
    finally:
        for number in ends:
            signal.signal(number, signal.SIG_DFL)


def environment(changes: Mapping[str, str]) -> dict[str, str]:
    """Ours without any setting of the project, so that the measured are the defaults; no proxy either."""
    names = {item.name.upper() for item in SETTINGS}
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.removesuffix("_FILE") not in names and not name.lower().endswith("_proxy")
    }
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **changes}


def wait_until_listening(program: Program, port: int) -> None:
    """Wait until somebody accepts connections there. Raises BenchmarkError with the program's last words."""
    end = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < end and program.process.poll() is None:
        if _is_listening(port):
            return
        time.sleep(0.01)
    raise BenchmarkError(f"{program.name} does not listen on port {port}:\n{program.last_words}")


def wait_until_answered(program: Program, url: str) -> float:
    """Ask until the answer is a 200; the moment of it. Raises BenchmarkError as above."""
    end = time.monotonic() + ANSWER_SECONDS
    while time.monotonic() < end and program.process.poll() is None:
        try:
            with LOOPBACK.open(url, timeout=ANSWER_SECONDS) as response:
                response.read()
                return time.monotonic()
        except OSError:  # nobody listens yet, or it is an error by its status
            time.sleep(0.002)
    raise BenchmarkError(f"{program.name} does not answer:\n{program.last_words}")


def _is_listening(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _children() -> dict[int, list[int]]:
    """The children of every process of this machine."""
    children: dict[int, list[int]] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with suppress(OSError):
                words = Path(entry.path, "stat").read_text(encoding="utf-8", errors="replace")
                parent = int(words.rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    return children

"""Machine: what the measurements run on, and which core is whose."""

import os
import platform
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("aiohttp", "uvloop", "websockets", "msgspec", "flask", "gunicorn")


@dataclass(frozen=True, slots=True)
class Cores:
    """One for what is measured, another for all that measures it."""

    system: int
    load: int


def cores() -> Cores:
    """Two of this process's cores. Ends the program where it has only one, or where it is no Linux."""
    if not hasattr(os, "sched_getaffinity"):
        raise SystemExit("benchmarks: this needs Linux (cores are pinned, /proc is read)")
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise SystemExit("benchmarks: this needs two cores, one for what is measured and one for the load")
    return Cores(allowed[0], allowed[1])


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """This process, and whatever it starts meanwhile, runs on this core alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def raise_open_files() -> int:
    """As many open files as the system allows; thousands of connections need them. Returns how many."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def describe() -> str:
    """The machine in a few words."""
    model = ""
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line for line in lines if line.startswith("model name")).partition(":")[2].strip()
    kernel = platform.release().split("-")[0]
    return f"{os.cpu_count()} cores ({model or platform.machine()}), {platform.system()} {kernel}"


def versions() -> dict[str, str]:
    """Python's and those of the packages that matter."""
    found = {"Python": platform.python_version()}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found

"""http: requests a second, processor time, delay and memory of a picture's whole way over HTTP."""

import base64
import json
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.util import find_spec

from benchmarks.native import Backends, Loaded, Native, build
from benchmarks.pictures import Picture, make_pictures
from benchmarks.processes import LOOPBACK, Bench, BenchmarkError, Say
from benchmarks.series import Gathering
from benchmarks.systems import (
    DIRECT,
    NGINX,
    Start,
    System,
    bare_proxy,
    nginx,
    nginx_path,
    original,
    whole_way,
)

BACKENDS = 16
ROUNDS = 5
CELLS = [(word, connections) for word in ("small", "large") for connections in (1, 16, 64)]
QUICK_CELLS = [("small", 1), ("small", 16), ("large", 16), ("large", 64)]
"""Those that the goals speak of."""
SECONDS, QUICK_SECONDS = 4.0, 1.3
WARM_SECONDS = 0.5


def measure(bench: Bench, *, quick: bool, say: Say) -> tuple[Gathering, list[str]]:
    """All systems side by side, in turns; each cell once a round."""
    native, pictures = build(bench), make_pictures(bench.folder)
    starts, notes = contenders()
    gathering = Gathering()
    cells, seconds = (QUICK_CELLS, QUICK_SECONDS) if quick else (CELLS, SECONDS)
    with native.backends(BACKENDS, 0, list(pictures.values())) as backends, ExitStack() as stack:
        systems = [stack.enter_context(start(bench, backends)) for start in starts]
        systems.append(System(DIRECT, backends.ports[0], ()))
        for system in systems:
            check(system, pictures["small"])
            ask(native, system, pictures["small"], 16, WARM_SECONDS)
        for turn in range(ROUNDS):
            for word, connections in cells:
                say(f"round {turn + 1} of {ROUNDS}: {word}, {connections} connections")
                for system in rotated(systems, turn):
                    figures = probe(native, backends, system, pictures[word], connections, seconds)
                    gathering.add_all(figures, system=system.name, picture=word, connections=connections)
    for picture in pictures.values():
        gathering.add(len(picture.base64) / 1e6, picture=picture.word, metric="base64 MB")
    return gathering, notes


def contenders() -> tuple[list[Start], list[str]]:
    """What can be compared here, and a word for each that cannot."""
    starts: list[Start] = [whole_way, bare_proxy]
    notes: list[str] = []
    if nginx_path() is None:
        return starts, ["nginx is not installed here: it and the original design are left out."]
    starts.append(nginx)
    missing = [name for name in ("flask", "gunicorn", "requests") if not find_spec(name)]
    if not missing:
        starts.append(original)
    else:
        notes.append(f"Not installed here, so that the original design is left out: {', '.join(missing)}.")
    return starts, notes


def probe(
    native: Native, backends: Backends, system: System, picture: Picture, connections: int, seconds: float
) -> dict[str, float]:
    """One system under one load."""
    system.forget_peak()
    before, measuring = system.cpu(), backends.program.cpu()
    loaded = ask(native, system, picture, connections, seconds)
    used, measuring = system.cpu() - before, backends.program.cpu() - measuring + loaded.cpu
    figures = {
        "requests/s": loaded.pictures / loaded.seconds,
        "p50 ms": loaded.p50,
        "p99 ms": loaded.p99,
        "load core": measuring / loaded.seconds,
    }
    if not system.programs:
        return figures
    own = {"CPU ms": 1000 * used / loaded.pictures, "peak MB": system.memory("VmHWM")}
    return {**figures, **own, "system core": used / loaded.seconds}


def ask(native: Native, system: System, picture: Picture, connections: int, seconds: float) -> Loaded:
    """The load for this system."""
    path = picture.path.replace("/text", "/sdapi/v1/txt2img") if system.name == DIRECT else picture.path
    return native.ask("http", system.port, connections, seconds, path, least=len(picture.base64))


def check(system: System, picture: Picture) -> None:
    """Read one answer with the plain JSON parser. Raises BenchmarkError if it is another picture."""
    if system.name == DIRECT:
        return
    try:
        with LOOPBACK.open(f"http://127.0.0.1:{system.port}{picture.path}", timeout=10) as response:
            words = json.load(response)
        # nginx hands on what the server said.
        answered = words["images"][0] if system.name == NGINX else words["image-base64"]
    except (OSError, LookupError, ValueError) as error:
        raise BenchmarkError(f"{system.name} answers no picture: {error!r}") from error
    if base64.b64decode(answered) != base64.b64decode(picture.base64):
        raise BenchmarkError(f"{system.name} answers another picture")


def rotated(systems: Sequence[System], turn: int) -> list[System]:
    """Another one is first in each round."""
    first = turn % len(systems)
    return [*systems[first:], *systems[:first]]

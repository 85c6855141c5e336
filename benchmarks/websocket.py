"""websocket: what connections, messages and pictures cost over the websocket, against bare `websockets`."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial

import msgspec
import uvloop

from benchmarks.crowd import Heard, crowd
from benchmarks.machine import pinned, raise_open_files
from benchmarks.native import Backends, Log, Native, build
from benchmarks.pictures import Picture, make_pictures
from benchmarks.processes import Bench, BenchmarkError, Say
from benchmarks.series import Gathering, percentile
from benchmarks.systems import OURS, System, our_websocket, whole_way
from tests.ports import free_port

BARE = "bare websockets"
HTTP, WEBSOCKET = "HTTP", "websocket"
BACKENDS = 16
ROUNDS = 5
IDLE, QUICK_IDLE, CROWD, SHARERS = 5000, 2000, 2000, 200
FILES_BESIDE = 1000
"""Open files that are no connections of the crowd."""
PAINT_SECONDS = 5.0
CROWD_MESSAGE = b'{"input":"a tiny monkey","steps":10}'
"""A step, and so a progress, each half second."""
SHARE_SECONDS = 1.5
SETTLE_SECONDS = PAINT_SECONDS + 1
"""Before the first pictures are there the pace is unknown, and places do not move. As long for the bare side:
its pings come as long after a connection was opened, and while all of it is warm a message costs it half."""
SECONDS, QUICK_SECONDS = 20.0, 4.0
PICTURE_SECONDS, QUICK_PICTURE_SECONDS = 4.0, 1.0
PAIRED = 0.95
"""Of the progresses that clients hear so many must be in the servers' records, or delays say nothing."""
PULSE_GAP = 0.25
"""Seconds of silence between the positions of one second and those of the next."""


class Words(msgspec.Struct):
    """What matters of a message."""

    type: str
    id: str = ""
    backend: str = ""
    progress: float = -1.0
    eta: float | None = None


decode = msgspec.json.Decoder(Words).decode


def measure(bench: Bench, *, quick: bool, say: Say) -> tuple[Gathering, list[str]]:
    """Four scenes, each one with both sides in turns."""
    most = raise_open_files()
    if most < CROWD + FILES_BESIDE:
        raise BenchmarkError(f"{CROWD + FILES_BESIDE} open files are needed, and {most} allowed (ulimit -Hn)")
    wanted = QUICK_IDLE if quick else IDLE
    idle = min(wanted, most - FILES_BESIDE)
    notes = (
        [] if idle == wanted else [f"This system allows {most} open files, so {idle} connections were idle."]
    )
    native, pictures = build(bench), make_pictures(bench.folder)
    gathering = Gathering()
    with pinned(bench.cores.load), asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
        measure_pictures(native, pictures, gathering, quick=quick, say=say)
        for scene in (partial(_idle, count=idle), _share, partial(_crowd, quick=quick)):
            scene(loop, native, pictures, gathering, say)
    return gathering, notes


def measure_pictures(
    native: Native, pictures: dict[str, Picture], gathering: Gathering, *, quick: bool, say: Say
) -> None:
    """A picture's processor time, over both of our front ends, with 16 connections."""
    seconds, picture = QUICK_PICTURE_SECONDS if quick else PICTURE_SECONDS, pictures["small"]
    message = '{"input":"a small monkey"}'
    with (
        native.backends(BACKENDS, 0, list(pictures.values())) as backends,
        whole_way(native.bench, backends) as http,
        our_websocket(native.bench, backends) as websocket,
    ):
        sides = [(HTTP, http, "http", picture.path), (WEBSOCKET, websocket, "ws", message)]
        for turn in range(ROUNDS + 1):
            say(f"pictures: round {turn} of {ROUNDS}")
            for name, system, wire, what in sides[:: (-1) ** turn]:
                before = system.cpu()
                loaded = native.ask(wire, system.port, 16, seconds, what, least=len(picture.base64))
                if turn == 0:
                    continue  # to warm up
                figures = {
                    "requests/s": loaded.pictures / loaded.seconds,
                    "CPU ms": 1000 * (system.cpu() - before) / loaded.pictures,
                    "p50 ms": loaded.p50,
                    "p99 ms": loaded.p99,
                }
                gathering.add_all(figures, scene="pictures", system=name)


def _idle(
    loop: asyncio.Runner,
    native: Native,
    pictures: dict[str, Picture],
    gathering: Gathering,
    say: Say,
    *,
    count: int,
) -> None:
    """What a connection takes that asks for nothing: each round a fresh server."""
    with native.backends(1, 0, [pictures["small"]]) as backends:
        for turn in range(ROUNDS):
            say(f"idle connections: round {turn + 1} of {ROUNDS}")
            for name, start in _sides(native.bench, backends, pictures["small"])[:: (-1) ** turn]:
                with start() as system:
                    figures = loop.run(_take_idle(system, count))
                gathering.add_all(figures, scene="idle", system=name)
        gathering.add(count, scene="idle", metric="connections")


async def _take_idle(system: System, count: int) -> dict[str, float]:
    heard = Heard()
    async with crowd(10, system.port, "/idle", heard):  # what the first ones load is not theirs
        before = system.memory()
        began = time.monotonic()
        async with crowd(count, system.port, "/idle", heard):
            opened = time.monotonic() - began
            await asyncio.sleep(0.5)
            taken = system.memory() - before
    return {"KB each": 1000 * taken / count, "connections/s": count / opened}


def _share(
    loop: asyncio.Runner, native: Native, pictures: dict[str, Picture], gathering: Gathering, say: Say
) -> None:
    """One picture to many at once."""
    with (
        native.backends(1, SHARE_SECONDS, [pictures["small"]]) as backends,
        our_websocket(native.bench, backends) as ours,
        _bare(native.bench, pictures["small"]) as bare,
    ):
        for turn in range(ROUNDS + 1):
            say(f"one picture to {SHARERS} clients: round {turn} of {ROUNDS}")
            for system in (ours, bare)[:: (-1) ** turn]:
                figures = loop.run(_take_share(system, backends))
                if turn:
                    gathering.add_all(figures, scene="share", system=system.name)


async def _take_share(system: System, backends: Backends) -> dict[str, float]:
    heard = Heard()
    async with crowd(SHARERS, system.port, "/share", heard) as clients:
        backends.logs()
        if system.name == OURS:
            clients[0].say(b'{"input":"a small monkey"}')
            await heard.until(lambda: bool(heard.all))
            attach = msgspec.json.encode({"type": "attach", "id": decode(heard.all[0][2]).id})
            for client in clients[1:]:
                client.say(attach)
            await heard.until(lambda: len(heard.all) >= SHARERS)
        rest = system.memory()
        system.forget_peak()
        began = time.monotonic()
        if system.name != OURS:
            clients[0].say(b"go")
        await heard.until(lambda: len(heard.pictures) == SHARERS)
        peak = system.memory("VmHWM")
        if system.name == OURS:
            (began,) = backends.logs()[backends.ports[0]].answered
    return {"ms to the last": 1000 * (heard.pictures[-1] - began), "rest MB": rest, "peak MB": peak}


def _crowd(
    loop: asyncio.Runner,
    native: Native,
    pictures: dict[str, Picture],
    gathering: Gathering,
    say: Say,
    *,
    quick: bool,
) -> None:
    """Many who wait and see their place move, a few who see progress."""
    seconds = QUICK_SECONDS if quick else SECONDS
    with (
        native.backends(BACKENDS, PAINT_SECONDS, [pictures["tiny"]]) as backends,
        our_websocket(native.bench, backends) as ours,
        _bare(native.bench, pictures["tiny"]) as bare,
    ):
        for turn in range(ROUNDS):
            say(f"{CROWD} clients: round {turn + 1} of {ROUNDS}")
            for system in (ours, bare)[:: (-1) ** turn]:
                figures = loop.run(_take_crowd(system, backends, seconds))
                gathering.add_all(figures, scene="crowd", system=system.name)


async def _take_crowd(system: System, backends: Backends, seconds: float) -> dict[str, float]:
    heard = Heard()
    async with crowd(CROWD, system.port, "/crowd", heard) as clients:
        if system.name == OURS:
            for client in clients:
                client.say(CROWD_MESSAGE)
        await heard.until(lambda: len(heard.all) >= CROWD)
        await asyncio.sleep(SETTLE_SECONDS)
        earlier = backends.logs()  # a progress may be told before the window begins, and heard in it
        first, used, own = len(heard.all), system.cpu(), time.process_time()
        began = time.monotonic()
        await asyncio.sleep(seconds)
        used, own, lasted = system.cpu() - used, time.process_time() - own, time.monotonic() - began
        memory = system.memory()
        window = heard.all[first:]
    words = [(moment, decode(message)) for moment, _, message, _ in window if message]
    if system.name == OURS:
        late = list(delays(words, _backends_of(heard.all), [earlier, backends.logs()]))
        heard_of = sum(one.type == "progress" for _, one in words)
        if len(late) < PAIRED * heard_of or not late:
            raise BenchmarkError(f"of {heard_of} progresses only {len(late)} are in the servers' records")
    else:
        late = [moment - one.eta for moment, one in words if one.type == "progress" and one.eta]
    after = behind([moment for moment, one in words if one.type == "queued"])
    return {
        "messages/s": len(words) / lasted,
        "CPU us": 1e6 * used / len(words),
        "system core": used / lasted,
        "crowd's core": own / lasted,
        "delay p50 ms": 1000 * percentile(late, 0.5),
        "delay p99 ms": 1000 * percentile(late, 0.99),
        "behind p99 ms": 1000 * percentile(after, 0.99),
        "MB": memory,
    }


def _backends_of(messages: Sequence[tuple[float, int, bytes, int]]) -> dict[str, int]:
    """The port of the server that paints each job."""
    started = (decode(message) for _, _, message, _ in messages if b'"started"' in message)
    return {one.id: int(one.backend.rpartition(":")[2]) for one in started}


def delays(
    words: Sequence[tuple[float, Words]], backend_of: dict[str, int], logs: Sequence[Mapping[int, Log]]
) -> Iterator[float]:
    """From a server's telling of a progress until its client has it; the fraction says which one."""
    told: dict[tuple[int, float], list[float]] = {}
    for port, log in (entry for part in logs for entry in part.items()):
        for fraction, moment in zip(log.told[::2], log.told[1::2], strict=True):
            told.setdefault((port, round(fraction, 4)), []).append(moment)
    for heard, one in words:
        if one.type == "progress":
            moments = told.get((backend_of[one.id], round(one.progress, 4)), [])
            if before := [at for at in moments if at <= heard]:
                yield heard - max(before)


def behind(moments: Sequence[float]) -> list[float]:
    """How long after the first position of a second each one came."""
    late, first, before = list[float](), float("-inf"), float("-inf")
    for moment in moments:
        if moment - before > PULSE_GAP:
            first = moment
        before = moment
        late.append(moment - first)
    return late


@contextmanager
def _bare(bench: Bench, picture: Picture) -> Iterator[System]:
    port = free_port()
    words = [str(port), str(BACKENDS), str(picture.file)]
    with bench.module(
        "bare websockets", "benchmarks.contenders.bare_websockets", *words, ports=[port]
    ) as program:
        yield System(BARE, port, (program,))


def _sides(
    bench: Bench, backends: Backends, picture: Picture
) -> list[tuple[str, Callable[[], AbstractContextManager[System]]]]:
    return [(OURS, partial(our_websocket, bench, backends)), (BARE, partial(_bare, bench, picture))]

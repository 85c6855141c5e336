"""The service as containers: every replica works, and none of them is missed when it goes."""

import asyncio
import itertools
import json
import secrets
import signal
from functools import partial

import aiohttp
import pytest

from tests.compose.load import Load, Picture
from tests.compose.stack import (
    SCALES,
    Painted,
    Stack,
    commands_of_a_new_version,
    fetch,
    health,
    inspect,
    is_unhealthy,
    run,
    send,
    until,
)

NUMBERS = itertools.count(1, 100)
"""Each test's clients have numbers of their own."""
CANCEL = """
import aiohttp, asyncio, sys
async def main():
    async with aiohttp.request("DELETE", sys.argv[1]) as answer:
        print(answer.status, (await answer.json(content_type=None)).get("code"))
asyncio.run(main())
"""


@pytest.fixture
def load(service: Stack) -> Load:
    """Clients of the service, which is all well before."""
    service.settle()
    return Load(service.http, service.ws)


def painted_once(painted: Painted, pictures: list[Picture]) -> None:
    """No job was begun twice."""
    assert {picture.id: painted.times(picture.id) for picture in pictures} == {p.id: 1 for p in pictures}


def replace(old: str, new: str) -> None:
    """A container that is stopped serves; then one that serves stops."""
    run("docker", "start", new)
    until(lambda: health(new) == "healthy", "a new one that serves")
    run("docker", "stop", "-t", "60", old)


async def test_every_replica_gets_work_and_everybody_gets_the_right_picture(
    service: Stack, load: Load
) -> None:
    first = next(NUMBERS)
    pictures = await load.run(range(first, first + 30), range(first + 30, first + 60))
    assert not [picture for picture in pictures if picture.again]
    replicas = {picture.replica for picture in pictures}
    wanted = {f"{address}:5000" for address in service.addresses("app")}
    wanted |= {f"{address}:8765" for address in service.addresses("ws")}
    assert len(wanted) == 6
    assert replicas == wanted
    assert {picture.backend for picture in pictures} == {"engine:7861", "engine2:7861"}
    painted_once(service.painted(), pictures)
    status = await asyncio.to_thread(fetch, f"{load.http}/status")
    owners = {backend["owner"] for backend in status["backends"]}
    hosts = {inspect(id)["Config"]["Hostname"] for id in service.containers("worker")}
    assert {owner.split("-")[0] for owner in owners} == hosts


@pytest.mark.parametrize("kind", ["app", "ws", "worker", "engine", "nginx", "valkey"])
async def test_one_of_a_kind_is_killed_and_everybody_ends_with_their_own_picture(
    service: Stack, load: Load, kind: str
) -> None:
    """Painted twice is only what a worker or an engine was painting when it died."""
    first = next(NUMBERS)
    clients = asyncio.create_task(load.run(range(first, first + 12), range(first + 12, first + 24)))
    await load.until_done(4)
    victim = service.containers(kind)[0]
    restarts = inspect(victim)["RestartCount"]
    await asyncio.to_thread(send, victim, signal.SIGKILL)
    hit = service.painted()
    assert load.done < 24, "it died during the load"
    pictures = await clients
    painted = service.painted()
    twice = {picture.id for picture in pictures if painted.times(picture.id) > 1}
    assert all(painted.times(picture.id) in (1, 2) for picture in pictures)
    if kind == "engine":
        assert len(twice) <= 1
        assert all(hit.was_unfinished(id, "engine") for id in twice)
    elif kind == "worker":
        assert len(twice) <= 2, "it paints on two engines at the most"
    else:
        assert not twice
    if kind == "app":
        assert "hats" not in run("docker", "logs", *service.containers("nginx")), "no log holds a prompt"
        assert not [picture for picture in pictures if picture.again and picture.replica.endswith(":5000")]
    await asyncio.to_thread(until, lambda: inspect(victim)["RestartCount"] == restarts + 1, "its restart")


@pytest.mark.parametrize(
    "kinds", [("app", "ws"), ("worker",), ("engine",)], ids=["front ends", "worker", "engine"]
)
async def test_stopping_one_replica_loses_no_request(
    service: Stack, load: Load, kinds: tuple[str, ...]
) -> None:
    """Over HTTP nobody notices, with GET or POST and without a key; websockets reconnect and attach."""
    first = next(NUMBERS)
    clients = asyncio.create_task(
        load.run(range(first, first + 20), range(first + 20, first + 40), patient=False)
    )
    await load.until_done(3)
    replicas = [service.containers(kind)[0] for kind in kinds]
    await asyncio.to_thread(run, "docker", "stop", "-t", "60", *replicas)
    assert load.done < 40, "they stopped during the load"
    assert {inspect(id)["State"]["ExitCode"] for id in replicas} == {0}, "in good order, by themselves"
    pictures = await clients
    painted_once(service.painted(), pictures)
    await asyncio.to_thread(run, "docker", "start", *replicas)


async def test_scaling_down_and_up_during_load_fails_no_request(service: Stack, load: Load) -> None:
    first = next(NUMBERS)
    clients = asyncio.create_task(
        load.run(range(first, first + 40), range(first + 40, first + 60), patient=False)
    )
    await load.until_done(4)
    await asyncio.to_thread(service.up, app=1, ws=1, worker=1)
    assert load.done < 60, "it was scaled during the load"
    await asyncio.to_thread(service.up)
    pictures = await clients
    painted_once(service.painted(), pictures)
    # Those that came are found without a reload.
    first = next(NUMBERS)
    later = await load.run(range(first, first + 30), range(first + 30, first + 60))
    assert len({picture.replica for picture in later}) == 6


async def test_a_new_version_comes_without_a_gap_by_the_commands_of_the_docs(
    service: Stack, load: Load
) -> None:
    """Also not for those who began to wait when there were none but the old replicas.

    What is new here is a setting: for compose the old ones are out of date, as by another image.
    """
    old = [id for kind in SCALES for id in service.containers(kind)]
    service.environ["RESULT_TTL"] = "901"
    await load.keep_busy(6)
    update = asyncio.create_task(asyncio.to_thread(service.shell, commands_of_a_new_version()))
    pictures: list[Picture] = []
    while not update.done():
        first = next(NUMBERS)
        pictures += await load.run(range(first, first + 20), range(first + 20, first + 40), patient=False)
    await update
    painted_once(service.painted(), pictures)
    new = {kind: service.containers(kind) for kind in SCALES}
    assert {kind: len(ids) for kind, ids in new.items()} == SCALES
    assert not set(old) & {id for ids in new.values() for id in ids}
    assert all("RESULT_TTL=901" in inspect(id)["Config"]["Env"] for ids in new.values() for id in ids)


async def test_a_new_server_is_painted_on_and_nobody_is_sent_away(service: Stack, load: Load) -> None:
    """Front ends and bots do not read SD_BACKENDS: the workers alone are started anew."""
    up = ("up", "-d", "--wait", *(f"--scale={kind}={number}" for kind, number in SCALES.items()))
    await asyncio.to_thread(service.compose, *up)  # now nothing is out of date
    kept = {id for kind in ("app", "ws", "nginx", "valkey") for id in service.containers(kind)}
    workers = set(service.containers("worker"))
    service.environ["SD_BACKENDS"] = "http://engine2:7861,http://engine:7861"
    update = asyncio.create_task(asyncio.to_thread(service.compose, *up))
    pictures: list[Picture] = []
    while not update.done():
        first = next(NUMBERS)
        pictures += await load.run(range(first, first + 20), range(first + 20, first + 40), patient=False)
    await update
    painted_once(service.painted(), pictures)
    assert kept == {id for kind in ("app", "ws", "nginx", "valkey") for id in service.containers(kind)}
    assert not workers & set(service.containers("worker"))


async def test_who_waits_through_several_new_versions_gets_the_picture(service: Stack, load: Load) -> None:
    """Each time one replica comes and the only other one goes: of those that a request knew none is left."""
    old, *others = service.containers("app")
    await asyncio.to_thread(run, "docker", "stop", "-t", "60", *others)
    jobs = await load.keep_busy(40)
    first = next(NUMBERS)
    clients = asyncio.create_task(load.run(range(first, first + 4), (), patient=False))
    status = partial(fetch, f"{load.http}/status")
    await asyncio.to_thread(until, lambda: status()["waiting"] >= len(jobs), "that they wait")
    for _ in range(4):
        new = others.pop(0)
        await asyncio.to_thread(replace, old, new)
        assert not clients.done(), "somebody was sent away"
        others.append(old)
        old = new
    await load.end(jobs)
    pictures = await clients
    painted_once(service.painted(), pictures)
    assert min(picture.replica.count(":5000") for picture in pictures) >= 5
    await asyncio.to_thread(run, "docker", "start", *others)


async def test_without_any_replica_nginx_says_at_once_that_it_comes_back(service: Stack, load: Load) -> None:
    """To shell clients, too: the line break shows them the error. And then it does come back."""
    replicas = service.containers("app")
    await asyncio.to_thread(run, "docker", "stop", "-t", "60", *replicas)
    async with aiohttp.ClientSession() as session, session.get(f"{load.http}/text?input=a%20cat") as answer:
        assert answer.status == 503
        assert answer.headers["Retry-After"] == "2"
        body = await answer.text()
    assert body.startswith("\n{")
    assert json.loads(body)["code"] == "shutting_down"
    await asyncio.to_thread(run, "docker", "start", *replicas)
    await asyncio.to_thread(service.settle)
    first = next(NUMBERS)
    await load.run(range(first, first + 4), (), patient=False)


@pytest.mark.parametrize("way", ["through nginx", "directly"])
async def test_a_forged_request_id_and_a_forged_address_are_not_believed(
    service: Stack, load: Load, way: str
) -> None:
    url = load.http if way == "through nginx" else f"http://{next(iter(service.addresses('app')))}:5000"
    forged = {"X-Request-ID": secrets.token_hex(16), "X-Forwarded-For": "203.0.113.7"}
    async with aiohttp.ClientSession() as session:

        async def paint(**headers: str) -> str:
            asked = session.get(f"{url}/text?input=a%20cat&steps=2", headers=headers | forged)
            async with asked as answer:
                return str((await answer.json())["id"])

        assert await paint() != await paint(), "an id that both forged would have been one job"
        slow = {"input": "a cat", "steps": 150, "keep": True}
        async with session.post(
            f"{url}/text", json=slow, headers=forged | {"Prefer": "respond-async"}
        ) as answer:
            job = answer.headers["Location"]
        if way == "through nginx":
            # Another machine is another caller: nginx is believed, whatever the client says of itself.
            there = next(iter(service.addresses("nginx")))
            container = ("docker", "run", "--rm", "--network", f"{service.project}_default", "sd-b64-api")
            ask = ("python", "-c", CANCEL, f"http://{there}:5000{job}")
            other = await asyncio.to_thread(run, *container, *ask)
            assert other.strip() == "403 forbidden"
        # Who forged another address is still the same caller: it may cancel its job.
        async with session.delete(f"{url}{job}", headers={"X-Forwarded-For": "198.51.100.9"}) as answer:
            assert answer.status == 200
            assert (await answer.json())["state"] == "cancelled"


async def test_nginx_serves_whoever_names_no_host(service: Stack, load: Load) -> None:
    """As HTTP/1.0 does, which old clients and the probes of balancers speak."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.http)
    writer.write(b"GET /readyz HTTP/1.0\r\n\r\n")
    assert (await reader.readline()).endswith(b" 200 OK\r\n")
    writer.close()
    await writer.wait_closed()


def test_a_valkey_that_refuses_to_write_is_unhealthy_and_holds_up_no_start(service: Stack) -> None:
    """As with a full disk. What is started meanwhile waits for it, and serves as soon as it writes again."""
    service.settle()
    (valkey,) = service.containers("valkey")
    app = service.containers("app")[0]

    def shell(commands: str) -> None:
        run("docker", "exec", valkey, "sh", "-ec", commands)

    shell("mkdir -p /data/dump.rdb/full; valkey-cli config set save '3600 1'; valkey-cli bgsave")
    until(partial(is_unhealthy, valkey), "a Valkey that is unhealthy")
    run("docker", "rm", "-f", app)
    scales = [f"--scale={kind}={number}" for kind, number in SCALES.items()]
    service.compose("up", "-d", "--no-recreate", *scales)
    assert is_unhealthy(valkey)
    assert len(service.containers("app")) == SCALES["app"]
    shell("rm -r /data/dump.rdb; valkey-cli bgsave; valkey-cli config set save ''")
    service.settle()


def test_what_hangs_is_unhealthy_and_what_goes_on_is_healthy_again(service: Stack) -> None:
    service.settle()
    for kinds in (("app", "ws", "worker", "engine", "nginx"), ("valkey",)):
        stopped = [service.containers(kind)[0] for kind in kinds]
        for id in stopped:
            send(id, signal.SIGSTOP)
        for id in stopped:
            until(partial(is_unhealthy, id), f"one of {kinds} unhealthy")
        for id in stopped:
            send(id, signal.SIGCONT)
        service.settle()

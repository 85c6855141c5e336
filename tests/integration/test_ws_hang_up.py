"""Clients of the websocket who go: a job that nobody waits for any more is not painted."""

import asyncio
import struct

import pytest
from redis.asyncio import Redis

from core import work
from core.queues.valkey.leaving import ABANDONED_AT_ONCE
from core.queues.valkey.store import PREFIX
from tests.doubles.ws_fixture import CLOSE, TEXT, UPGRADE, frame, serving
from tests.unit.core.examples import soon
from tests.valkey_server import ValkeyServer
from wsserver.peer import SLICE


async def test_a_waiting_job_whose_client_goes_never_reaches_the_backend() -> None:
    async with serving() as served, served.client() as client:
        await served.hold_one(client)
        async with served.client() as gone:
            await gone.say(input="unwanted")
            await gone.hear("queued")
        await served.until(lambda status: status.waiting == 0)
        served.double.release()
        await client.hear("image")
        assert served.prompts == ["the one that holds"]


@pytest.mark.parametrize("way", ["close", "vanish"])
async def test_a_running_job_whose_client_goes_is_interrupted_and_only_that_one(way: str) -> None:
    """At once, whether the client says goodbye or its connection breaks."""
    async with serving() as served, served.client() as other:
        async with served.client() as client:
            await served.hold_one(client)
            await other.say(input="the next one")
            await other.hear("queued")
            task = served.double.paintings[0].task
            if way == "vanish":
                client.socket.transport.abort()
        await soon(served.double.until(lambda: served.double.interrupts))
        served.double.release()
        await other.hear("image")
        assert served.double.interrupts == [task]
        assert served.prompts == ["the one that holds", "the next one"]


async def test_a_client_that_says_goodbye_and_does_no_more_is_noticed_as_well() -> None:
    """Such as one whose own buffer is full: our answer stands behind messages that it never reads."""
    async with serving() as served, served.client() as other, served.raw(*UPGRADE) as (reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        await served.hold_one(other)
        writer.write(frame(TEXT, b"waits, so that nothing is told of it"))
        await served.until(lambda status: status.waiting == 1)
        writer.write(frame(CLOSE, (1000).to_bytes(2, "big")))
        await soon(served.until(lambda status: status.waiting == 0))


async def test_of_the_jobs_of_a_client_that_goes_the_newest_end_first() -> None:
    """One that ends moves its caller's later ones up: by any other way a thousand keep Valkey for seconds."""
    async with (
        ValkeyServer() as valkey,
        Redis.from_url(valkey.url) as redis,
        serving(redis_url=valkey.url) as served,
        work(served.settings) as fleet,
        served.client() as other,
    ):
        await fleet.first_looks()
        await served.hold_one(other)
        async with served.client() as client:
            begun = []
            for number in range(30):
                await client.say(input="unwanted", label=f"{number}")
                begun.append((await client.hear("queued", label=f"{number}"))["id"])
        await served.until(lambda status: status.waiting == 0)
        ended = {id: int(await redis.hget(f"{PREFIX}j:{id}", "version") or 0) for id in begun}
        soonest = sorted(begun, key=lambda id: ended[id])[:15]
        assert set(soonest) <= {*begun[:ABANDONED_AT_ONCE], *begun[15 - ABANDONED_AT_ONCE :]}


async def test_a_job_that_somebody_else_watches_goes_on() -> None:
    async with serving() as served, served.client() as other:
        async with served.client() as client:
            id = await served.hold_one(client)
            await other.say(type="attach", id=id)
            await other.next()
        served.double.release()
        assert (await other.hear())["type"] == "image"
        assert served.double.interrupts == []


@pytest.mark.parametrize("size", [200, SLICE, 3 * SLICE])
def test_a_wrong_message_with_which_a_client_closes_its_side_is_answered(size: int) -> None:
    """However long it is. On the event loop that serves where it is installed: it tells of the end of a
    stream as soon as it reads on."""
    uvloop = pytest.importorskip("uvloop")

    async def serve() -> None:
        async with serving() as served, served.raw(*UPGRADE) as (reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            wrong = b'{"type": "dance"}' + b" " * size
            writer.write(struct.pack("!BBH", TEXT, 0xFE, len(wrong)) + bytes(4) + wrong)
            writer.write_eof()
            assert b"type: one of generate" in await soon(reader.read())

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())

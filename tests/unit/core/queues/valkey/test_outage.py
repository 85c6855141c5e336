"""An outage of Valkey: what the log says of it, and how often; and what is for clients to hear."""

import logging
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, OutOfMemoryError, RedisError

from core import QueueUnavailable, Settings, connect
from core.gateway import Gateway
from core.queues.valkey.outage import FULL, NOT_LET_IN, REFUSED, SETTLED, UNREACHED, Outage, as_unavailable
from core.queues.valkey.store import Store
from tests.unit.core.examples import Clock, soon
from tests.unit.core.queues.valkey.test_pulse import let_in, said
from tests.valkey_server import ValkeyServer

BACK = "the shared queue is back"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outage(clock: Clock, caplog: pytest.LogCaptureFixture) -> Outage:
    """Of a process that has started; what it tells the log is kept."""
    caplog.set_level(logging.INFO)
    outage = Outage(clock)
    outage.is_muted = False
    return outage


async def refused(gateway: Gateway, words: str) -> None:
    """Somebody who asks now is told so, in these words."""
    with pytest.raises(QueueUnavailable) as error:
        await soon(gateway.catalog())
    assert error.value.message == words


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


@pytest.mark.slow
async def test_the_log_says_once_that_valkey_is_away_and_once_that_it_is_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """However many ask meanwhile, and however often the pulse beats."""
    caplog.set_level(logging.INFO)
    async with ValkeyServer() as server, connect(Settings(redis_url=server.url, lease_ttl=0.3)) as gateway:
        server.kill()
        for _ in range(3):
            await refused(gateway, UNREACHED)
        await server.start()
        await said(caplog, BACK)
    away, back = lines(caplog)
    assert away.startswith(f"{UNREACHED} (")
    assert back == BACK


@pytest.mark.slow
async def test_a_password_that_was_changed_meanwhile_is_told_as_what_it_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It does not come back by itself; and goes on where the old one is let in again."""
    caplog.set_level(logging.INFO)
    async with ValkeyServer() as server:
        settings = Settings(redis_url=await let_in(server), lease_ttl=0.3)
        admin: Any = Redis.from_url(server.url)
        async with connect(settings) as gateway, admin:
            await let_in(server, "resetpass", ">another")
            await admin.execute_command("CLIENT KILL USER painter")
            await said(caplog, f"{NOT_LET_IN} (invalid username-password pair or user is disabled.)")
            await refused(gateway, NOT_LET_IN)
            await let_in(server)
            await said(caplog, BACK)
    assert "painter" not in caplog.text


@pytest.mark.parametrize("taken", ["-evalsha", "resetkeys"])
async def test_a_right_that_is_taken_away_is_told_as_an_outage_is(
    taken: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Without the user's name, and not with each call; when it is given back all goes on."""
    caplog.set_level(logging.INFO)
    async with ValkeyServer() as server:
        settings = Settings(redis_url=await let_in(server), lease_ttl=0.3)
        async with connect(settings) as gateway:
            await let_in(server, taken)
            await said(caplog, f"{NOT_LET_IN} (")
            for _ in range(3):
                await refused(gateway, NOT_LET_IN)
            await let_in(server)
            await said(caplog, BACK)
    assert len([line for line in lines(caplog) if line.startswith(NOT_LET_IN)]) == 1
    assert "painter" not in caplog.text
    assert "Traceback" not in caplog.text


async def test_what_a_script_may_not_do_is_no_fault_of_the_script() -> None:
    """Here it may not publish."""
    async with ValkeyServer() as server, Redis.from_url(await let_in(server, "resetchannels")) as client:
        with pytest.raises(RedisError) as error:
            await client.eval("return redis.call('PUBLISH', '{sd}:p', 'words')", 0)
    told = as_unavailable(error.value)
    assert told is not None
    assert told.message == NOT_LET_IN


async def test_what_valkey_says_of_itself_is_for_the_log_and_not_for_clients(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As when its disk is full; here it wants a replica that it has not got."""
    async with ValkeyServer() as server, Redis.from_url(server.url) as admin:
        await admin.config_set("min-replicas-to-write", 1)
        store = Store(Settings(redis_url=server.url))
        store.outage.is_muted = False
        with pytest.raises(QueueUnavailable) as error:
            await store.call("agreed", "a word", b"1" * 32)
        await store.close()
    assert error.value.message == REFUSED
    assert lines(caplog)[0].startswith(f"{REFUSED} (NOREPLICAS Not enough good replicas to write.")


def test_an_outage_that_lasts_is_told_again_each_minute(
    clock: Clock, outage: Outage, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(180):
        outage.failed("pulse", QueueUnavailable(UNREACHED), TimeoutError())
        clock.advance(1)
    assert len(lines(caplog)) == 3


def test_a_memory_in_which_one_picture_finds_room_and_another_none_is_full(
    clock: Clock,
    outage: Outage,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The pulse says nothing of it, as it needs no room."""
    outage.failed("put", QueueUnavailable(FULL), OutOfMemoryError())
    for _ in range(20):
        outage.worked("set")
        outage.failed("set", QueueUnavailable(FULL), OutOfMemoryError())
        clock.advance(1)
    clock.advance(SETTLED)
    outage.worked("pulse")
    assert len(lines(caplog)) == 1
    outage.worked("set")
    assert lines(caplog)[1:] == [BACK]


def test_pictures_that_do_not_come_through_while_all_else_does_are_one_outage(
    clock: Clock,
    outage: Outage,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Something cuts off whoever sends much; the pulse, and small pictures, go on."""
    for _ in range(20):
        outage.failed("set", QueueUnavailable(UNREACHED), ConnectionError())
        outage.worked("pulse")
        outage.worked("set")
        clock.advance(1)
    assert len(lines(caplog)) == 1
    clock.advance(SETTLED)
    outage.worked("pulse")
    assert lines(caplog)[1:] == [BACK]


def test_a_right_that_some_calls_do_not_need_is_not_back_with_these(
    outage: Outage, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Without that to publish no job came in, and the log said each second that the queue is back."""
    why = NoPermissionError("User painter has no permissions to run the 'publish' command")
    for _ in range(5):
        outage.failed("put", QueueUnavailable(NOT_LET_IN), why)
        outage.worked("claim")
        outage.worked("pulse")
    assert len(lines(caplog)) == 1
    outage.worked("put")
    assert lines(caplog)[1:] == [BACK]

"""The pulse: what it waits for at the start, what ends the start, and what it makes of a right taken away."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from core import Settings, SettingsError, connect
from tests.valkey_server import ValkeyServer

RIGHTS = "on >secret ~{sd}:* &{sd}:* +@all"


@pytest.fixture
async def server() -> AsyncIterator[ValkeyServer]:
    async with ValkeyServer() as server:
        yield server


async def let_in(server: ValkeyServer, *rights: str) -> str:
    """The address by which a user with these rights comes in."""
    admin: Any = Redis.from_url(server.url)  # this method of it has no types
    async with admin:
        await admin.execute_command("ACL SETUSER", "painter", *RIGHTS.split(), *rights)
    return server.url.replace("//", "//painter:secret@")


async def said(caplog: pytest.LogCaptureFixture, text: str) -> None:
    """Wait until the log says so."""
    came = asyncio.Event()
    listener = logging.Handler()
    listener.emit = lambda record: came.set() if text in record.getMessage() else None  # type: ignore[method-assign]
    logging.getLogger().addHandler(listener)
    try:
        async with asyncio.timeout(10):
            while text not in caplog.text:
                await came.wait()
    finally:
        logging.getLogger().removeHandler(listener)


@pytest.mark.parametrize(
    ("rights", "database", "problem"),
    [
        ("", "99", "DB index is out of range"),
        ("-evalsha", "0", "the user has no permissions to run the 'evalsha' command"),
        pytest.param("resetchannels", "0", "No permissions to access a channel", marks=pytest.mark.slow),
    ],
)
async def test_a_queue_that_refuses_us_for_good_ends_the_start(
    server: ValkeyServer, caplog: pytest.LogCaptureFixture, rights: str, database: str, problem: str
) -> None:
    """In one line, which does not name the user; waiting would change nothing."""
    url = (await let_in(server, *rights.split())).removesuffix("0") + database
    with pytest.raises(SettingsError) as refused:
        async with asyncio.timeout(10), connect(Settings(redis_url=url)):
            pass
    assert str(refused.value) == f"REDIS_URL: the shared queue refuses: {problem}"
    assert caplog.text == ""


@pytest.mark.slow
async def test_a_wrong_password_is_waited_for_since_its_owner_may_be_about_to_change_it(
    server: ValkeyServer, caplog: pytest.LogCaptureFixture
) -> None:
    url = await let_in(server)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        opened = connect(Settings(redis_url=url.replace("secret", "new")))
        start = group.create_task(opened.__aenter__())
        await said(
            caplog, "REDIS_URL: the shared queue does not let us in; waiting for it (invalid username-"
        )
        await let_in(server, ">new")
        await start
    await opened.__aexit__(None, None, None)


@pytest.mark.slow
async def test_a_silence_is_told_as_what_it_is(
    server: ValkeyServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A time-out says nothing of itself. Here TLS is spoken to a port that knows none, and waits for more."""
    url = server.url.replace("redis://", "rediss://")
    start = asyncio.create_task(connect(Settings(redis_url=url)).__aenter__())
    await said(caplog, "REDIS_URL: the shared queue is not there yet; waiting for it (TimeoutError)")
    start.cancel()
    await asyncio.gather(start, return_exceptions=True)

"""A server gets the port that a setting names, or the line that says what is in its way."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from core.environment import load
from core.listening import NEAR, Listen, listening, reachable
from core.settings import Settings, SettingsError


def server(host: str) -> Listen:
    """One that listens and does no more."""

    @asynccontextmanager
    async def listen(port: int) -> AsyncIterator[int]:
        bound = await asyncio.get_running_loop().create_server(asyncio.Protocol, host, port)
        async with bound:
            yield bound.sockets[0].getsockname()[1]

    return listen


def failing(*errors: OSError) -> Listen:
    """One that fails in these ways, one after another, and then listens."""
    left = list(errors)

    @asynccontextmanager
    async def listen(port: int) -> AsyncIterator[int]:
        if left:
            raise left.pop(0)
        yield port or 12345

    return listen


def given(**environ: str) -> Settings:
    return load(environ, dotenv=None)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


async def refused(settings: Settings, listen: Listen, *, may_move: bool = False, exit_code: int = 3) -> str:
    with pytest.raises(SettingsError) as error:
        async with listening(settings, "HTTP", listen, may_move=may_move):
            raise AssertionError("it listens")
    assert error.value.exit_code == exit_code
    return str(error.value)


async def test_a_server_gets_the_port_that_is_set() -> None:
    async with listening(given(HTTP_PORT="0"), "HTTP", server("127.0.0.1")) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("may_move", [False, True])
async def test_a_port_that_is_set_and_taken_is_an_error_that_names_it(taken: int, may_move: bool) -> None:
    settings = given(HTTP_PORT=str(taken))
    assert (
        await refused(settings, server("127.0.0.1"), may_move=may_move)
        == f"HTTP_PORT: {taken} is taken by another program"
    )


async def test_a_default_port_that_is_taken_moves_loudly(
    taken: int, capsys: pytest.CaptureFixture[str]
) -> None:
    async with listening(Settings(http_port=taken), "HTTP", server("127.0.0.1"), may_move=True) as port:
        assert port != taken
    assert capsys.readouterr().out == f"HTTP_PORT: {taken} is taken by another program, so it is {port}\n"


async def test_a_default_port_that_is_taken_is_an_error_where_it_may_not_move(taken: int) -> None:
    told = await refused(Settings(http_port=taken), server("127.0.0.1"))
    assert told == f"HTTP_PORT: {taken} is taken by another program"


async def test_a_port_that_is_set_twice_is_not_called_another_program_s_alone(taken: int) -> None:
    """Who looks for that program finds this one; and no other try mends what is set wrong."""
    settings = given(HTTP_PORT=str(taken), WS_PORT=str(taken))
    told = await refused(settings, server("127.0.0.1"), exit_code=2)
    assert told == f"HTTP_PORT: {taken} is taken, by WS_PORT, which is the same, or by another program"
    told = await refused(Settings(http_port=taken, engine_port=taken), server("127.0.0.1"))
    assert "by ENGINE_PORT, which is the same" in told


async def test_a_default_port_makes_way_for_the_same_one_that_is_set(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The demo painter is there before the others are, and would have it."""
    settings = replace(given(HTTP_PORT="7861", WS_PORT="7863"), engine_port=7861)
    async with listening(settings, "ENGINE", failing(), may_move=True) as port:
        assert port == 7862
    assert capsys.readouterr().out == "ENGINE_PORT: 7861 is HTTP_PORT, so it is 7862\n"
    errors = [OSError(errno.EADDRINUSE, "taken")]
    async with listening(settings, "ENGINE", failing(*errors), may_move=True) as port:
        assert port == 7864


async def test_a_default_port_makes_no_way_for_an_engine_that_may_not_be_there() -> None:
    async with listening(given(ENGINE_PORT="5000"), "HTTP", failing(), may_move=True) as port:
        assert port == 5000


async def test_after_twenty_taken_ports_any_free_one_is_good() -> None:
    errors = [OSError(errno.EADDRINUSE, "taken") for _ in range(NEAR)]
    async with listening(Settings(http_port=5000), "HTTP", failing(*errors), may_move=True) as port:
        assert port == 12345


async def test_near_the_end_of_all_ports_it_tries_no_more_than_there_are() -> None:
    errors = [OSError(errno.EADDRINUSE, "taken")]
    async with listening(Settings(http_port=65535), "HTTP", failing(*errors), may_move=True) as port:
        assert port == 12345


@pytest.mark.parametrize(
    ("port", "why"), [("80", "ports below 1024 are the administrator's"), ("5000", "the system keeps it")]
)
async def test_a_port_that_is_not_allowed_is_not_called_taken(port: str, why: str) -> None:
    told = await refused(given(HTTP_PORT=port), failing(PermissionError(errno.EACCES, "denied")), exit_code=2)
    assert told.startswith(f"HTTP_PORT: {port} is not allowed: {why}")


async def test_a_default_port_that_the_system_keeps_moves() -> None:
    """As Windows does with ranges of ports, and 5000 may be in one."""
    errors = [PermissionError(errno.EACCES, "denied")]
    async with listening(Settings(http_port=5000), "HTTP", failing(*errors), may_move=True) as port:
        assert port == 5001


@pytest.mark.parametrize(("host", "exit_code"), [("192.0.2.1", 3), ("nowhere.invalid", 3), ("x" * 100, 2)])
async def test_a_host_that_is_not_here_is_an_error_that_names_it(host: str, exit_code: int) -> None:
    """It may come, as after a boot, unless it is none."""
    told = await refused(given(HTTP_HOST=host), server(host), may_move=True, exit_code=exit_code)
    assert told.startswith(f"HTTP_HOST: cannot listen on {host}: ")
    assert "\n" not in told


async def test_an_error_of_the_one_who_listens_is_not_taken_for_the_server_s() -> None:
    with pytest.raises(OSError, match="another matter"):
        async with listening(given(HTTP_PORT="0"), "HTTP", server("127.0.0.1")):
            raise OSError(errno.EADDRINUSE, "another matter")


@pytest.mark.parametrize(
    ("host", "opened"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),
        ("::", "[::1]"),
        ("::1", "[::1]"),
        ("localhost", "localhost"),
    ],
)
def test_where_a_host_can_be_reached_from_this_machine(host: str, opened: str) -> None:
    assert reachable(host) == opened

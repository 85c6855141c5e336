"""Whether there is an A1111 server, and what is said where none is, or where it does not let us in."""

import asyncio
import logging
import socket
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from core.backends import Unreachable
from core.backends.a1111 import A1111Backend, Found, discover, discovery, open_session
from core.errors import BackendError
from core.variables import BackendAddress
from tests.doubles.a1111 import NO_API, A1111Double
from tests.doubles.studio import studio
from tests.doubles.tls import own_certificate


async def test_a_server_that_is_away_is_unreachable_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("container", raising=False)
    async with studio() as it:
        await it.double.go_away()
        with pytest.raises(Unreachable, match="not reached"):
            await it.paint()
        assert (await it.backend.look()).problem == "not reached (connection refused)"
        await it.double.come_back()
        assert (await it.backend.look()).usable


class ThisMachine(AbstractResolver):
    """Every name is this machine's; before that it may have another address of IPv6."""

    def __init__(self, *others: str) -> None:
        self.others = others

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> list[ResolveResult]:
        found = [*((socket.AF_INET6, other) for other in self.others), (socket.AF_INET, "127.0.0.1")]
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=0)
            for kind, address in found
        ]

    async def close(self) -> None:
        pass


async def test_from_a_container_it_says_why_this_machine_is_not_reached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There 127.0.0.1 is the container itself, and A1111 listens for 127.0.0.1 alone unless it is told to."""
    monkeypatch.setenv("container", "oci")
    async with studio() as it:
        await it.double.go_away()
        said = (await it.backend.look()).problem
        assert "connection refused; in a container that is the container itself: name it host." in said
        url = it.double.url.replace("127.0.0.1", "host.docker.internal")
        connector = aiohttp.TCPConnector(resolver=ThisMachine())
        async with aiohttp.ClientSession(connector=connector) as session:
            backend = A1111Backend(BackendAddress(url), session, deployment="test")
            said = (await backend.look()).problem
            assert said == "not reached (connection refused; A1111 listens for containers with --listen)"


@pytest.mark.parametrize("others", [(), ("ff0e::1",)])
async def test_of_another_machine_it_says_why_nothing_may_listen_there(others: tuple[str, ...]) -> None:
    """A1111 is there and paints for its owner: with --api alone it listens for its own machine only.

    Also where its name has an address of IPv6, too, to which nothing leads from here.
    """
    async with studio() as it:
        await it.double.go_away()
        url = it.double.url.replace("127.0.0.1", "gpu")
        connector = aiohttp.TCPConnector(resolver=ThisMachine(*others))
        async with aiohttp.ClientSession(connector=connector) as session:
            backend = A1111Backend(BackendAddress(url), session, deployment="test")
            said = (await backend.look()).problem
            assert said == "not reached (connection refused; is it started with --listen?)"


class OfWindows(OSError):
    """As it is raised there: with a number of its own beside Python's, which is that of an odd argument."""

    winerror = 1231


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (ConnectionRefusedError(22, "The remote computer refused the network connection"), None),
        (OSError("Multiple exceptions: [WinError 1231] The network..., [WinError 1225] The remote..."), None),
        (OfWindows(22, "The network location cannot be reached"), "The network location cannot be reached"),
    ],
)
async def test_on_windows_too_it_says_why_a_server_is_not_reached(fault: OSError, said: str | None) -> None:
    """It was said to be an invalid argument."""

    def fail(_: Any) -> socket.socket:
        raise fault

    connector = aiohttp.TCPConnector(resolver=ThisMachine(), socket_factory=fail)
    async with aiohttp.ClientSession(connector=connector) as session:
        backend = A1111Backend(BackendAddress("http://gpu:7860"), session, deployment="test")
        said = said or "connection refused; is it started with --listen?"
        assert (await backend.look()).problem == f"not reached ({said})"


async def test_why_there_is_no_tls_with_a_server_is_said(tmp_path: Path) -> None:
    """Its address may be meant with http://, its certificate may be one of its owner's own making, or what
    speaks TLS there wants nothing of us: an alert (RFC 8446, 6) of a name that it has no certificate for.
    """

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65_536)
        writer.write(b"\x15\x03\x03\0\x02\x02\x70")
        writer.close()

    context, _ = await own_certificate(tmp_path)
    own = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    alert = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with own, alert, A1111Double() as double, open_session() as session:
        for port, problem in (
            (double.url.rpartition(":")[2], "it speaks no TLS: http:// may be meant"),
            (own.sockets[0].getsockname()[1], "its TLS certificate is not trusted here"),
            (alert.sockets[0].getsockname()[1], "TLS failed: tlsv1 unrecognized name"),
        ):
            backend = A1111Backend(BackendAddress(f"https://127.0.0.1:{port}"), session, deployment="test")
            assert (await backend.look()).problem == f"not reached ({problem})"


@pytest.mark.parametrize("words", ["error", "plain"])
async def test_a_server_whose_options_fail_by_its_own_words_paints_all_the_same(words: str) -> None:
    """Some versions of A1111, SD.Next and Forge answer so: a value in them does not fit their own model."""
    async with studio() as it:
        it.double.fault("/sdapi/v1/options", words)
        offer = await it.backend.look()
        assert offer.usable
        assert offer.models
        await it.paint()
        for status in (500, 502, 503, 504):
            it.double.fault("/sdapi/v1/options", status)
            assert not (await it.backend.look()).usable, "that is somebody else's word"
        it.double.heal()
        it.double.fault("/sdapi/v1/sd-models", words)
        assert not (await it.backend.look()).usable, "what it has must be known"


async def test_what_is_compressed_though_it_was_asked_not_to_be_is_never_unpacked() -> None:
    """Megabytes of it may become gigabytes."""
    async with studio() as it:
        it.double.fault("/", "gzip")
        told = "answers in gzip although it was asked not to compress"
        assert (await it.backend.look()).problem == told
        with pytest.raises(BackendError, match=f"{it.double.name}: {told}"):
            await it.paint()
        it.double.heal()
        assert (await it.backend.look()).usable
    async with open_session() as session:
        assert not session.auto_decompress, "it would begin before its head is looked at"


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system has no such limit")
async def test_a_host_that_vanished_while_its_connection_was_idle_is_noticed_within_a_minute() -> None:
    """A host that is gone can be had here only as root: so this reads what the system is told."""
    async with A1111Double() as double, open_session() as session:
        double.fault("/sdapi/v1/options", "endless")
        async with session.get(f"{double.url}/sdapi/v1/options") as response:
            assert response.connection is not None
            assert response.connection.transport is not None
            connection = response.connection.transport.get_extra_info("socket")
            assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000
            response.close()


async def test_a_system_that_knows_its_limits_by_name_alone_reaches_its_servers_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As WSL 1 does: Python has the name, and the kernel refuses it."""
    monkeypatch.setattr(socket, "TCP_USER_TIMEOUT", 9999, raising=False)
    async with studio() as it:
        assert (await it.backend.look()).usable


async def test_no_more_is_read_of_an_answer_than_it_can_need() -> None:
    """Else one server that is broken or hostile takes all of this process's memory, and its time."""
    async with studio() as it:
        with pytest.raises(
            BackendError, match=f"{it.double.name}: /sdapi/v1/txt2img answered more than 17 MB"
        ):
            await it.paint("/endless", width=64, height=64)
        with pytest.raises(BackendError, match="/sdapi/v1/txt2img answered more than 4 MB"):
            await it.paint("/endless-500")
        await it.double.until(lambda: it.double.cut_short == 1)
        for path, most in (("options", 4), ("sd-models", 4), ("samplers", 4), ("progress", 42)):
            it.double.fault(f"/sdapi/v1/{path}", "endless")
            problem = (await it.backend.look()).problem
            assert problem == f"/sdapi/v1/{path} answered more than {most} MB"
            it.double.heal()
        await it.double.until(lambda: it.double.cut_short == 5)
        assert (await it.backend.look()).usable


async def test_an_address_that_redirects_is_told_so() -> None:
    async with studio() as it, open_session() as session:
        it.double.fault("/", 301)
        assert "it redirects to another address" in (await it.backend.look()).problem
        assert await discover(session, it.double.url) is Found.OTHER


async def test_a_model_in_a_folder_that_shares_its_name_with_one_outside_is_painted() -> None:
    """A picture's info names both of them by the same name."""
    async with studio(models=("twin", "sdxl/twin")) as it:
        await it.backend.look()
        for name in ("sdxl_twin", "twin"):
            assert (await it.paint(model=name)).model == name


async def test_a_web_ui_without_its_api_is_told_how_to_start_it() -> None:
    async with studio(missing=NO_API) as it, open_session() as session:
        assert "start it with --api" in (await it.backend.look()).problem
        assert await discover(session, it.double.url) is Found.OTHER


@pytest.mark.parametrize(("fault", "status"), [("html", 200), ("page-404", 404), ("page-400", 400)])
async def test_a_page_of_somebody_else_is_not_taken_for_a_web_ui_without_its_api(
    fault: str, status: int
) -> None:
    """A tunnel warns with one, or says so that it is closed; a port for https:// answers http:// so."""
    async with studio() as it:
        it.double.fault("/", fault)
        problem = (await it.backend.look()).problem
        assert f"no A1111 (status {status}): another program, a tunnel or a proxy does" in problem
        assert "--api" not in problem


async def test_discovery_finds_an_api_or_nothing() -> None:
    async with studio() as it, open_session() as session:
        assert await discover(session, it.double.url) is Found.A1111
        await it.double.go_away()
        assert await discover(session, it.double.url) is Found.NOTHING


@pytest.mark.parametrize(
    ("answer", "found"), [(None, Found.SILENT), (b"", Found.OTHER), (b"SSH-2.0-x\r\n", Found.OTHER)]
)
async def test_discovery_tells_what_is_there_and_no_a1111(
    answer: bytes | None, found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What takes a connection and never answers, and what speaks something else."""
    monkeypatch.setattr(discovery, "SECONDS", 0.2 if answer is None else 10.0)
    monkeypatch.setattr(discovery, "KNOCK_SECONDS", 10.0)
    over = asyncio.Event()

    async def strange(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if answer is None:
            await over.wait()
        else:
            writer.write(answer)
        writer.close()

    other = await asyncio.start_server(strange, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{other.sockets[0].getsockname()[1]}"
    async with other, open_session() as session:
        assert await discover(session, url) is found
        over.set()


async def test_who_was_given_no_password_is_told_where_to_write_it() -> None:
    async with studio(credentials=("me", "s3cret")) as it:
        told = "wants a user and a password: SD_BACKENDS=http://user:password@..."
        assert (await it.backend.look()).problem == told
        with pytest.raises(BackendError, match="wants a user and a password"):
            await it.paint()


async def test_who_is_forbidden_everything_is_not_sent_to_look_for_a_password() -> None:
    """A proxy or a firewall answers so: A1111 itself says 401."""
    async with studio() as it, open_session() as session:
        it.double.fault("/", 403)
        assert (await it.backend.look()).problem == "answers 403: something before it forbids it"
        with pytest.raises(BackendError, match="answers 403") as caught:
            await it.paint()
        assert not isinstance(caught.value, Unreachable), "it would be tried for ever"
        assert await discover(session, it.double.url) is Found.OTHER


async def test_what_stands_in_front_of_a_server_that_was_well_takes_it_out_at_the_next_look() -> None:
    """Not only when its lists are read again, a minute later: until then it would fail all jobs."""
    async with studio() as it:
        assert (await it.backend.look()).usable
        it.double.fault("/", 403)
        assert (await it.backend.look()).problem == "answers 403: something before it forbids it"
        it.double.heal()
        assert (await it.backend.look()).usable


@pytest.mark.parametrize("fault", [403, "html", "page-404"])
async def test_a_server_that_something_stands_in_front_of_has_its_models_as_one_that_is_down(
    fault: int | str,
) -> None:
    """A page about maintenance, say. Beside another server jobs that named them were refused as unknown, and
    by it alone for a minute longer: no client tries again then.
    """
    async with studio() as it:
        before = await it.backend.look()
        it.double.fault("/", fault)
        offer = await it.backend.look()
        assert (offer.usable, offer.models, offer.samplers) == (False, before.models, before.samplers)
        it.double.heal()
        assert await it.backend.look() == before


async def test_credentials_let_us_in_and_appear_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with studio(credentials=("me", "s3cret"), user="me", password="s3cret") as it:
        assert (await it.backend.look()).usable
        await it.paint()
        said = [repr(it.backend.offer), it.backend.name]
        it.double.credentials = ("me", "changed")
        said.append((await it.backend.look()).problem)
        with pytest.raises(BackendError, match="refused our user and password") as caught:
            await it.paint()
        said += [repr(caught.value), repr(caught.value.__cause__), caplog.text]
        assert not any("s3cret" in text for text in said)

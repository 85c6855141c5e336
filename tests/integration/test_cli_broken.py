"""`sd-b64 imagine` when things break: connections, servers, and the patience of the one who waits."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest
from aiohttp import ClientSession
from yarl import URL

from cli import job
from cli.address import Address
from cli.display import Silence
from cli.failures import Failure
from cli.imagine import _painted
from cli.job import Job
from cli.server import reach
from cli.stopping import begun
from tests.doubles.a1111 import EVENT_WAIT, A1111Double, prompt_of
from tests.doubles.cli_fixture import PLAIN, UNSET, client, contents, environment, started, until
from tests.doubles.http_fixture import serving
from tests.doubles.relay import Relay
from tests.doubles.ws_fixture import serving as websockets_served
from tests.ports import free_port

Capture = pytest.CaptureFixture[str]
PROMPT = "a monkey with a hat"
STOPS = [signal.SIGINT, signal.SIGTERM]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client in an empty folder, with nothing set, that comes back at once."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for name in UNSET:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(job, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(job, "LONGEST_PAUSE", 0.05)


async def test_a_broken_connection_is_made_again_and_the_picture_is_painted_once(
    tmp_path: Path, capsys: Capture
) -> None:
    """Three times, and the server is not even told of it before the last."""
    async with serving(tmp_path) as served, Relay(served.port) as relay:
        served.double.hold(at=1)
        async with asyncio.TaskGroup() as group:
            mine = group.create_task(client("imagine", PROMPT, "-o", "out.png", "--server", relay.url))
            for count in range(1, 4):
                await served.double.until(lambda: served.double.active)
                await relay.until(count)
                relay.cut()
            await relay.until(4)
            served.double.release()
        assert mine.result() == 0
        assert len(served.double.paintings) == 1
        assert served.double.interrupts == []
    assert prompt_of(contents("out.png")) == PROMPT
    heard = capsys.readouterr()
    assert heard.out == "out.png\n"
    assert "the connection broke; trying again, the job is not lost" in heard.err


async def test_a_picture_that_was_finished_meanwhile_is_fetched(tmp_path: Path) -> None:
    """The server keeps it for the one who comes back."""
    async with serving(tmp_path) as served, Relay(served.port) as relay:
        served.double.hold(at=1)
        async with asyncio.TaskGroup() as group:
            mine = group.create_task(client("imagine", PROMPT, "-o", "out.png", "--server", relay.url))
            await served.double.until(lambda: served.double.active)
            await relay.until(1)
            await relay.refuse()
            served.double.release()
            await served.until_status(lambda words: words["running"] == 0)
            await relay.listen()
        assert mine.result() == 0
        assert len(served.double.paintings) == 1
    assert prompt_of(contents("out.png")) == PROMPT


async def test_a_job_that_failed_meanwhile_is_not_painted_again(tmp_path: Path, capsys: Capture) -> None:
    """Its failure is told, as if the connection had held."""
    async with serving(tmp_path) as served, Relay(served.port) as relay:
        served.double.hold(at=1)
        async with asyncio.TaskGroup() as group:
            mine = group.create_task(client("imagine", "a /fail-500", "--server", relay.url))
            await served.until_status(lambda words: words["running"] == 1)
            await relay.until(1)
            await relay.refuse()
            served.double.release()
            await served.until_status(lambda words: words["running"] == 0)
            await relay.listen()
        assert mine.result() == 1
        assert len(served.double.txt2img_requests) == 1
    assert "sd-b64: backend_error: " in capsys.readouterr().err


async def test_a_silent_connection_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that swallows everything breaks nothing by itself."""
    monkeypatch.setattr("cli.server.SILENCE_SECONDS", 0.3)
    async with serving(tmp_path) as served, Relay(served.port) as relay:
        served.double.hold(at=1)
        async with asyncio.TaskGroup() as group:
            mine = group.create_task(client("imagine", PROMPT, "-o", "out.png", "--server", relay.url))
            await served.double.until(lambda: served.double.active)
            relay.freeze()
            await relay.until(2)
            relay.thaw()
            served.double.release()
        assert mine.result() == 0
        assert len(served.double.paintings) == 1


async def test_what_is_no_such_server_is_told_at_once_though_it_hangs_up(capsys: Capture) -> None:
    """It speaks no HTTP."""

    async def ssh(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        await reader.read()
        writer.close()

    assert await at(ssh) == 3
    assert "is it an sd-b64-api server?" in capsys.readouterr().err


async def test_what_hangs_up_on_every_request_is_no_server_of_ours(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an https port does: it is not tried for a quarter of an hour, as a server is that has answered."""
    monkeypatch.setattr("cli.job.FIRST_PAUSE", 0.01)

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.close()

    assert await at(hang_up) == 3
    assert "hangs up on every request" in capsys.readouterr().err


async def at(program: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> int:
    """The client's exit code at a program that listens and is no server of ours."""
    async with await asyncio.start_server(program, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        return await client("imagine", PROMPT, "--server", f"http://127.0.0.1:{port}")


async def test_a_stream_that_breaks_before_its_first_event_is_a_break_like_any_other() -> None:
    """The server has the job by then, and paints it for the one who comes back."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    image = b'{"type":"image","id":"%s","image-base64":"QUFB","index":0,"count":1}' % (b"0" * 32)
    answers = iter([head, head + b"event: image\ndata: " + image + b"\n\n"])

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(next(answers))
        writer.close()

    assert await at(answer) == 0
    (path,) = os.listdir()
    assert contents(path) == b"AAA"


@pytest.mark.parametrize("command", [("imagine", PROMPT, "--patience=1"), ("status",)])
async def test_the_websockets_port_is_told_to_be_that(capsys: Capture, command: tuple[str, ...]) -> None:
    """Whether there is a body, which its library hangs up on, or none."""
    async with websockets_served() as served:
        code = await client(*command, "--server", f"http://127.0.0.1:{served.port}")
    assert code == 3
    assert "is a websocket's port, and HTTP has another one" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("closed", ["1", "2"])
async def test_a_stream_that_is_closed_from_the_start_is_not_missed(tmp_path: Path, closed: str) -> None:
    """As some daemons start programs."""
    async with serving(tmp_path) as served:
        arguments = ("imagine", PROMPT, "-o", "out.png")
        async with started(tmp_path, served.url, *arguments, program=without(closed)) as process:
            assert await process.wait() == 0
    assert prompt_of(contents(tmp_path / "out.png")) == PROMPT


@pytest.mark.slow
async def test_a_picture_for_a_stream_that_is_closed_is_not_even_painted(tmp_path: Path) -> None:
    """It would be gone, and the exit code 0."""
    async with serving(tmp_path) as served:
        arguments = ("imagine", PROMPT, "-o", "-")
        async with started(tmp_path, served.url, *arguments, program=without("1")) as process:
            _, said = await process.communicate()
        assert served.double.txt2img_requests == []
    assert (process.returncode, said) == (1, b"sd-b64: unwritable: standard output is closed\n")


def without(stream: str) -> str:
    """The program that starts the client with this stream closed."""
    anew = f"[sys.executable, '-c', {PLAIN!r}, *sys.argv[1:]]"
    return f"import os, sys; os.close({stream}); os.execv(sys.executable, {anew})"


async def test_patience_ends(tmp_path: Path, capsys: Capture) -> None:
    """Then it is exit code 3, and the job goes on at the server."""
    async with serving(tmp_path) as served, Relay(served.port) as relay:
        served.double.hold(at=1)
        async with asyncio.TaskGroup() as group:
            mine = group.create_task(client("imagine", PROMPT, "--patience=0.2", "--server", relay.url))
            await served.double.until(lambda: served.double.active)
            await relay.until(1)
            await relay.refuse()
        assert mine.result() == 3
        assert served.double.active is not None
    assert f"sd-b64: unreachable: {relay.url} is not reached: " in capsys.readouterr().err
    assert os.listdir() == []


@pytest.mark.slow
async def test_a_server_that_is_killed_and_started_again_paints_the_picture(tmp_path: Path) -> None:
    """It has forgotten the job, so it is asked anew; the one who waits sees nothing but a pause."""
    port = free_port()
    async with A1111Double() as double:
        double.hold(at=1)
        url = f"http://127.0.0.1:{port}"
        async with http_server(tmp_path, double, port) as first, asyncio.TaskGroup() as group:
            mine = group.create_task(client("imagine", PROMPT, "-o", "out.png", "--server", url))
            await double.until(lambda: double.active)
            first.kill()
            await first.wait()
            double.release()
            async with http_server(tmp_path, double, port):
                assert await mine == 0
    assert prompt_of(contents("out.png")) == PROMPT


@pytest.mark.slow
async def test_a_server_that_shuts_down_is_waited_for(tmp_path: Path) -> None:
    """A job that it could not begin any more is told `shutting_down`; that is no end for who waits."""
    double = A1111Double()
    double.hold(at=1)
    async with Relay() as relay, asyncio.TaskGroup() as group:
        async with serving(tmp_path, double=double, shutdown_grace=0.1) as served:
            relay.target = served.port
            await served.get("/text", input="first", headers={"Prefer": "respond-async"})
            await double.until(lambda: double.active)
            mine = group.create_task(client("imagine", PROMPT, "-o", "out.png", "--server", relay.url))
            await served.until_status(lambda words: words["waiting"] == 1)
            await served.gateway.drain(0.1)
        double.release()
        async with serving(tmp_path, double=double) as served:
            relay.target = served.port
            assert await mine == 0
    assert prompt_of(contents("out.png")) == PROMPT


async def test_a_job_that_a_server_leaves_to_others_can_be_cancelled_meanwhile(tmp_path: Path) -> None:
    """On a shared queue it lives on, and another front end would have it painted."""
    double, lost = A1111Double(), asyncio.Event()
    double.hold(at=1)
    async with serving(tmp_path, double=double) as served, reach(Address(URL(served.url))) as server:
        wanted = {"input": PROMPT}
        job = Job(server, wanted, told=lambda _: None, lost=lambda *_: lost.set(), patience=60)
        async with begun(job.pictures()):
            await double.until(lambda: double.active)
            await served.gateway.drain(0.0)
            await lost.wait()
        asked = AsyncMock(side_effect=server.ask)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(server, "ask", asked)
            await job.cancel()
        asked.assert_awaited_once_with("DELETE", f"/jobs/{job.id}")
        double.release()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of this kind are Unix's")
@pytest.mark.parametrize("stop", STOPS)
async def test_a_signal_cancels_the_job_that_runs(tmp_path: Path, stop: signal.Signals) -> None:
    """The painter is interrupted, and the exit code is 130."""
    async with serving(tmp_path) as served, started(tmp_path, served.url, "imagine", PROMPT) as process:
        served.double.hold(at=1)
        await served.double.until(lambda: served.double.active)
        process.send_signal(stop)
        out, said = await process.communicate()
        assert (process.returncode, out) == (130, b"")
        assert said.endswith(b"sd-b64: interrupted: the job is cancelled\n")
        await served.double.until(lambda: served.double.interrupts)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of this kind are Unix's")
@pytest.mark.parametrize(
    ("moment", "stop"),
    [("cli.imagine", "SIGINT"), ("cli.imagine", "SIGTERM"), ("cli.imagine", "SIGHUP"), ("", "SIGINT")],
)
async def test_a_signal_while_the_client_loads_ends_it_without_a_word(
    tmp_path: Path, moment: str, stop: str
) -> None:
    """It has nothing to cancel yet."""
    async with started(tmp_path, "", "imagine", PROMPT, program=stopped(moment, stop)) as process:
        heard = await process.communicate()
    assert (process.returncode, *heard) == (130, b"", b"")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of this kind are Unix's")
async def test_who_ignores_a_closed_terminal_ignores_it_while_loading(tmp_path: Path) -> None:
    """As `nohup` has it."""
    ignoring = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    program = ignoring + stopped("cli.imagine", "SIGHUP")
    async with serving(tmp_path) as served:
        arguments = ("imagine", PROMPT, "-o", "out.png")
        async with started(tmp_path, served.url, *arguments, program=program) as process:
            assert await process.wait() == 0
    assert prompt_of(contents(tmp_path / "out.png")) == PROMPT


def stopped(moment: str, stop: str) -> str:
    """The program that is sent a signal when it begins to load this module, or to read its command line."""
    return f"""
import os, signal, sys
import cli.__main__

class Stopping:
    def find_spec(name, path, target=None):
        if name == {moment!r}:
            os.kill(os.getpid(), signal.{stop})

def read():
    os.kill(os.getpid(), signal.{stop})
    return parser()

sys.meta_path.insert(0, Stopping)
parser = cli.__main__.parser
if not {moment!r}:
    cli.__main__.parser = read
cli.__main__.main()
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of this kind are Unix's")
async def test_a_signal_cancels_the_job_that_waits(tmp_path: Path) -> None:
    """It never reaches the painter."""
    async with serving(tmp_path) as served:
        served.double.hold(at=1)
        async with asyncio.TaskGroup() as group:
            group.create_task(served.get("/text", input="first"))
            await served.double.until(lambda: served.double.active)
            async with started(tmp_path, served.url, "imagine", PROMPT) as process:
                await served.until_status(lambda words: words["waiting"] == 1)
                process.send_signal(signal.SIGINT)
                assert await process.wait() == 130
            assert (await served.get("/status")).json["waiting"] == 0
            served.double.release()
        assert [painting.prompt for painting in served.double.paintings] == ["first"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of this kind are Unix's")
async def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    """Also where the server does not answer the cancel."""
    async with serving(tmp_path) as served, Relay(served.port) as relay:
        served.double.hold(at=1)
        async with started(tmp_path, relay.url, "imagine", PROMPT) as process:
            await until(process.stderr, b"painting on")
            relay.freeze()
            process.send_signal(signal.SIGINT)
            await relay.until(2)
            process.send_signal(signal.SIGINT)
            assert await process.wait() == -signal.SIGINT
        served.double.release()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of this kind are Unix's")
@pytest.mark.parametrize("stop", STOPS)
async def test_a_signal_ends_a_save_that_does_not_end_by_itself(tmp_path: Path, stop: signal.Signals) -> None:
    """As into a pipe that nobody reads any more. No job is left to cancel, and the picture is not lost."""
    os.mkfifo("pipe")
    pipe = os.open("pipe", os.O_RDONLY | os.O_NONBLOCK)
    being_written = asyncio.Event()
    asyncio.get_running_loop().add_reader(pipe, being_written.set)
    try:
        async with (
            serving(tmp_path) as served,
            started(Path.cwd(), served.url, "imagine", "a /kb-450", "-q", "-o", "pipe") as process,
        ):
            await being_written.wait()
            process.send_signal(stop)
            out, said = await process.communicate()
            assert (process.returncode, out) == (130, b"")
            assert said.startswith(b"sd-b64: interrupted: saving was cut off; the server keeps ")
            async with ClientSession() as session, session.get(said.decode().split()[-1]) as answer:
                assert prompt_of(await answer.read()) == "a /kb-450"
    finally:
        asyncio.get_running_loop().remove_reader(pipe)
        os.close(pipe)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of this kind are Unix's")
async def test_a_cancel_that_comes_too_late_says_where_the_picture_is(tmp_path: Path) -> None:
    """It was on its way to the client by then."""
    async with serving(tmp_path) as served, Relay(served.port) as relay:
        served.double.hold(at=1)
        async with started(tmp_path, relay.url, "imagine", PROMPT) as process:
            await until(process.stderr, b"painting on")
            relay.freeze()
            served.double.release()
            await served.until_status(lambda words: words["running"] == 0)
            process.send_signal(signal.SIGINT)
            await relay.until(2)
            relay.thaw()
            _, said = await process.communicate()
        assert process.returncode == 130
        assert b"sd-b64: interrupted: the picture was painted by then; the server keeps it" in said
        async with ClientSession() as session, session.get(said.decode().split()[-1]) as answer:
            assert prompt_of(await answer.read()) == PROMPT


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of this kind are Unix's")
async def test_a_cancel_that_reaches_nobody_says_so(tmp_path: Path) -> None:
    """With the job's id, for whoever wants to end it by hand."""
    async with serving(tmp_path) as served, Relay(served.port) as relay:
        served.double.hold(at=1)
        async with started(tmp_path, relay.url, "imagine", PROMPT) as process:
            await until(process.stderr, b"painting on")
            await relay.refuse()
            await until(process.stderr, b"trying again")
            process.send_signal(signal.SIGINT)
            _, said = await process.communicate()
            assert process.returncode == 130
            assert b"may go on, its server was not told: unreachable" in said
        served.double.release()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of this kind are Unix's")
async def test_a_signal_before_the_server_has_answered_claims_no_cancel(tmp_path: Path) -> None:
    """It may have the job, and goes on with it: a client with a key may come back."""
    program = f"import cli.imagine; cli.imagine.ID_SECONDS = 0.1\n{PLAIN}"
    async with serving(tmp_path) as served, Relay(served.port) as relay:
        relay.freeze()
        async with started(tmp_path, relay.url, "imagine", PROMPT, program=program) as process:
            await relay.until(1)
            process.send_signal(signal.SIGINT)
            _, said = await process.communicate()
    assert process.returncode == 130
    assert said.startswith(b"sd-b64: interrupted: the job may go on, its server was not told: connection_")


async def test_a_signal_while_the_server_is_looked_for_has_nothing_to_wait_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing was sent, so no job goes on: there is nobody to tell, and nobody's answer to wait for."""
    monkeypatch.setattr("cli.imagine.ID_SECONDS", 3600.0)
    looked_for, stop = asyncio.Event(), asyncio.Event()

    async def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        looked_for.set()
        await asyncio.Future()
        return []

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    async with reach(Address(URL("http://gpu.example:5000"))) as server:
        job = Job(server, {"input": PROMPT}, told=lambda _: None, lost=lambda *_: None, patience=60)
        async with begun(_painted(job, Silence(), stop)) as painting, asyncio.timeout(EVENT_WAIT):
            await looked_for.wait()
            stop.set()
            with pytest.raises(Failure, match=r"^interrupted: the job is cancelled$"):
                await painting


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of this kind are Unix's")
@pytest.mark.parametrize("url", ["http://gpu.example:5000", ""])
@pytest.mark.parametrize("command", [("imagine", PROMPT), ("status",), ("status", "--watch")])
async def test_a_name_server_that_does_not_answer_holds_up_no_end(
    tmp_path: Path, command: tuple[str, ...], url: str
) -> None:
    """The thread that asks it cannot be cut off, nor can this one where HTTP_HOST is looked up."""
    program = f"""
import os, socket, threading

def look_up(*_, **__):
    os.write(1, b"?")
    threading.Event().wait()

socket.getaddrinfo = look_up
{PLAIN}"""
    async with started(tmp_path, url, *command, program=program, HTTP_HOST="gpu.example") as process:
        assert process.stdout is not None
        assert await process.stdout.read(1) == b"?"
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == (0 if url and "--watch" in command else 130)


@asynccontextmanager
async def http_server(folder: Path, double: A1111Double, port: int) -> AsyncIterator[Process]:
    """`python -m httpserver` as a process of its own; entered once it answers."""
    environ = environment("", SD_BACKENDS=double.url, HTTP_PORT=str(port), PROMPT_FILE="")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "httpserver"), cwd=folder, env=environ, stdout=PIPE, stderr=DEVNULL
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            assert b"HTTP on" in await process.stdout.readline()
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()

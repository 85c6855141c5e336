"""`sd-b64 serve` as a process: what it says, the first picture, how it stops, and what it refuses."""

import asyncio
import os
import re
import shutil
import signal
import socket
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

from tests.doubles.a1111 import A1111Double
from tests.doubles.program import USUAL_IS, WITHOUT_A1111, Program, program
from tests.doubles.relay import Relay
from tests.ports import free_port
from tests.valkey_server import ValkeyServer

WITHOUT_UVLOOP = "import sys; sys.modules['uvloop'] = None\n" + WITHOUT_A1111
AS_ON_WINDOWS = (
    """
import asyncio, sys
sys.modules["uvloop"] = None
def refuse(*_):
    raise NotImplementedError
asyncio.SelectorEventLoop.add_signal_handler = refuse
asyncio.SelectorEventLoop.remove_signal_handler = refuse
"""
    + WITHOUT_A1111
)
LOOKS_FOR = """
import aiohttp, cli.serve
from core.backends.a1111 import client
client.ASKING = aiohttp.ClientTimeout(total=60)
cli.serve.FIRST_LOOKS = %d
from cli.__main__ import main; main()
"""
"""`serve`, which waits so many seconds for its first looks, and longer for the answer of one that is silent.

Its own two seconds are few for a test: a machine may stand still for longer.
"""


@asynccontextmanager
async def _serve(folder: Path, text: str = WITHOUT_A1111, **environ: str) -> AsyncIterator[Program]:
    """`serve`, working in an empty folder."""
    async with program(folder, "-c", text, "serve", **environ) as serve:
        yield serve


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(WITHOUT_A1111, id="plain"),
        pytest.param(WITHOUT_UVLOOP, id="no uvloop", marks=pytest.mark.slow),
        pytest.param(AS_ON_WINDOWS, id="windows", marks=pytest.mark.slow),
    ],
)
async def test_it_starts_paints_and_stops(tmp_path: Path, text: str) -> None:
    """Its link gives a picture of the built-in engine, a signal ends it with 0, the prompt is written."""
    async with _serve(tmp_path, text, HTTP_PORT="0", WS_PORT="0") as serve:
        said = await serve.says("SD_BACKENDS=")
        assert "demo painter" in said
        assert "curl" in said
        link = re.search(r"http://127\.0\.0\.1:\d+/image\?input=\S+", said)
        assert link is not None
        async with aiohttp.ClientSession() as session, session.get(link[0] + "&steps=3") as answer:
            assert answer.status == 200
            assert (await answer.read()).startswith(b"\x89PNG")
        serve.signal(signal.SIGTERM)
        code, said = await serve.ends()
        assert (code, "stopping" in said) == (0, True)
    assert (tmp_path / "prompt.txt").read_text() == "a monkey with a hat"


async def _until_ready(session: aiohttp.ClientSession, link: str) -> None:
    """Wait until a process has heard of a server that can paint: up to a second on a shared queue."""
    async with asyncio.timeout(10):
        while True:
            async with session.get(link.partition("/image")[0] + "/readyz") as answer:
                if answer.status == 200:
                    return
            await asyncio.sleep(0.02)


async def _until_listening(port: int) -> None:
    """Wait until somebody takes connections there."""
    async with asyncio.timeout(20):
        while True:
            with suppress(ConnectionRefusedError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.02)


@pytest.mark.slow
async def test_with_a_shared_queue_it_paints_for_all_who_are_on_it(tmp_path: Path) -> None:
    """One process with a GPU, one without: each of them answers."""
    ports = {"HTTP_PORT": "0", "WS_PORT": "0"}
    async with ValkeyServer() as valkey, A1111Double() as double:
        shared = {**ports, "REDIS_URL": valkey.url}
        painter = _serve(tmp_path, SD_BACKENDS=double.url, **shared)
        async with painter as first, _serve(tmp_path, **shared) as second, aiohttp.ClientSession() as session:
            for serve in (first, second):
                said = await serve.says("or  .*curl")
                if serve is first and ": ready" not in said:
                    await first.says(": ready")
                link = re.search(r"http://127\.0\.0\.1:\d+/image\?input=\S+", said)
                assert link is not None
                await _until_ready(session, link[0])
                async with session.get(link[0]) as answer:
                    body = await answer.read()
                    assert body.startswith(b"\x89PNG"), body
            for serve in (second, first):
                serve.signal(signal.SIGTERM)
                assert (await serve.ends())[0] == 0
    assert len(double.paintings) == 2


@pytest.mark.slow
async def test_with_a_shared_queue_no_picture_is_begun_while_others_are_waited_for(tmp_path: Path) -> None:
    """Each server is free for others as soon as its picture is done."""
    async with ValkeyServer() as valkey, A1111Double() as long, A1111Double() as short:
        environ = {"HTTP_PORT": "0", "WS_PORT": "0", "REDIS_URL": valkey.url, "SHUTDOWN_GRACE": "3600"}
        for double in (long, short):
            double.hold(at=1)
        async with (
            _serve(tmp_path, SD_BACKENDS=f"{long.url},{short.url}", **environ) as serve,
            aiohttp.ClientSession() as session,
        ):
            link = re.findall(r"http://127\.0\.0\.1:\d+/", await serve.says("click "))[0]
            async with asyncio.TaskGroup() as group:
                answers = [group.create_task(_get(session, link + "text?input=last")) for _ in range(2)]
                await long.until(lambda: long.active)
                await short.until(lambda: short.active)
                serve.signal(signal.SIGTERM)
                await serve.says("stopping")
                short.release()
                await serve.says(f"{short.url.rpartition(':')[2]}: let go of")
                assert long.active
                long.release()
            assert all('"image-base64"' in answer.result() for answer in answers)
            assert (await serve.ends())[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("silent_too", "seconds"),
    [
        pytest.param(False, 30, id="all answer"),
        pytest.param(True, 4, id="one is silent", marks=pytest.mark.slow),
    ],
)
async def test_with_a_shared_queue_it_says_how_the_servers_are_that_it_is_to_use(
    tmp_path: Path, silent_too: bool, seconds: int
) -> None:
    """One that paints, one that is down; and one that is silent for longer than the start waits for it."""
    async with ValkeyServer() as valkey, A1111Double() as double, Relay() as silent:
        async with A1111Double() as down:
            pass
        silent.target = int(double.url.rpartition(":")[2])
        silent.freeze()
        urls = [double.url, down.url, *([silent.url] if silent_too else [])]
        environ = {"HTTP_PORT": "0", "WS_PORT": "0", "REDIS_URL": valkey.url, "SD_BACKENDS": ",".join(urls)}
        async with _serve(tmp_path, LOOKS_FOR % seconds, **environ) as serve:
            said = await serve.says("on the shared queue")
        names = [url.replace("http://127.0.0.1", socket.gethostname()) for url in urls]
    told = {line.removeprefix("  paints").strip() for line in said.splitlines()}
    assert f"{names[0]}, model alpha" in told
    assert f"{names[1]}: not reached (connection refused)" in told
    assert not silent_too or f"{names[2]}: not looked at yet" in told


@pytest.mark.slow
async def test_a_shared_queue_that_goes_away_as_it_starts_is_waited_for(tmp_path: Path) -> None:
    """It listens by then; here a server that is silent holds up its first words."""
    port = free_port()
    async with ValkeyServer() as valkey, A1111Double() as double, Relay() as silent:
        silent.target = int(double.url.rpartition(":")[2])
        silent.freeze()
        environ = {"HTTP_PORT": str(port), "WS_PORT": "0", "REDIS_URL": valkey.url, "SD_BACKENDS": silent.url}
        async with _serve(tmp_path, LOOKS_FOR % 4, **environ) as serve, aiohttp.ClientSession() as session:
            await _until_listening(port)
            valkey.kill()
            said = await serve.says("on the shared queue")
            assert "not looked at yet" in said
            await valkey.start()
            silent.thaw()
            await _until_ready(session, f"http://127.0.0.1:{port}")
            serve.signal(signal.SIGTERM)
            assert (await serve.ends())[0] == 0


@pytest.mark.slow
async def test_a_taken_default_port_moves_loudly_and_a_set_one_is_an_error(tmp_path: Path) -> None:
    """macOS holds 5000; whoever set a port wants that one or to be told."""
    try:
        other = socket.create_server(("127.0.0.1", 5000))
    except OSError:
        pytest.skip("port 5000 is another program's, which may let go of it at any moment")
    with other:
        async with A1111Double() as double, _serve(tmp_path, SD_BACKENDS=double.url, WS_PORT="0") as first:
            said = await first.says("click ")
            moved = re.search(r"HTTP_PORT: 5000 is taken by another program, so it is (\d+)", said)
            assert moved is not None
            port = re.findall(r":(\d+)/image", said)[0]
            assert port == moved[1] != "5000"
            async with _serve(tmp_path, SD_BACKENDS=double.url, HTTP_PORT=port, WS_PORT="0") as second:
                code, said = await second.ends()
                assert (code, f"HTTP_PORT: {port} is taken" in said) == (3, True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environ", "line"),
    [
        ({"HTTP_PORT": "many"}, "HTTP_PORT: a whole number from 0 to 65535 is wanted"),
        ({"SD_BACKENDS": "127.0.0.1:7860"}, "SD_BACKENDS: comma-separated addresses are wanted"),
        ({"HTTP_HOST": "0.0.0.0"}, "HTTP_HOST: 0.0.0.0 can be reached from other machines: set API_KEY"),
        ({"BIND": "0.0.0.0"}, "BIND: 0.0.0.0 can be reached from other machines: set API_KEY"),
    ],
)
async def test_a_wrong_setting_is_one_line_and_exit_code_2(
    tmp_path: Path, environ: dict[str, str], line: str
) -> None:
    """The line names the variable and what would be right."""
    async with _serve(tmp_path, **environ) as serve:
        code, said = await serve.ends()
        assert said.startswith(f"sd-b64: {line}")
        assert (code, said.count("\n")) == (2, 1)


@pytest.mark.slow
async def test_a_configured_server_that_is_down_is_shown_and_no_demo_steps_in(tmp_path: Path) -> None:
    """New work is refused with `no_backend` until it is there."""
    async with A1111Double() as double:
        gone = double.url
    async with _serve(tmp_path, SD_BACKENDS=gone, HTTP_PORT="0", WS_PORT="0") as serve:
        said = await serve.says("click ")
        assert "demo" not in said
        assert "not reached" in said
        link = re.findall(r"http://127\.0\.0\.1:\d+/", said)[0]
        async with aiohttp.ClientSession() as session, session.get(link + "text?input=x") as answer:
            assert answer.status == 503
            assert (await answer.json(content_type=None))["code"] == "no_backend"


@pytest.mark.slow
@pytest.mark.parametrize("beside", [False, True])
async def test_a_server_that_comes_later_paints_in_place_of_the_demo(tmp_path: Path, beside: bool) -> None:
    """After a boot it may be ready later than this; also where the demo has its port on another address."""
    port = free_port()
    usual = f"http://127.0.0.1:{port}"
    engine = {"ENGINE_HOST": "127.0.0.2", "ENGINE_PORT": str(port)} if beside else {}
    later = f"import cli.serve\ncli.serve.LOOK_FOR, cli.serve.USUAL = 0.05, {usual!r}\n" + USUAL_IS % usual
    async with _serve(tmp_path, later, HTTP_PORT="0", WS_PORT="0", **engine) as serve:
        said = await serve.says("SD_BACKENDS=")
        assert "demo painter" in said
        link = re.findall(r"http://127\.0\.0\.1:\d+/", said)[0]
        async with (
            A1111Double(port=port) as double,
            aiohttp.ClientSession() as session,
        ):
            await serve.says(f"{double.name} paints from now on")
            assert '"demo":false' in await _get(session, link + "catalog")
            assert f'"backend":"{double.name}"' in await _get(session, link + "text?input=real")
        serve.signal(signal.SIGTERM)
        assert (await serve.ends())[0] == 0


@pytest.mark.slow
async def test_a_demo_on_the_usual_port_is_not_taken_for_a_server_that_comes(tmp_path: Path) -> None:
    """It would take its own place, and nothing would paint until it is looked at again."""
    port = free_port()
    usual = f"http://127.0.0.1:{port}"
    at_once = f"import cli.serve\ncli.serve.LOOK_FOR, cli.serve.USUAL = 0, {usual!r}\n" + USUAL_IS % usual
    async with _serve(tmp_path, at_once, HTTP_PORT="0", WS_PORT="0", ENGINE_PORT=str(port)) as serve:
        said = await serve.says("SD_BACKENDS=")
        link = re.findall(r"http://127\.0\.0\.1:\d+/", said)[0]
        async with aiohttp.ClientSession() as session:
            for _ in range(2):
                assert f'"backend":"127.0.0.1:{port}"' in await _get(session, link + "text?input=demo")
        serve.signal(signal.SIGTERM)
        code, more = await serve.ends()
    assert code == 0
    for word in ("paints from now on", "none of our jobs"):
        assert word not in said + more


async def test_a_running_picture_is_delivered_before_it_stops(tmp_path: Path) -> None:
    """SIGTERM refuses new work and lets what runs end."""
    async with A1111Double() as double:
        double.hold(at=1)
        async with _serve(tmp_path, SD_BACKENDS=double.url, HTTP_PORT="0", WS_PORT="0") as serve:
            link = re.findall(r"http://127\.0\.0\.1:\d+/", await serve.says("click "))[0]
            async with aiohttp.ClientSession() as session:
                async with asyncio.TaskGroup() as group:
                    answer = group.create_task(_get(session, link + "text?input=last"))
                    await double.until(lambda: double.active)
                    serve.signal(signal.SIGTERM)
                    await serve.says("stopping")
                    double.release()
                assert '"image-base64"' in answer.result()
            assert (await serve.ends())[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
async def test_a_running_picture_is_delivered_though_nobody_reads_what_it_says(
    tmp_path: Path, stop: signal.Signals
) -> None:
    """As with `| tee`, which hears the same Ctrl-C and ends first."""
    async with A1111Double() as double:
        double.hold(at=1)
        async with _serve(tmp_path, SD_BACKENDS=double.url, HTTP_PORT="0", WS_PORT="0") as serve:
            link = re.findall(r"http://127\.0\.0\.1:\d+/", await serve.says("click "))[0]
            serve.close_output()
            async with aiohttp.ClientSession() as session:
                async with asyncio.TaskGroup() as group:
                    answer = group.create_task(_get(session, link + "text?input=last"))
                    await double.until(lambda: double.active)
                    waits = group.create_task(_get(session, link + "text?input=waits"))
                    await _until_waiting(session, link)
                    serve.signal(stop)
                    assert "shutting_down" in await waits
                    double.release()
                assert '"image-base64"' in answer.result()
            assert await serve.process.wait() == 0


async def _until_waiting(session: aiohttp.ClientSession, link: str) -> None:
    """Until a job waits behind the one that is painted."""
    async with asyncio.timeout(10):
        while '"waiting":1' not in await _get(session, link + "status"):
            pass


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not here")
async def test_the_command_that_it_prints_gives_a_picture_or_an_error(tmp_path: Path) -> None:
    """As it stands, with a key in the place of YOUR_KEY: a wrong one leaves no monkey.png behind."""
    async with (
        A1111Double() as double,
        _serve(tmp_path, SD_BACKENDS=double.url, HTTP_PORT="0", WS_PORT="0", API_KEY="s3cret") as serve,
    ):
        line = (await serve.says("curl")).splitlines()[-1].removeprefix("  or").strip()
        code, said = await _in_a_shell(tmp_path, line)
        assert (code, "401" in said) == (22, True)
        assert not (tmp_path / "monkey.png").exists()
        assert await _in_a_shell(tmp_path, line.replace("YOUR_KEY", "s3cret")) == (0, "")
        assert (tmp_path / "monkey.png").read_bytes().startswith(b"\x89PNG")


async def _in_a_shell(folder: Path, line: str) -> tuple[int | None, str]:
    """Run a command as a person would, past any proxy of the machine; its exit code and what it says."""
    environ = os.environ | {"no_proxy": "*"}  # curl reads it before NO_PROXY
    process = await asyncio.create_subprocess_shell(line, cwd=folder, env=environ, stdout=PIPE, stderr=STDOUT)
    said, _ = await process.communicate()
    return process.returncode, said.decode()


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
async def test_a_name_that_the_terminals_letters_lack_is_shown_all_the_same(
    tmp_path: Path, encoding: str
) -> None:
    """A redirected output on Windows, say."""
    async with (
        A1111Double(models=("国风3",)) as double,
        _serve(
            tmp_path, SD_BACKENDS=double.url, HTTP_PORT="0", WS_PORT="0", PYTHONIOENCODING=encoding
        ) as serve,
    ):
        assert r"model \u56fd\u98ce3" in await serve.says("curl")


async def _get(session: aiohttp.ClientSession, link: str) -> str:
    async with session.get(link) as answer:
        return await answer.text()

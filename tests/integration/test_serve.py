"""`sd-b64 serve` as a process: what it says, the first picture, how it stops, and what it refuses."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.doubles.a1111 import A1111Double

PLAIN = "from cli.__main__ import main; main()"
WITHOUT_UVLOOP = "import sys; sys.modules['uvloop'] = None\n" + PLAIN
AS_ON_WINDOWS = (
    """
import asyncio, sys
sys.modules["uvloop"] = None
def refuse(*_):
    raise NotImplementedError
asyncio.SelectorEventLoop.add_signal_handler = refuse
asyncio.SelectorEventLoop.remove_signal_handler = refuse
"""
    + PLAIN
)
UNSET = ("SD_BACKENDS", "HTTP_PORT", "WS_PORT", "ENGINE_PORT", "API_KEY", "BIND", "ALLOW_ANONYMOUS")


@asynccontextmanager
async def _serve(
    folder: Path, program: str = PLAIN, **environ: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The process, working in an empty folder."""
    inherited = {name: value for name, value in os.environ.items() if name not in UNSET}
    root = str(Path(__file__).parents[2])
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, "serve"),
        cwd=folder,
        env={**inherited, "PYTHONPATH": root, "ENGINE_STEP_SECONDS": "0.01", **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(40):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _read_until(process: asyncio.subprocess.Process, pattern: str) -> str:
    """What it prints, up to a line in which the pattern is found."""
    assert process.stdout is not None
    text = ""
    while line := (await process.stdout.readline()).decode():
        text += line
        if re.search(pattern, line):
            return text
    raise AssertionError(f"it ended without {pattern!r}:\n{text}")


async def _rest(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.read()).decode()


@pytest.mark.parametrize(
    "program", [PLAIN, WITHOUT_UVLOOP, AS_ON_WINDOWS], ids=["plain", "no uvloop", "windows"]
)
async def test_it_starts_paints_and_stops(tmp_path: Path, program: str) -> None:
    """Its link gives a picture of the built-in engine, a signal ends it with 0, the prompt is written."""
    async with _serve(tmp_path, program, HTTP_PORT="0", WS_PORT="0") as process:
        said = await _read_until(process, "SD_BACKENDS=")
        assert "demo painter" in said
        assert "curl" in said
        link = re.search(r"http://127\.0\.0\.1:\d+/image\?input=\S+", said)
        assert link is not None
        async with aiohttp.ClientSession() as session, session.get(link[0] + "&steps=3") as answer:
            assert answer.status == 200
            assert (await answer.read()).startswith(b"\x89PNG")
        process.send_signal(signal.SIGTERM)
        assert "stopping" in await _rest(process)
        assert await process.wait() == 0
    assert (tmp_path / "prompt.txt").read_text() == "a monkey with a hat"


async def test_a_taken_default_port_moves_loudly_and_a_set_one_is_an_error(tmp_path: Path) -> None:
    """macOS holds 5000; whoever set a port wants that one or to be told."""
    async with A1111Double() as double, _serve(tmp_path, SD_BACKENDS=double.url, WS_PORT="0") as first:
        said = await _read_until(first, "click ")
        port = re.findall(r":(\d+)/image", said)[0]
        async with _serve(tmp_path, SD_BACKENDS=double.url, HTTP_PORT=port, WS_PORT="0") as second:
            assert f"HTTP_PORT: {port} is taken" in await _rest(second)
            assert await second.wait() == 2
        async with _serve(tmp_path, SD_BACKENDS=double.url, WS_PORT="0") as third:
            said = await _read_until(third, "click ")
            assert f"HTTP_PORT is {int(port) + 1}" in said or f"port {port} is taken" in said


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
    async with _serve(tmp_path, **environ) as process:
        said = await _rest(process)
        assert said.startswith(f"sd-b64: {line}")
        assert said.count("\n") == 1
        assert await process.wait() == 2


async def test_a_configured_server_that_is_down_is_shown_and_no_demo_steps_in(tmp_path: Path) -> None:
    """New work is refused with `no_backend` until it is there."""
    async with A1111Double() as double:
        gone = double.url
    async with _serve(tmp_path, SD_BACKENDS=gone, HTTP_PORT="0", WS_PORT="0") as process:
        said = await _read_until(process, "click ")
        assert "demo" not in said
        assert "not reached" in said
        link = re.findall(r"http://127\.0\.0\.1:\d+/", said)[0]
        async with aiohttp.ClientSession() as session, session.get(link + "text?input=x") as answer:
            assert answer.status == 503
            assert (await answer.json(content_type=None))["code"] == "no_backend"


async def test_a_running_picture_is_delivered_before_it_stops(tmp_path: Path) -> None:
    """SIGTERM refuses new work and lets what runs end."""
    async with A1111Double() as double:
        double.hold(at=1)
        async with _serve(tmp_path, SD_BACKENDS=double.url, HTTP_PORT="0", WS_PORT="0") as process:
            link = re.findall(r"http://127\.0\.0\.1:\d+/", await _read_until(process, "click "))[0]
            async with aiohttp.ClientSession() as session:
                async with asyncio.TaskGroup() as group:
                    answer = group.create_task(_get(session, link + "text?input=last"))
                    await double.until(lambda: double.active)
                    process.send_signal(signal.SIGTERM)
                    await _read_until(process, "stopping")
                    double.release()
                assert '"image-base64"' in answer.result()
            await _rest(process)
            assert await process.wait() == 0


async def _get(session: aiohttp.ClientSession, link: str) -> str:
    async with session.get(link) as answer:
        return await answer.text()


@pytest.mark.parametrize("package", ["httpserver", "wsserver"])
async def test_a_front_end_alone_without_a_painter_says_so(tmp_path: Path, package: str) -> None:
    """Only `serve` starts the built-in engine. (Skipped where something listens on A1111's usual port.)"""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", 7860)
    except OSError:
        pass
    else:
        writer.close()
        pytest.skip("something listens on port 7860")
    program = f"import runpy; runpy.run_module('{package}', run_name='__main__')"
    async with _serve(tmp_path, program, HTTP_PORT="0", WS_PORT="0") as process:
        assert "sd-b64: SD_BACKENDS: names no server, and none answers on" in await _rest(process)
        assert await process.wait() == 2


@pytest.mark.parametrize("package", ["httpserver", "wsserver"])
async def test_a_front_end_runs_alone(tmp_path: Path, package: str) -> None:
    """It says where it listens, and a signal ends it with 0."""
    program = f"import runpy; runpy.run_module('{package}', run_name='__main__')"
    async with (
        A1111Double() as double,
        _serve(tmp_path, program, SD_BACKENDS=double.url, HTTP_PORT="0", WS_PORT="0") as process,
    ):
        await _read_until(process, r"127\.0\.0\.1:\d+")
        process.send_signal(signal.SIGTERM)
        await _rest(process)
        assert await process.wait() == 0

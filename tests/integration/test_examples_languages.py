"""The examples in JavaScript, Java and Go, as processes against a real server, where their language is."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from websockets.asyncio.server import ServerConnection, serve

from tests.doubles.a1111 import prompt_of
from tests.doubles.cli_fixture import contents
from tests.doubles.http_fixture import serving
from tests.doubles.ws_fixture import serving as serving_websocket

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHOWN = {
    "fetch_client.mjs": "javascript",
    "websocket_client.mjs": "javascript",
    "JavaClient.java": "java",
    "go_client.go": "go",
}
"""Those that the README shows whole, with the language of their block."""
COMMANDS = {"fetch_client.mjs": ("node",), "JavaClient.java": ("java",), "go_client.go": ("go", "run")}
SECONDS = 120
"""Go builds its standard library the first time."""


def _version(program: str, *arguments: str) -> tuple[int, ...]:
    """The version of an interpreter, or nothing where it is not here."""
    found = shutil.which(program)
    if found is None:
        return ()
    said = subprocess.run([found, *arguments], capture_output=True, text=True, check=False)
    numbers = re.search(r"(\d+)(?:\.(\d+))?", said.stdout)
    return tuple(int(number or 0) for number in numbers.groups()) if numbers else ()


NODE, JAVA, GO = _version("node", "--version"), _version("java", "--version"), _version("go", "version")
needs_node = pytest.mark.skipif(NODE < (18,), reason="Node 18 or newer is not here")
needs_socket = pytest.mark.skipif(NODE < (20, 10), reason="Node 22, or 20.10 with its option, is not here")
needs_java = pytest.mark.skipif(JAVA < (11,), reason="Java 11 or newer is not here")
needs_go = pytest.mark.skipif(GO < (1, 18), reason="Go 1.18 or newer is not here")
HTTP_CLIENTS = [
    pytest.param("fetch_client.mjs", marks=needs_node),
    pytest.param("JavaClient.java", marks=(needs_java, pytest.mark.slow)),
    pytest.param("go_client.go", marks=needs_go),
]
SOCKET_OPTION = () if NODE >= (22,) else ("--experimental-websocket",)


async def run(folder: Path, *command: str, **environ: str) -> tuple[int | None, str]:
    """Exit code and output of a program in this folder; what it says on stderr is output, too."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={**os.environ, "NO_PROXY": "*", "no_proxy": "*", **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(SECONDS):
        said, _ = await process.communicate()
    return process.returncode, said.decode()


@pytest.mark.parametrize("name", HTTP_CLIENTS)
async def test_an_example_saves_the_picture(tmp_path: Path, name: str) -> None:
    """Also a large one, byte for byte; its seed is told. A slash behind the server's name does no harm."""
    async with serving(tmp_path) as served:
        command = (*COMMANDS[name], str(EXAMPLES / name), "a café & a monkey /kb-2000", "monkey.png")
        code, said = await run(tmp_path, *command, SD_B64_URL=f"{served.url}/")
        assert code == 0, said
        answer = await served.get("/status")
        assert answer.json["running"] == 0
    picture = contents(tmp_path / "monkey.png")
    assert len(picture) > 2_000_000
    assert prompt_of(picture) == "a café & a monkey /kb-2000"
    assert re.search(r"^monkey\.png, seed \d+$", said, flags=re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("name", HTTP_CLIENTS)
async def test_an_example_prints_the_error(tmp_path: Path, name: str) -> None:
    """And saves no file."""
    async with serving(tmp_path, max_prompt=5) as served:
        command = (*COMMANDS[name], str(EXAMPLES / name), "a monkey", "monkey.png")
        code, said = await run(tmp_path, *command, SD_B64_URL=served.url)
    assert code == 1
    assert "input: 8 characters, at most 5 are read" in said
    assert "monkey.png" not in os.listdir(tmp_path)


@pytest.mark.parametrize("name", HTTP_CLIENTS)
async def test_an_example_sends_its_key(tmp_path: Path, name: str) -> None:
    """Without it the error is shown, and no file is saved."""
    async with serving(tmp_path, api_key="$uper #9") as served:
        command = (*COMMANDS[name], str(EXAMPLES / name), "a monkey", "monkey.png")
        code, said = await run(tmp_path, *command, SD_B64_URL=served.url, SD_B64_KEY="")
        assert (code, "the API key is missing or wrong" in said) == (1, True), said
        assert "monkey.png" not in os.listdir(tmp_path)
        code, said = await run(tmp_path, *command, SD_B64_URL=served.url, SD_B64_KEY="$uper #9")
    assert code == 0, said
    assert prompt_of(contents(tmp_path / "monkey.png")) == "a monkey"


@pytest.mark.slow
@needs_node
async def test_fetch_shows_place_and_progress(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        served.double.hold(at=7)
        async with asyncio.TaskGroup() as group:
            command = ("node", str(EXAMPLES / "fetch_client.mjs"), "a monkey", "out.png")
            client = group.create_task(run(tmp_path, *command, SD_B64_URL=served.url))
            await served.double.until(lambda: served.double.count("/internal/progress") > 2)
            served.double.release()
    code, said = client.result()
    assert code == 0
    assert said.startswith("0 ahead\n")
    assert "step 7 of 20, " in said


@pytest.mark.slow
@needs_node
async def test_fetch_says_where_the_seconds_left_are_not_known(tmp_path: Path) -> None:
    """As before the first step on a server that was never measured."""
    async with serving(tmp_path) as served:
        served.double.hold(at=0)
        async with asyncio.TaskGroup() as group:
            command = ("node", str(EXAMPLES / "fetch_client.mjs"), "a monkey", "out.png")
            client = group.create_task(run(tmp_path, *command, SD_B64_URL=served.url))
            await served.double.until(lambda: served.double.count("/internal/progress") > 2)
            served.double.release()
    assert "step 0 of 20, ? s left" in client.result()[1]


@pytest.mark.slow
@needs_node
async def test_fetch_tells_when_the_job_fails(tmp_path: Path) -> None:
    """An error that comes as an event."""
    async with serving(tmp_path) as served:
        command = ("node", str(EXAMPLES / "fetch_client.mjs"), "a /fail-500", "out.png")
        code, said = await run(tmp_path, *command, SD_B64_URL=served.url)
    assert code == 1
    assert "RuntimeError" in said


@pytest.mark.slow
@needs_node
async def test_fetch_does_not_take_a_cut_off_answer_for_a_picture(tmp_path: Path) -> None:
    """A proxy may end the answer of a server that is gone as if that were its end."""

    async def answer(request: web.Request) -> web.Response:
        body = b'event: queued\ndata: {"type":"queued","id":"1","position":0}\n\n'
        return web.Response(body=body, content_type="text/event-stream")

    app = web.Application()
    app.router.add_post("/text", answer)
    async with TestServer(app) as server:
        command = ("node", str(EXAMPLES / "fetch_client.mjs"), "a monkey", "out.png")
        code, said = await run(tmp_path, *command, SD_B64_URL=str(server.make_url("")).rstrip("/"))
    assert (code, said) == (1, "0 ahead\n")


@pytest.mark.slow
@needs_socket
async def test_the_websocket_in_javascript(tmp_path: Path) -> None:
    """The picture, beyond the 1 MiB that other clients refuse; and the error."""
    command = ("node", *SOCKET_OPTION, str(EXAMPLES / "websocket_client.mjs"))
    async with serving_websocket() as served:
        code, said = await run(tmp_path, *command, "a monkey /kb-2000", "monkey.png", SD_B64_WS=served.url)
        assert code == 0, said
        assert re.search(r"^monkey\.png, seed \d+$", said, flags=re.MULTILINE)
        assert prompt_of(contents(tmp_path / "monkey.png")) == "a monkey /kb-2000"
        code, said = await run(tmp_path, *command, " ", "none.png", SD_B64_WS=served.url)
    assert code == 1
    assert "input: the prompt is empty" in said
    code, said = await run(tmp_path, *command, "a monkey", "none.png", SD_B64_WS=served.url)
    assert code == 1, "nobody listens there any more"


@pytest.mark.slow
@needs_socket
async def test_the_websocket_in_javascript_tells_of_a_broken_connection(tmp_path: Path) -> None:
    """As where the server is killed: it ended without a word."""

    async def hang_up(connection: ServerConnection) -> None:
        await connection.recv()
        connection.transport.abort()

    command = ("node", *SOCKET_OPTION, str(EXAMPLES / "websocket_client.mjs"))
    async with serve(hang_up, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        code, said = await run(tmp_path, *command, SD_B64_WS=f"ws://127.0.0.1:{port}")
    assert (code, "the connection broke" in said) == (1, True), said


@pytest.mark.slow
@needs_socket
async def test_the_websocket_in_javascript_sends_its_key(tmp_path: Path) -> None:
    """In a message, before all others; without it, or with another one, the error is shown."""
    command = ("node", *SOCKET_OPTION, str(EXAMPLES / "websocket_client.mjs"), "a monkey", "monkey.png")
    async with serving_websocket(api_key="$uper #9") as served:
        for key in ("", "another"):
            code, said = await run(tmp_path, *command, SD_B64_WS=served.url, SD_B64_KEY=key)
            assert (code, "the API key is missing or wrong" in said) == (1, True), said
        code, said = await run(tmp_path, *command, SD_B64_WS=served.url, SD_B64_KEY="$uper #9")
    assert code == 0, said
    assert prompt_of(contents(tmp_path / "monkey.png")) == "a monkey"


@pytest.mark.skipif(not (18,) <= NODE < (22,), reason="a Node without WebSocket is not here")
async def test_an_old_node_is_told_what_it_lacks(tmp_path: Path) -> None:
    code, said = await run(tmp_path, "node", str(EXAMPLES / "websocket_client.mjs"))
    assert code == 2
    assert "has no WebSocket: take Node 22, or --experimental-websocket" in said


@pytest.mark.parametrize("name", SHOWN)
def test_the_readme_shows_the_example_as_it_is(name: str) -> None:
    blocks = re.findall(rf"^```{SHOWN[name]}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
    assert contents(EXAMPLES / name).decode() in blocks


def test_every_example_is_short() -> None:
    """Under 40 lines: it is read before it is run."""
    sizes = {path.name: contents(path).count(b"\n") for path in EXAMPLES.iterdir() if path.is_file()}
    assert {name: size for name, size in sizes.items() if size >= 40} == {}


async def test_python_needs_no_client_library(tmp_path: Path) -> None:
    """The README's ten lines use the standard library alone."""
    blocks = re.findall(r"^```python\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
    (program,) = (block for block in blocks if "urllib.request" in block)
    assert len(program.splitlines()) <= 10
    async with serving(tmp_path) as served:
        command = (sys.executable, "-I", "-S", "-c", program.replace("http://127.0.0.1:5000", served.url))
        code, said = await run(tmp_path, *command)
    assert code == 0, said
    assert prompt_of(contents(tmp_path / "out.png")) == "a monkey with a hat"
    assert said.strip().isdecimal(), "it prints the seed"

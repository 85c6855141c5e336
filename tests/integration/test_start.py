"""Every program alone, as a process: where it listens, what it says when it cannot, and how it stops."""

import asyncio
import re
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
import websockets

from core import USUAL
from tests.doubles.a1111 import A1111Double
from tests.doubles.program import USUAL_IS, WITHOUT_A1111, program

pytestmark = pytest.mark.slow

FREE = {"ENGINE_PORT": "0", "HTTP_PORT": "0", "WS_PORT": "0", "PROMPT_FILE": ""}
LOCALHOST_IS_IPV6 = """
import socket, sys
sys.modules["uvloop"] = None
known = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **more: known("::1" if host == "localhost" else host, *rest, **more)
from cli.__main__ import main; main()
"""
FIRST_PORT = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
SETPRIV = shutil.which("setpriv")


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which another program listens; it takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


@pytest.fixture
def ipv6() -> None:
    """Skips where the machine has none."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")


async def get(url: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status


# --- alone


@pytest.mark.parametrize("package", ["engine", "httpserver", "wsserver"])
async def test_a_program_says_where_it_listens_and_stops_on_a_signal(tmp_path: Path, package: str) -> None:
    """Its log tells how the servers are, and not of every connection."""
    async with (
        A1111Double() as double,
        program(tmp_path, "-m", package, **FREE, SD_BACKENDS=double.url) as alone,
    ):
        said = await alone.says(r"^sd-b64: .* on \w+://127\.0\.0\.1:[1-9]\d+$")
        if package != "engine":
            assert re.search(r"^\d\d:\d\d:\d\d INFO 127\.0\.0\.1:\d+: ready$", said, re.MULTILINE)
        if package == "wsserver":
            async with websockets.connect(said.split()[-1]) as client:
                await client.send("a")
                assert '"queued"' in str(await client.recv())
        alone.signal(signal.SIGTERM)
        assert await alone.ends() == (0, "")


async def test_what_is_painted_is_delivered_before_a_program_ends(tmp_path: Path) -> None:
    """And the last prompt is written in the folder where it was started."""
    environ = {"HTTP_PORT": "0", "PROMPT_FILE": "last.txt"}
    async with (
        A1111Double() as double,
        program(tmp_path, "-m", "httpserver", SD_BACKENDS=double.url, **environ) as alone,
    ):
        url = (await alone.says("HTTP on http://")).split()[-1]
        double.hold()
        picture = asyncio.create_task(get(f"{url}/text?input=a"))
        await double.until(lambda: double.active)
        alone.signal(signal.SIGTERM)
        double.release()
        assert await picture == 200
        assert await alone.ends() == (0, "")
    assert (tmp_path / "last.txt").read_bytes() == b"a"


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
    line = f"sd-b64: SD_BACKENDS: names no server, and none answers on {USUAL}; "
    line += "name one, or start sd-b64 serve, which has a demo painter\n"
    async with program(tmp_path, "-m", package, **FREE) as alone:
        assert await alone.ends() == (2, line)


# --- what is in the way


@pytest.mark.parametrize(
    ("command", "variable"),
    [("-m engine", "ENGINE_PORT"), ("-m wsserver", "WS_PORT"), ("-m cli serve", "ENGINE_PORT")],
)
async def test_a_port_that_was_set_and_is_taken_is_one_line(
    tmp_path: Path, taken: int, command: str, variable: str
) -> None:
    """And exit code 3: the other program may end."""
    async with A1111Double() as double:
        arguments = command.split()
        environ = {**FREE, variable: str(taken), "SD_BACKENDS": double.url}
        if command == "-m cli serve":
            arguments = ["-c", WITHOUT_A1111, "serve"]
            del environ["SD_BACKENDS"]
        async with program(tmp_path, *arguments, **environ) as alone:
            code, said = await alone.ends()
    assert (code, said.splitlines()[-1]) == (3, f"sd-b64: {variable}: {taken} is taken by another program")
    assert "Traceback" not in said


@pytest.mark.skipif(
    SETPRIV is None or not FIRST_PORT.exists() or int(FIRST_PORT.read_text()) < 2,
    reason="every port is allowed here",
)
async def test_a_port_that_is_not_allowed_is_said_to_be_that(tmp_path: Path) -> None:
    """And not to be taken. Root may have every port, so that right is taken from it."""
    rights = (str(SETPRIV), "--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service")
    line = "sd-b64: ENGINE_PORT: 1 is not allowed: ports below 1024 are the administrator's\n"
    async with program(tmp_path, "-m", "engine", before=rights, ENGINE_PORT="1") as engine:
        assert await engine.ends() == (2, line)


async def test_a_host_that_is_not_here_is_one_line(tmp_path: Path) -> None:
    """With the loop that is used. And exit code 3: it may come, as after a boot."""
    elsewhere = {"ENGINE_HOST": "192.0.2.1", "ALLOW_ANONYMOUS": "true"}
    line = "sd-b64: ENGINE_HOST: cannot listen on 192.0.2.1: Cannot assign requested address\n"
    async with program(tmp_path, "-m", "engine", **FREE, **elsewhere) as engine:
        assert await engine.ends() == (3, line)


@pytest.mark.parametrize(
    ("package", "variable"), [("engine", "ENGINE_HOST"), ("httpserver", "HTTP_HOST"), ("wsserver", "WS_HOST")]
)
async def test_no_program_listens_to_other_machines_unasked(
    tmp_path: Path, package: str, variable: str
) -> None:
    """Before it does anything else."""
    async with program(tmp_path, "-m", package, **FREE, **{variable: "0.0.0.0"}) as alone:
        code, said = await alone.ends()
    assert (code, said.count("\n")) == (2, 1)
    assert said.startswith(f"sd-b64: {variable}: 0.0.0.0 can be reached from other machines")


@pytest.mark.parametrize("command", ["-m engine", "serve"])
async def test_a_key_does_not_open_the_engine_to_other_machines(tmp_path: Path, command: str) -> None:
    """It asks for none."""
    arguments = ["-c", WITHOUT_A1111, "serve"] if command == "serve" else command.split()
    chosen = {"ENGINE_HOST": "0.0.0.0", "API_KEY": "secret"}
    async with program(tmp_path, *arguments, **FREE, **chosen) as alone:
        code, said = await alone.ends()
    assert (code, said.count("\n")) == (2, 1)
    assert "ENGINE_HOST: 0.0.0.0 can be reached from other machines, and no key is asked for there" in said


async def test_what_listens_on_the_usual_port_and_never_answers_is_told(tmp_path: Path, taken: int) -> None:
    """A server that hangs is not passed over in silence."""
    hanging = USUAL_IS % f"http://127.0.0.1:{taken}"
    async with program(tmp_path, "-c", hanging, "serve", **FREE) as serve:
        said = await serve.says("click ")
    assert "demo painter" in said
    assert "what listens on port 7860 does not answer: it paints as soon as it does" in said


# --- IPv6


@pytest.mark.usefixtures("ipv6")
async def test_everything_runs_on_ipv6(tmp_path: Path) -> None:
    """The engine, too, and the links lead there; `::` is every address of that kind."""
    hosts = {"ENGINE_HOST": "[::1]", "HTTP_HOST": "::", "WS_HOST": "::1", "ALLOW_ANONYMOUS": "true"}
    async with program(tmp_path, "-c", WITHOUT_A1111, "serve", **FREE, **hosts) as serve:
        said = await serve.says("curl")
        link = re.search(r"http://\[::1\]:\d+/image\?\S+", said)
        address = re.search(r"ws://\[::1\]:\d+", said)
        assert link is not None
        assert address is not None
        assert await get(f"{link[0]}&steps=1") == 200
        async with websockets.connect(address[0]):
            pass


@pytest.mark.usefixtures("ipv6")
async def test_the_engine_alone_runs_on_ipv6(tmp_path: Path) -> None:
    """And says so in a form that can be opened."""
    async with program(tmp_path, "-m", "engine", **FREE, ENGINE_HOST="::1") as engine:
        url = (await engine.says(r"http://\[::1\]:")).split()[-1]
        assert await get(f"{url}/sdapi/v1/options") == 200


@pytest.mark.usefixtures("ipv6")
async def test_localhost_may_be_an_ipv6_address(tmp_path: Path) -> None:
    """As on machines that know no other."""
    hosts = {"HTTP_HOST": "localhost", "WS_HOST": "localhost"}
    async with (
        A1111Double() as double,
        program(tmp_path, "-c", LOCALHOST_IS_IPV6, "serve", **FREE, **hosts, SD_BACKENDS=double.url) as serve,
    ):
        said = await serve.says("click ")
        port = re.findall(r"http://localhost:(\d+)/image", said)[0]
        assert await get(f"http://[::1]:{port}/image?input=a") == 200

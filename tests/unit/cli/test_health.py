"""`sd-b64 health`: it finds the program of its container, and asks what that one should answer."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import web

from cli.health import DOORS, Door, health, program_of
from core import Settings, connect
from tests.doubles.program import ROOT, program


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("python -m httpserver", "httpserver"),
        ("/opt/sd-b64/bin/python -m core.worker", "core.worker"),
        ("/opt/sd-b64/bin/python /opt/sd-b64/bin/sd-b64 serve", "serve"),
        ("python -m cli serve", "serve"),
        ("/opt/sd-b64/bin/python /opt/sd-b64/bin/sd-b64 health", None),
        ("python -m pytest", None),
        ("/sbin/docker-init -- python -m core.worker", None),
        ("sh -c exec sd-b64", None),
    ],
)
def test_a_program_is_known_by_its_command_line(command: str, found: str | None) -> None:
    assert program_of(command.split(" ")) == found


def test_every_program_of_the_compose_file_is_known() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    modules = [line.split("-m, ")[1].strip(" ]") for line in text.splitlines() if "[python, -m," in line]
    assert set(modules) == set(DOORS) - {"serve"}


@pytest.fixture
async def answering() -> AsyncIterator[Callable[[int], int]]:
    """A server whose /healthz answers the status that the test wants; calling it gives its port."""
    wanted = [200]

    async def healthz(_request: web.Request) -> web.Response:
        return web.Response(status=wanted[0])

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()

    def port(status: int) -> int:
        wanted[0] = status
        return int(runner.addresses[0][1])

    yield port
    await runner.cleanup()


async def ask(environ: dict[str, str]) -> str | None:
    return await asyncio.to_thread(Door("HTTP", 5000).problem, environ)


async def test_who_answers_is_well_wherever_it_listens(answering: Callable[[int], int]) -> None:
    """The settings say where; an address that means all of them is asked on loopback."""
    for host in ("127.0.0.1", "0.0.0.0", ""):
        assert await ask({"HTTP_HOST": host, "HTTP_PORT": f"{answering(200)}"}) is None


async def test_who_answers_an_error_or_nothing_is_not_well(answering: Callable[[int], int]) -> None:
    port = answering(500)
    assert await ask({"HTTP_PORT": f"{port}"}) == f"HTTP: port {port} answers 500"
    assert "does not answer" in str(await ask({"HTTP_HOST": "127.0.0.1", "HTTP_PORT": "1"}))


def _process(folder: Path, pid: int, *command: str) -> None:
    (folder / str(pid)).mkdir()
    (folder / str(pid) / "cmdline").write_bytes("\0".join(command).encode() + b"\0")


def test_where_none_of_our_programs_runs_nothing_is_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _process(tmp_path, 1, "bash")
    assert health({}, tmp_path) == 1
    assert capsys.readouterr().out == "no program of sd-b64 runs here\n"


async def test_a_worker_is_well_while_the_shared_queue_hears_of_it(
    tmp_path: Path, valkey_url: Callable[[], str], capsys: pytest.CaptureFixture[str]
) -> None:
    url = valkey_url()
    _process(tmp_path, os.getpid(), sys.executable, "-m", "core.worker")
    async with connect(Settings(redis_url=url)):  # a process of the shared queue: this one
        assert await asyncio.to_thread(health, {"REDIS_URL": url}, tmp_path) == 0
    (tmp_path / "another").mkdir()
    _process(tmp_path / "another", 4194304, sys.executable, "-m", "core.worker")
    assert await asyncio.to_thread(health, {"REDIS_URL": url}, tmp_path / "another") == 1
    assert "core.worker: the shared queue hears nothing of it" in capsys.readouterr().out


@pytest.mark.slow
async def test_a_worker_whose_queue_is_away_is_not_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _process(tmp_path, 1, "python", "-m", "core.worker")
    assert await asyncio.to_thread(health, {"REDIS_URL": "redis://127.0.0.1:1"}, tmp_path) == 1
    assert "the shared queue cannot be reached" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs Linux's /proc")
async def test_the_command_says_so_by_its_exit_code(tmp_path: Path) -> None:
    """It finds a program that runs, here one of another port, and loads none of our servers for that."""
    async with program(tmp_path, "-m", "engine", ENGINE_PORT="0") as engine:
        port = (await engine.says(r"http://")).rsplit(":", 1)[1].strip()
        (tmp_path / "only").mkdir()
        _process(tmp_path / "only", engine.process.pid, "python", "-m", "engine")
        text = "import sys; from pathlib import Path; from cli.health import health\n"
        text += f"code = health({{'ENGINE_PORT': '{port}'}}, Path('only'))\n"
        text += "assert not {'core', 'aiohttp', 'asyncio'} & set(sys.modules); sys.exit(code)"
        async with program(tmp_path, "-c", text) as asked:
            assert await asked.ends() == (0, "well\n")

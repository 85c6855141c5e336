"""The terminal client for tests: in this process, as a process of its own, in a terminal of its own.

code = await client("imagine", "a monkey", "-o", "out.png")            # here; capsys hears it
async with started(folder, served.url, "imagine", "a monkey") as process: ...
async with terminal(folder, served.url, "imagine", "a monkey") as screen:
    await screen.until("2 ahead")
"""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path

import pyte
import pytest
from aiohttp import web

from cli.__main__ import ask
from cli.arguments import parser
from tests.doubles.a1111 import EVENT_WAIT
from tests.doubles.program import ROOT

UNSET = (
    *("SD_B64_URL", "SD_B64_KEY", "SD_B64_KEY_FILE", "API_KEY", "HTTP_PORT", "HTTP_HOST"),
    *("NO_COLOR", "COLUMNS", "LINES"),
)
COLUMNS, ROWS = 100, 12
PLAIN = "from cli.__main__ import main; main()"
HASTY = "import cli.job, cli.status; cli.status.PERIOD = cli.job.FIRST_PAUSE = 0.05\n" + PLAIN
"""The same program without its pauses."""


@contextmanager
def full_disk() -> Iterator[int]:
    """A file that takes nothing; skips the test where there is no such device of Linux."""
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        yield full
    finally:
        os.close(full)


@contextmanager
def full_pipe() -> Iterator[int]:
    """A pipe that nobody reads, and that takes no more: the end to write to."""
    reading, writing = os.pipe()
    try:
        os.set_blocking(writing, False)
        with suppress(BlockingIOError):
            while True:
                os.write(writing, b"." * 4096)
        os.set_blocking(writing, True)
        yield writing
    finally:
        os.close(reading)
        os.close(writing)


async def client(*arguments: str) -> int:
    """Run it in this process; its exit code."""
    return await ask(parser().parse_args(arguments))


async def until(stream: asyncio.StreamReader | None, word: bytes) -> None:
    """Read what a process says up to a line with this word."""
    assert stream is not None
    while word not in (line := await stream.readline()):
        assert line, f"it ended without {word!r}"


@asynccontextmanager
async def started(
    folder: Path,
    url: str,
    *arguments: str,
    program: str = PLAIN,
    stdout: int = PIPE,
    stderr: int = PIPE,
    **environ: str,
) -> AsyncIterator[Process]:
    """The client as a process that works in this folder; killed if it has not ended by then."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, *arguments),
        cwd=folder,
        env=environment(url, **environ),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
    )
    try:
        async with asyncio.timeout(30):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def environment(url: str, **environ: str) -> dict[str, str]:
    """What a client needs to find its modules and its server, and nothing of the machine's own settings."""
    inherited = {name: value for name, value in os.environ.items() if name not in UNSET}
    return {**inherited, "PYTHONPATH": str(ROOT), "SD_B64_URL": url, **environ}


def contents(path: str | Path) -> bytes:
    """The bytes of a file."""
    return Path(path).read_bytes()


@dataclass(slots=True)
class Terminal:
    """A terminal's screen, and the process that runs in it."""

    process: Process
    screen: pyte.Screen
    close: Callable[[], None]
    """What closing its window does to it; the system tells the process as well, which this does not."""
    resize: Callable[[int, int], None]
    """What dragging its corner does to it: so many rows and columns from now on."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def text(self) -> str:
        """What a person reads on it now."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    async def until(self, word: str) -> str:
        """Wait until this can be read; the whole text."""
        try:
            async with asyncio.timeout(EVENT_WAIT):
                while word not in self.text:
                    self.changed.clear()
                    await self.changed.wait()
        except TimeoutError:
            raise AssertionError(f"{word!r} did not appear on:\n{self.text}") from None
        return self.text


@asynccontextmanager
async def terminal(
    folder: Path,
    url: str,
    *arguments: str,
    program: str = PLAIN,
    rows: int = ROWS,
    columns: int = COLUMNS,
    **environ: str,
) -> AsyncIterator[Terminal]:
    """The client in a pseudo-terminal of this size."""
    import pty  # there is none on Windows
    import termios

    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (rows, columns))
    screen = pyte.Screen(columns, rows)
    stream = pyte.ByteStream(screen)
    loop = asyncio.get_running_loop()
    chosen = {"TERM": "xterm-256color", **environ}
    try:
        with FileIO(master) as window:
            async with started(
                folder, url, *arguments, program=program, stdout=slave, stderr=slave, **chosen
            ) as process:

                def close() -> None:
                    if not window.closed:
                        loop.remove_reader(master)
                        window.close()

                def resize(rows: int, columns: int) -> None:
                    termios.tcsetwinsize(slave, (rows, columns))
                    screen.resize(rows, columns)

                view = Terminal(process, screen, close, resize)

                def read() -> None:
                    with suppress(OSError):  # Linux: the other side is closed
                        stream.feed(os.read(master, 65536))
                    view.changed.set()

                loop.add_reader(master, read)
                try:
                    yield view
                finally:
                    close()
    finally:
        os.close(slave)


@asynccontextmanager
async def everything_answered(answer: web.Response) -> AsyncIterator[int]:
    """A program that answers so, whatever it is asked; its port."""

    async def handle(_: web.Request) -> web.Response:
        anew = web.Response(body=answer.body, status=answer.status, headers=answer.headers)
        anew.enable_compression()  # where it is asked for, as proxies do
        return anew

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    async with on_free_port(app) as port:
        yield port


@asynccontextmanager
async def on_free_port(app: web.Application) -> AsyncIterator[int]:
    """A program that is no server of ours; its port."""
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()

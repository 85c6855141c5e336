"""The programs for tests: as processes of their own, with what they print.

    async with program(tmp_path, "-m", "engine", ENGINE_PORT="0") as engine:
        said = await engine.says(r"http://")

Keyword arguments are its environment, beside that of the tests without our settings. What it says is its
standard output and error, in one.
"""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from core.settings import SETTINGS

ROOT = Path(__file__).parents[2]
OURS = {item.name.upper() for item in SETTINGS}
USUAL_IS = """
from functools import partial
import cli.serve
cli.serve.discover = partial(cli.serve.discover, url=%r)
from cli.__main__ import main; main()
"""
"""`serve`, with another place than A1111's usual port."""
WITHOUT_A1111 = USUAL_IS % "http://127.0.0.1:1"
"""`serve`, where its demo paints, whatever listens on that port: no test paints on a GPU of yours."""


def environment(**chosen: str) -> dict[str, str]:
    """The environment of the tests without our settings, and with these."""
    return {name: value for name, value in os.environ.items() if name not in OURS} | chosen


@dataclass(frozen=True, slots=True)
class Program:
    """One that runs."""

    process: asyncio.subprocess.Process

    async def says(self, pattern: str) -> str:
        """What it says, up to a line in which the pattern is found."""
        assert self.process.stdout is not None
        text = ""
        while line := (await self.process.stdout.readline()).decode():
            text += line
            if re.search(pattern, line):
                return text
        raise AssertionError(f"it ended without {pattern!r}:\n{text}")

    async def ends(self) -> tuple[int, str]:
        """Its exit code, and all that it has said since."""
        assert self.process.stdout is not None
        text = (await self.process.stdout.read()).decode()
        return await self.process.wait(), text

    def close_output(self) -> None:
        """Whoever read what it says is gone, as the other end of a pipe may be."""
        cast(Any, self.process)._transport.get_pipe_transport(1).close()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)


@asynccontextmanager
async def program(
    folder: Path, *arguments: str, before: Sequence[str] = (), **environ: str
) -> AsyncIterator[Program]:
    """Run Python with these arguments, working in this folder; `before` stands in front of the command."""
    process = await asyncio.create_subprocess_exec(
        *(*before, sys.executable, *arguments),
        cwd=folder,
        env=environment(**{"PYTHONPATH": str(ROOT), "ENGINE_STEP_SECONDS": "0.01", **environ}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(40):
            yield Program(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()

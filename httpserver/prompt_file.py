"""PromptFile: the file that holds the last prompt, as the original system wrote it.

A convenience outside the request's way: one task writes the newest prompt, and what it misses in between is
forgotten. The file is replaced in one step, so whoever reads it never sees half a prompt.
"""

import asyncio
import errno
import logging
import os
import secrets
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

PAUSE_SECONDS = 0.1
"""Between two writes, so that a thousand prompts a second cost no more than ten."""

log = logging.getLogger(__name__)


class PromptFile:
    """Enter to start its writer, leave to write what is left. An empty `path`: nothing is written."""

    def __init__(self, path: str) -> None:
        self._path = Path(path) if path else None
        self._token = secrets.token_hex(4)
        self._newest: str | None = None
        self._changed = asyncio.Event()
        self._closing = asyncio.Event()
        self._failed = False
        self._writer: asyncio.Task[None] | None = None

    def remember(self, prompt: str) -> None:
        """Let this prompt be written soon; never waits, never fails."""
        self._newest = prompt
        self._changed.set()

    async def __aenter__(self) -> Self:
        if self._path is not None:
            self._writer = asyncio.create_task(self._write_newest(self._path))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._changed.set()
        if self._writer is not None:
            await self._writer

    async def _write_newest(self, path: Path) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._newest is not None:
                prompt, self._newest = self._newest, None
                await asyncio.to_thread(self._write, path, prompt)
            if self._closing.is_set() and self._newest is None:
                return
            await self._pause()

    async def _pause(self) -> None:
        """Wait a moment, unless the writer is about to close."""
        try:
            async with asyncio.timeout(PAUSE_SECONDS):
                await self._closing.wait()
        except TimeoutError:
            return

    def _write(self, path: Path, prompt: str) -> None:
        target = Path(os.path.realpath(path))  # where a link leads to, so that the link stays
        # Several programs may share the file, so each has its own draft; in containers all are process 1.
        draft = target.parent / f".{target.name}.{self._token}"
        try:
            if path.exists() and not path.is_file():  # /dev/null, say, must not be replaced
                raise FileExistsError(errno.EEXIST, "there is something that is no file", str(path))
            draft.write_bytes(prompt.encode())
            os.replace(draft, target)
        except OSError as error:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            if not self._failed:
                log.warning("PROMPT_FILE: the last prompt cannot be written: %s", error)
            self._failed = True
            return
        self._failed = False

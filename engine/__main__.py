"""`python -m engine`: the demo painter as a server of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from core.settings import SettingsError, load
from engine.server import serve
from engine.task import MODEL


async def _run(host: str, port: int, step_seconds: float) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        except NotImplementedError:  # Windows: Ctrl-C arrives as KeyboardInterrupt
            break
    async with serve(host, port, step_seconds) as bound:
        shown = f"[{host}]" if ":" in host else host
        print(f"{MODEL}: A1111's API on http://{shown}:{bound}", flush=True)
        await stopped.wait()


def main() -> int:
    """Serve until a signal; the exit code."""
    try:
        settings = load(os.environ)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    try:
        asyncio.run(_run(settings.engine_host, settings.engine_port, settings.engine_step_seconds))
    except KeyboardInterrupt:
        pass
    except OSError as error:
        print(f"ENGINE_HOST, ENGINE_PORT: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

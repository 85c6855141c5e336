"""`python -m engine`: the demo painter as a server of its own, until a signal stops it."""

from core import Settings, announce, check_exposure, listening, reachable, run, stop_signal
from engine.server import serve as paint
from engine.task import MODEL

AFTER_WORKERS = 5.0
"""Seconds beyond SHUTDOWN_GRACE: a worker that is stopped at the same moment gives its job back before."""


async def serve(settings: Settings) -> None:
    """Paint for whoever asks; at the end what is painted is finished. Raises SettingsError."""
    host, seconds = settings.engine_host, settings.engine_step_seconds
    grace = settings.shutdown_grace + AFTER_WORKERS
    check_exposure(settings, "ENGINE_HOST", host, asks_key=False)
    async with (
        stop_signal() as stop,
        listening(settings, "ENGINE", lambda port: paint(host, port, seconds, grace)) as port,
    ):
        announce(f"sd-b64: {MODEL}, A1111's API on http://{reachable(host)}:{port}")
        await stop.wait()


def main() -> None:
    """Run with the settings of the environment."""
    run(serve)


if __name__ == "__main__":
    main()

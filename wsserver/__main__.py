"""`python -m wsserver`: the websocket front end alone, until a signal stops it."""

from core import Settings, announce, check_exposure, connect, listening, reachable, run, stop_signal
from wsserver.server import listen


async def serve(settings: Settings) -> None:
    """Open, serve, and end in the order that lets running jobs finish. Raises SettingsError."""
    host = settings.ws_host
    check_exposure(settings, "WS_HOST", host)
    async with (
        connect(settings) as gateway,
        stop_signal() as stop,
        listening(settings, "WS", lambda port: listen(gateway, settings, port=port)) as port,
    ):
        announce(f"sd-b64: websocket on ws://{reachable(host)}:{port}")
        await stop.wait()
        await gateway.drain(settings.shutdown_grace)


def main() -> None:
    """Run with the settings of the environment."""
    run(serve)


if __name__ == "__main__":
    main()

"""`python -m wsserver`: the websocket front end alone, with workers for SD_BACKENDS in this process."""

from contextlib import AsyncExitStack

from core import SettingsError, check_exposure, connect, load_or_exit, run, stop_signal
from wsserver.server import listen


async def serve() -> None:
    """Serve until a signal comes, then end gracefully."""
    settings = load_or_exit()
    check_exposure(settings, "WS_HOST", settings.ws_host)
    async with stop_signal() as stop, connect(settings) as gateway, AsyncExitStack() as stack:
        try:
            port = await stack.enter_async_context(listen(gateway, settings))
        except OSError as error:
            where = f"{settings.ws_host} port {settings.ws_port}"
            raise SettingsError("WS_PORT", f"cannot listen on {where}: {error.strerror}") from error
        host = f"[{settings.ws_host}]" if ":" in settings.ws_host else settings.ws_host
        print(f"sd-b64: websocket on ws://{host}:{port}", flush=True)
        await stop.wait()
        await gateway.drain(settings.shutdown_grace)


def main() -> None:
    """Run the program to its end."""
    run(serve())


if __name__ == "__main__":
    main()

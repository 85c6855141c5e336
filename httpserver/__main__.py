"""`python -m httpserver`: the HTTP front end alone, until a signal stops it."""

import errno
from contextlib import AsyncExitStack

from core import Settings, SettingsError, check_exposure, connect, load_or_exit, run, stop_signal
from httpserver.server import listen


async def serve(settings: Settings) -> None:
    """Open, serve, and end in the order that lets running jobs finish."""
    host = settings.http_host
    check_exposure(settings, "HTTP_HOST", host)
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(connect(settings))
        stop = await stack.enter_async_context(stop_signal())
        try:
            port = await stack.enter_async_context(listen(gateway, settings))
        except OSError as error:
            variable = "HTTP_PORT" if error.errno in {errno.EADDRINUSE, errno.EACCES} else "HTTP_HOST"
            raise SettingsError(variable, f"cannot listen on {host}:{settings.http_port}: {error}") from error
        shown = f"[{host}]" if ":" in host else host
        print(f"http: listening on http://{shown}:{port}/", flush=True)
        await stop.wait()
        await gateway.drain(settings.shutdown_grace)


def main() -> None:
    """Run with the settings of the environment."""
    run(serve(load_or_exit()))


if __name__ == "__main__":
    main()

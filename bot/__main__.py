"""`python -m bot`: the Discord bot alone, until a signal stops it."""

from bot.client import check_token, listen
from core import Settings, connect, run, stop_signal


async def serve(settings: Settings) -> None:
    """Open, serve, and end in the order that lets running jobs finish. Raises SettingsError."""
    check_token(settings)  # before anything else is opened
    async with connect(settings) as gateway, stop_signal() as stop, listen(gateway, settings):
        await stop.wait()
        # Jobs on a shared queue live on: whoever runs then delivers them.
        await gateway.drain(0 if settings.shares_queue else settings.shutdown_grace)


def main() -> None:
    """Run with the settings of the environment."""
    run(serve)


if __name__ == "__main__":
    main()

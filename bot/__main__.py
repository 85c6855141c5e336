"""`python -m bot`: the Discord bot alone, until a signal stops it."""

from bot.client import MISSING_TOKEN, listen
from core import Settings, SettingsError, connect, run, stop_signal


async def serve(settings: Settings) -> None:
    """Open, serve, and end in the order that lets running jobs finish. Raises SettingsError."""
    if not settings.discord_token:  # before anything else is opened
        raise SettingsError("DISCORD_TOKEN", MISSING_TOKEN)
    async with connect(settings) as gateway, stop_signal() as stop, listen(gateway, settings):
        await stop.wait()
        # Jobs on a shared queue live on: whoever runs then delivers them.
        await gateway.drain(0 if settings.shares_queue else settings.shutdown_grace)


def main() -> None:
    """Run with the settings of the environment."""
    run(serve)


if __name__ == "__main__":
    main()

"""`python -m bot`: the Discord bot alone, with workers for SD_BACKENDS in this process."""

import logging

from bot.client import MISSING_TOKEN, listen
from core import SettingsError, connect, load_or_exit, run, stop_signal


async def serve() -> None:
    """Serve until a signal comes, then end gracefully."""
    settings = load_or_exit()
    if not settings.discord_token:  # before anything else is opened
        raise SettingsError("DISCORD_TOKEN", MISSING_TOKEN)
    async with stop_signal() as stop, connect(settings) as gateway, listen(gateway, settings):
        await stop.wait()
        # Jobs on a shared queue live on: whoever runs then delivers them.
        await gateway.drain(0 if settings.redis_url else settings.shutdown_grace)


def main() -> None:
    """Run the program to its end."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S"
    )
    run(serve())


if __name__ == "__main__":
    main()

"""`python -m core.worker`: paint for the shared queue, until a signal stops it."""

from core.connect import work
from core.process import announce, run, stop_signal
from core.settings import Settings


async def paint(settings: Settings) -> None:
    """Paint, and end in good order: what is painted is finished within SHUTDOWN_GRACE, or given back."""
    async with work(settings) as fleet, stop_signal() as stop:
        announce("sd-b64: worker, painting for the shared queue")
        await stop.wait()
        grace = settings.shutdown_grace
        announce(f"sd-b64: stopping; a picture that takes over {grace:g} s more is given back")
        await fleet.stop(grace)


def main() -> None:
    """Run with the settings of the environment."""
    run(paint)


if __name__ == "__main__":
    main()

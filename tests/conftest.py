"""What holds for all tests: how many run at once, and that Ctrl-C ends what they start.

A shell has what it starts in the background of a script (`sh -c 'pytest &'`) ignore SIGINT, and whatever that
starts inherits it. Each process of the tests gives it its default back, for itself and for its children.
"""

import signal
from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """What `-n auto` means: half of the time a test waits for a socket, so there is work for one more.

    Than xdist finds: a container may have few of many cores.
    """
    return (yield) + 1


def pytest_configure() -> None:
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)

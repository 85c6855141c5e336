"""What holds for all tests: how many run at once, what they compile is kept, and Ctrl-C ends what they start.

A shell has what it starts in the background of a script (`sh -c 'pytest &'`) ignore SIGINT, and whatever that
starts inherits it. Each process of the tests gives it its default back, for itself and for its children.
"""

import os
import signal
import sys
from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """What `-n auto` means: half of the time a test waits for a socket, so there is work for one more.

    Than xdist finds: a container may have few of many cores.
    """
    return (yield) + 1


def pytest_configure() -> None:
    # Images for one program say so, with PYTHONDONTWRITEBYTECODE: here hundreds would compile all of it anew.
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)

"""What holds for all tests: Ctrl-C ends what they start.

A shell has what it starts in the background of a script (`sh -c 'pytest &'`) ignore SIGINT, and whatever that
starts inherits it. Each process of the tests gives it its default back, for itself and for its children.
"""

import signal


def pytest_configure() -> None:
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)

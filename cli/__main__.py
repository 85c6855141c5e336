"""`sd-b64`: the one command. `sd-b64 --help` lists what it does.

Each command's modules are loaded only when it is the one that runs: a client needs no server, and `health`,
which is asked again and again, needs next to nothing.
"""

import os
import signal
import sys
from argparse import Namespace

from cli.arguments import parser


def main() -> None:
    """Read the command line and do what it says."""
    try:
        options = parser().parse_args()
        if options.command == "serve":
            _serve()
        elif options.command == "health":
            sys.exit(_health())
        else:
            _end_quietly_on_signals()
            import asyncio

            code = asyncio.Runner().run(ask(options))
            _write_the_rest()
            # An end in good order waits for a thread that asks a name server, and that cannot be cut off.
            os._exit(code)
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        _write_the_rest()


def _write_the_rest() -> None:
    """Python would at its exit, and make the exit code 120 where nobody reads it any more."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:  # it was closed from the start
                stream.flush()
        except OSError:
            from core import forget_output

            forget_output(stream)


def _end_quietly_on_signals() -> None:
    """While a client loads, and whenever it has nothing to cancel: what asks it to stop ends it with 130.

    What was told to ignore a signal, as by `nohup`, goes on doing so.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda _number, _frame: os._exit(130))


def _serve() -> None:
    from cli.serve import serve
    from core import run

    run(serve)


def _health() -> int:
    from cli.health import health

    return health(os.environ)


async def ask(options: Namespace) -> int:
    """Run a client to its end; the one place where what went wrong becomes a line and an exit code."""
    from cli.display import write_line
    from cli.exit_codes import UNWRITABLE
    from cli.failures import Failure
    from core import forget_output, open_output

    open_output()
    for size in ("COLUMNS", "LINES"):
        if os.environ.get(size) == "0":  # nobody knows how large it is, and rich would draw less, or nothing
            del os.environ[size]
    if options.command == "imagine":
        from cli.imagine import imagine as command
    else:
        from cli.status import status as command
    try:
        return await command(options)
    except Failure as failure:
        write_line(sys.stderr, f"sd-b64: {failure}")
        return failure.exit_code
    except BrokenPipeError:  # whoever read standard output has seen enough
        forget_output()
        return 1
    except OSError as error:  # what the network does is a Failure by now
        forget_output()
        write_line(sys.stderr, f"sd-b64: {UNWRITABLE}: standard output: {error.strerror or error}")
        return 1


if __name__ == "__main__":
    main()

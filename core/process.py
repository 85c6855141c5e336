"""A program's process: its loop, its log, how it is told to stop, how it ends with one line."""

import asyncio
import io
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from types import FrameType
from typing import Any, TextIO

from core.allocation import tune_memory
from core.environment import load, misspelt
from core.settings import Settings, SettingsError

STOP_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name)
)
"""What asks a process to stop, and ends it at once the second time; SIGBREAK is Ctrl-Break on Windows."""
CLOSED = getattr(signal, "SIGHUP", None)
"""A terminal that was closed asks a process to stop as well. The system and the shell both say so: the second
time it does nothing."""
OPEN_FILES = 65_536, 10_240
"""How many connections and files a process wants to hold open, and what it tries if that is refused."""

log = logging.getLogger(__name__)


def run(main: Callable[[Settings], Coroutine[Any, Any, None]]) -> None:
    """Run a program with the settings of its environment, on uvloop where it is installed.

    What it logs goes to standard error, first of all what seems to be misspelt in `.env`. A setting that
    cannot be used is printed in one line, with exit code 2; with 3 if it may be usable later.
    """
    open_output()
    _begin_log()
    tune_memory()
    _open_more_files()
    if os.getpid() == 1:
        for number in STOP_SIGNALS:
            signal.signal(number, _at_once())
    try:
        for line in misspelt():
            log.warning("%s", line)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(main(load(os.environ)))
    except SettingsError as error:
        try:
            print(f"sd-b64: {error}", file=sys.stderr)
        except OSError:  # the exit code is heard also where nobody reads
            forget_output(sys.stderr)
        raise SystemExit(error.exit_code) from error
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def announce(text: str) -> None:
    """Tell whoever started this program; that nobody reads it any more ends nothing."""
    try:
        print(text, flush=True)
    except OSError:
        forget_output()


def open_output() -> None:
    """Have both standard streams, also where a program was started with one closed: Python has none then.

    A name that the encoding of standard output lacks is shown escaped.
    """
    sys.stdout = sys.stdout or io.TextIOWrapper(io.FileIO(os.devnull, "w"))
    sys.stderr = sys.stderr or io.TextIOWrapper(io.FileIO(os.devnull, "w"))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def forget_output(stream: TextIO | None = None) -> None:
    """Standard output, or this stream, is broken: let it lead nowhere, or Python tries at its exit to write
    what is left.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), (stream or sys.stdout).fileno())


@asynccontextmanager
async def stop_signal() -> AsyncIterator[asyncio.Event]:
    """Enter to get an event that the first Ctrl-C or SIGTERM sets; a second one ends the process at once.

    A closed terminal sets it, too. It is heard only once, also after this is left.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    previous = _heeded()

    def on_signal() -> None:
        stop.set()
        for number in STOP_SIGNALS:  # the next one is the system's own, which ends the process
            _unset(loop, number)
            signal.signal(number, _at_once())

    for number in previous:
        _set(loop, number, on_signal)
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            _unset(loop, number)
            signal.signal(number, _ignore if number == CLOSED and stop.is_set() else handler)


@contextmanager
def cut_off_by_signal() -> Iterator[None]:
    """Within, the first Ctrl-C, SIGTERM or closed terminal raises KeyboardInterrupt, also out of a call that
    blocks the loop. A second one ends the process at once, but for the terminal's.
    """
    previous = _heeded()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        for number in previous:
            signal.signal(number, _ignore if number == CLOSED else _at_once())
        raise KeyboardInterrupt

    for number in previous:
        signal.signal(number, on_signal)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _heeded() -> dict[int, Any]:
    """The signals that stop this process, with what handles them now; `nohup` wants CLOSED not to."""
    handlers = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    if CLOSED is not None and (handler := signal.getsignal(CLOSED)) != signal.SIG_IGN:
        handlers[CLOSED] = handler
    return handlers


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """As SIG_IGN, but a program that is started here does not inherit it."""


def _at_once() -> Callable[[int, FrameType | None], None] | signal.Handlers:
    """What ends a process on a signal. The system's own way does nothing to process 1, as in a container."""
    return _end if os.getpid() == 1 else signal.SIG_DFL


def _end(number: int, _frame: FrameType | None) -> None:
    os._exit(128 + number)


def _begin_log() -> None:
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S"
    )
    logging.getLogger("websockets").setLevel(logging.WARNING)  # it tells of every connection


def _open_more_files() -> None:
    """Each client is an open file, and many systems begin with 1,024 (Docker 29, a shell) or 256 (macOS).

    So low only for the sake of programs that use `select`, which we do not.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    for number in OPEN_FILES:
        wanted = number if most == resource.RLIM_INFINITY else min(number, most)
        if now == resource.RLIM_INFINITY or wanted <= now:
            return
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
            return


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _set(loop: asyncio.AbstractEventLoop, number: int, on_signal: Callable[[], None]) -> None:
    try:
        loop.add_signal_handler(number, on_signal)
    except NotImplementedError:  # Windows: its loops know no signals, but the interpreter does
        signal.signal(number, lambda _number, _frame: loop.call_soon_threadsafe(on_signal))


def _unset(loop: asyncio.AbstractEventLoop, number: int) -> None:
    try:
        loop.remove_signal_handler(number)
    except NotImplementedError:
        return

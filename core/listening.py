"""Listening: a server on the port that a setting names, or one line that says what is in its way."""

import errno
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from core.addresses import in_url
from core.process import announce
from core.settings import Settings, SettingsError

PORTS = "HTTP_PORT", "WS_PORT", "ENGINE_PORT"
"""The variables of all servers that one program may have."""
NEAR = 20
"""How many ports after the default one are tried."""
BACKLOG = 1024
"""Connections that wait to be taken, as when all clients of a front end that was restarted come back at once.
Who finds no room there tries again after one second, then two, then four; asyncio has 100."""

Listen = Callable[[int], AbstractAsyncContextManager[int]]
"""Enters a server on a port (0: a free one) and gives the one that it got. Raises OSError."""


@asynccontextmanager
async def listening(
    settings: Settings, name: str, listen: Listen, *, may_move: bool = False
) -> AsyncIterator[int]:
    """Enter a server on the port of NAME_PORT; yields the port. `name` is HTTP, WS or ENGINE.

    With `may_move` the next free port is taken, and announced, where the default one cannot be had, or is set
    for another server; one that somebody has set is never moved. Raises SettingsError, which names the
    variable that is to be changed.
    """
    variable = f"{name}_PORT"
    host: str = getattr(settings, f"{name}_host".lower())
    wanted: int = getattr(settings, variable.lower())
    others = {getattr(settings, it.lower()): it for it in PORTS if it != variable}
    same = others.get(wanted, "")
    ports = [wanted]
    if may_move and variable not in settings.given:
        near = range(wanted, min(wanted + NEAR, 65536))
        # Of these the engine is there first, and perhaps not at all.
        set_for_others = settings.given - {"ENGINE_PORT"}
        ports = [*(port for port in near if others.get(port) not in set_for_others), 0]
        moved = f"{wanted} is {same}"
    async with AsyncExitStack() as server:
        for port in ports:
            try:
                bound = await server.enter_async_context(listen(port))
                break
            except (OSError, UnicodeError) as error:
                problem = _problem(error, port, same if port == wanted else "")
                if problem is None:
                    raise SettingsError(
                        f"{name}_HOST", f"cannot listen on {host}: {_words(error)}", passing=_passes(error)
                    ) from error
                if port == ports[-1]:
                    passing = _passes(error) and not {variable, same} <= settings.given
                    raise SettingsError(variable, problem, passing=passing) from error
                if port == wanted:
                    moved = problem
        if port != wanted:
            announce(f"{variable}: {moved}, so it is {bound}")
        yield bound


def reachable(host: str) -> str:
    """An address for a URL that this machine can open, of a host that a server listens on."""
    return in_url({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host))


def _problem(error: OSError | UnicodeError, port: int, same: str) -> str | None:
    """What is wrong with this port, which `same` names as well; None where it is not the port's fault."""
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        ours = f", by {same}, which is the same, or" if same else ""
        return f"{port} is taken{ours} by another program"
    if number == errno.EACCES:  # on Windows also a port that the system has reserved
        why = "ports below 1024 are the administrator's" if port < 1024 else "the system keeps it for itself"
        return f"{port} is not allowed: {why}"
    return None


def _passes(error: OSError | UnicodeError) -> bool:
    """Whether the same may go well later: the address comes, the name is known, the other program ends."""
    return isinstance(error, OSError) and error.errno != errno.EACCES


def _words(error: OSError | UnicodeError) -> str:
    if isinstance(error, UnicodeError):
        return "that is no host name"
    if isinstance(error, socket.gaierror) or not error.errno:
        return error.strerror or str(error)
    return os.strerror(error.errno)  # asyncio puts a sentence of its own where the system's stood

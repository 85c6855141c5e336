"""Ports for servers that must know theirs before they start, and how servers of the tests leave theirs."""

import asyncio
import itertools
import os
import socket

_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_SPAN = 10_000 // _WORKERS * _WORKERS
# The workers of a run take turns. Other runs begin far off: this stride spreads pids that are close together.
_candidates = itertools.count(os.getpid() * 6181 * _WORKERS + _WORKER, _WORKERS)


def free_port() -> int:
    """A port of loopback that nobody uses, and that no other test is given; for benchmarks as well.

    It is below those that a system hands out for port 0 and for outgoing connections: one of these could be
    taken by a test beside this one between the look and the server's start.
    """
    while True:
        port = 20_000 + next(_candidates) % _SPAN
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


async def stop_accepting(*listening: int) -> None:
    """Before a server is closed: asyncio leaves open what it has accepted then, and not begun to serve.

    `listening` are the numbers of its sockets' files.
    """
    for number in listening:
        asyncio.get_running_loop().remove_reader(number)
    for _ in range(2):
        await asyncio.sleep(0)

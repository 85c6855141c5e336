"""Proxies: those that are trusted to say who asks. Their host names are looked up again and again."""

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Sequence

from core.addresses import Address, address_of

LOOKUP_SECONDS = 2.0
"""How long the addresses of a proxy's host name are believed (they change with each replica), and how long a
look-up may take."""
BELIEVED_SECONDS = 600.0
"""The same while nobody tells what they are."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Proxies:
    """The `words` of TRUSTED_PROXIES, as they were read: addresses and networks, the rest are host names."""

    def __init__(self, words: Sequence[str], clock: Callable[[], float]) -> None:
        self._networks: list[Network] = []
        self._names: list[str] = []
        self._clock = clock
        self._found: dict[str, set[Address]] = {}
        self._told_at: dict[str, float] = {}
        self._looked_up = float("-inf")
        """When the last look-up began."""
        self._due = float("-inf")
        self._lookup = asyncio.Lock()
        self._asking: dict[str, asyncio.Task[set[Address] | None]] = {}
        """The last look-up of each name."""
        for word in words:
            try:
                self._networks.append(ipaddress.ip_network(word, strict=False))
            except ValueError:
                self._names.append(word)

    async def include(self, address: Address, *, fresh: bool = False) -> bool:
        """Whether a proxy bears this address; with `fresh` "no" is said only after a look-up from now on."""
        if any(address in network for network in self._networks):
            return True
        if not self._names:
            return False
        asked = self._clock()
        if self._lookup.locked() and (self._is_found(address) or (self._found and not fresh)):
            return self._is_found(address)  # it may be slow, and all but the one who began it go on
        async with self._lookup:
            missed = fresh and not self._is_found(address) and self._looked_up < asked
            if missed or asked >= self._due:
                await self._look_up()
        return self._is_found(address)

    @property
    def are_found(self) -> bool:
        """Whether each of their names led to an address."""
        return all(self._found.get(name) for name in self._names)

    async def _look_up(self) -> None:
        began = self._clock()
        answers = await asyncio.gather(*map(self._ask, self._names))
        for name, found in zip(self._names, answers, strict=True):
            if found is not None:
                self._found[name], self._told_at[name] = found, self._clock()
            elif self._clock() - self._told_at.get(name, float("-inf")) >= BELIEVED_SECONDS:
                self._found[name] = set()
        self._looked_up = began  # not before: one that was cut off has told nothing
        self._due = self._clock() + LOOKUP_SECONDS

    async def _ask(self, name: str) -> set[Address] | None:
        """A name's addresses, as long as that is waited for.

        What takes longer is not begun a second time, also where whoever waited was cut off: each holds one of
        the few threads of this process for as long as the system waits for a name server.
        """
        asking = self._asking.get(name)
        if asking is None or asking.done():
            asking = self._asking[name] = asyncio.create_task(_resolve(name))
        await asyncio.wait({asking}, timeout=LOOKUP_SECONDS)
        return asking.result() if asking.done() else None

    def _is_found(self, address: Address) -> bool:
        return any(address in found for found in self._found.values())


async def _resolve(name: str) -> set[Address] | None:
    """A name's addresses; None where whoever knows them does not answer at the moment."""
    try:
        answers = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        # The name may appear later: a proxy that is not up yet.
        return None if error.errno == socket.EAI_AGAIN else set()
    except (OSError, UnicodeError):
        return set()
    return {address for answer in answers if (address := address_of(str(answer[4][0]))) is not None}

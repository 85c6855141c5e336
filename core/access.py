"""Who may come in, and as whom: the rules that HTTP and the websocket share.

A browser is a way in from outside even on loopback: a page anywhere may make it call us, and a name of
that page's owner may resolve to 127.0.0.1 (DNS rebinding). So Host and Origin are judged before all else.
"""

import asyncio
import hmac
import ipaddress
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from core.caller import Caller
from core.errors import Forbidden, Unauthorized
from core.settings import Settings, SettingsError

LOOKUP_SECONDS = 2.0
"""How long the addresses of a proxy's host name are believed (they change with each replica), and how long a
look-up may take."""
BELIEVED_SECONDS = 600.0
"""The same while nobody tells what they are."""

REMEMBERED = 256
"""Texts whose meaning is kept at hand: strangers may send as many as they like, of 8 KB each."""
LONGEST_URL = 300
"""Characters of an origin: a host name has 253. Python sorts the accents in it, in a time that grows with the
square of their number."""

Headers = Callable[[str], Sequence[str]]
"""All values of a header by its name, in order; none is an empty sequence."""
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks: the caller for the fair queue, and the trusted proxy's id of this request, if any."""

    caller: Caller
    request_id: str | None = None


class Access:
    """The rules of one deployment: `check_browser`, then `check_key`, then `visitor`."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._key = settings.api_key.encode()
        listed = {host.lower() for host in settings.allowed_hosts}
        # May be names, those that the owner gave this machine; but 0.0.0.0 is where to listen, and no name.
        own = {host.lower() for host in (settings.http_host, settings.ws_host) if not _is_anywhere(host)}
        self._hosts = listed | own
        self._origins = {_origin(origin) for origin in settings.allowed_origins}
        self._page_port = settings.http_port
        self._proxies = _Proxies(settings.trusted_proxies, clock)

    def check_browser(self, headers: Headers) -> None:
        """Refuse foreign pages and foreign host names. Raises Forbidden, which names the setting."""
        hosts = headers("Host")
        for host in hosts:
            name = _split(f"//{host}")[0]
            if not self._may_bear(name):
                raise Forbidden(
                    f"the host name {name or host!r} is not ours; list it in ALLOWED_HOSTS to allow it"
                )
            # By this address any page reaches loopback, and browsers do not mark its requests as foreign.
            if name not in self._hosts and _is_anywhere(name) and _is_browser(headers):
                raise Forbidden(f"browsers may not call {name!r}: say 127.0.0.1, or list it in ALLOWED_HOSTS")
        origins = headers("Origin")
        for origin in origins:
            if _origin(origin)[1] is None:  # null, file://
                raise Forbidden(
                    "a page out of a file or a sandbox may not call: it cannot say where it comes from; "
                    "open it over http, and list its origin in ALLOWED_ORIGINS"
                )
            if not self.allows_origin(origin, hosts[0] if hosts else ""):
                raise Forbidden(f"pages of {origin!r} may not call; list it in ALLOWED_ORIGINS to allow it")
        if not origins and "cross-site" in headers("Sec-Fetch-Site") and not _is_navigation(headers):
            raise Forbidden(
                "another site's page may not call; list its origin in ALLOWED_ORIGINS, "
                "and have it say where it comes from, as fetch does, or <img crossorigin>"
            )

    def allows_origin(self, origin: str, host: str) -> bool:
        """Whether a page of this origin may call: the one on our own host, or a listed one."""
        scheme, page, page_port = _origin(origin)
        if page is not None and (scheme, page, page_port) in self._origins:
            return True
        own, own_port = _split(f"{scheme}://{host}")
        return page is not None and page == own and page_port in {own_port, self._page_port}

    @property
    def needs_key(self) -> bool:
        """Whether anybody needs a key at all."""
        return bool(self._key)

    def check_key(self, headers: Headers) -> None:
        """Refuse who brings no key or a wrong one, where a key is set. Raises Unauthorized."""
        if self._key and not any(self.accepts(_bearer(value)) for value in headers("Authorization")):
            raise Unauthorized("the API key is missing or wrong: Authorization: Bearer KEY is wanted")

    def accepts(self, key: str) -> bool:
        """Whether this is the key, compared in a time that tells nothing about it."""
        return bool(self._key) and hmac.compare_digest(key.encode("utf-8", "surrogatepass"), self._key)

    async def visitor(self, headers: Headers, peer: str) -> Visitor:
        """Who asks, by the address of the connection or what a trusted proxy reports of it.

        Of `X-Forwarded-For` the right-most address that no trusted proxy bears counts: what stands left of
        it was written by that stranger.
        """
        address = _address(peer)
        # A proxy that came back a moment ago must not pass for a stranger: its clients would be one caller,
        # and what they repeat would be another caller's.
        if address is None or not await self._proxies.include(address, fresh=True):
            return _unproxied(peer)
        chain = ",".join(headers("X-Forwarded-For")).split(",")
        for text in reversed(chain):
            hop = _address(text.strip())
            if hop is None:
                break
            address = hop
            if not await self._proxies.include(hop):
                break
        request_ids = headers("X-Request-ID")
        return Visitor(_caller(address, peer), (request_ids[0] or None) if request_ids else None)

    def _may_bear(self, host: str | None) -> bool:
        if host is None:
            return False
        return (
            host == "localhost"
            or host.endswith(".localhost")
            or host in self._hosts
            or _address(host) is not None
        )


class _Proxies:
    """The trusted proxies: addresses and networks, and host names that are looked up again and again."""

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
        for word in words:
            try:
                self._networks.append(ipaddress.ip_network(word, strict=False))
            except ValueError:
                if "/" in word or ":" in word:
                    raise SettingsError("TRUSTED_PROXIES", f"{word!r} is no address or network") from None
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

    async def _look_up(self) -> None:
        began = self._clock()
        for name in self._names:
            found = await _resolve(name)
            if found is not None:
                self._found[name], self._told_at[name] = found, self._clock()
            elif self._clock() - self._told_at.get(name, float("-inf")) >= BELIEVED_SECONDS:
                self._found[name] = set()
        self._looked_up = began  # not before: one that was cut off has told nothing
        self._due = self._clock() + LOOKUP_SECONDS

    def _is_found(self, address: Address) -> bool:
        return any(address in found for found in self._found.values())


def check_exposure(settings: Settings, variable: str, host: str, *, asks_key: bool = True) -> None:
    """Refuse to listen beyond loopback without a key. Raises SettingsError with what would allow it.

    What asks for no key is not helped by one; but where it listens on loopback, nobody publishes it.
    """
    shown = settings.bind or host
    if _is_loopback(shown) or settings.allow_anonymous:
        return
    enough = settings.api_key if asks_key else _is_loopback(host)
    if enough:
        return
    wanted = ": set API_KEY, or" if asks_key else ", and no key is asked for there: set"
    raise SettingsError(
        "BIND" if settings.bind else variable,
        f"{shown} can be reached from other machines{wanted} ALLOW_ANONYMOUS=true to let anybody in",
    )


async def _resolve(name: str) -> set[Address] | None:
    """A name's addresses; None where whoever knows them does not answer at the moment."""
    try:
        async with asyncio.timeout(LOOKUP_SECONDS):
            answers = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except TimeoutError:
        return None
    except socket.gaierror as error:
        # The name may appear later: a proxy that is not up yet.
        return None if error.errno == socket.EAI_AGAIN else set()
    except (OSError, UnicodeError):
        return set()
    return {address for answer in answers if (address := _address(str(answer[4][0]))) is not None}


def is_each_its_own(host: str) -> bool:
    """Whether this host is on each machine that machine itself. A1111 with --listen says 0.0.0.0."""
    return _is_loopback(host) or _is_anywhere(host)


def _is_anywhere(host: str | None) -> bool:
    """Whether this is 0.0.0.0 or ::, in whatever way it is written."""
    address = _address(host or "")
    return address is not None and address.is_unspecified


def _is_browser(headers: Headers) -> bool:
    return any("Mozilla/" in agent for agent in headers("User-Agent"))


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return address.is_loopback if address else host.lower() == "localhost"


def _is_navigation(headers: Headers) -> bool:
    """A person followed a link or typed the address: the page that held it cannot read the answer."""
    return "navigate" in headers("Sec-Fetch-Mode") and "document" in headers("Sec-Fetch-Dest")


def _origin(text: str) -> tuple[str, str | None, int | None]:
    """Scheme, host name and port of an origin: programs write it with a slash, or with the usual port."""
    return text.partition(":")[0].lower(), *_split(text)


def _bearer(value: str) -> str:
    scheme, _, key = value.partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


@lru_cache(REMEMBERED)
def _split(url: str) -> tuple[str | None, int | None]:
    """Host name and port of an origin or of `//` and a Host header; (None, None) where it is neither."""
    if len(url) > LONGEST_URL:
        return None, None
    try:
        parts = urlsplit(url)
        return parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return None, None


@lru_cache(REMEMBERED)
def _address(text: str) -> Address | None:
    """An address, IPv4 also where it came wrapped in IPv6, without port and zone."""
    text = text.split("%", 1)[0]
    if text.startswith("["):
        text = text[1:].split("]", 1)[0]
    elif text.count(":") == 1:
        text = text.split(":", 1)[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


@lru_cache(REMEMBERED)
def _unproxied(peer: str) -> Visitor:
    """Who asks from this address itself."""
    return Visitor(_caller(_address(peer), peer))


def _caller(address: Address | None, peer: str) -> Caller:
    """One share for an address; for IPv6 for a /64, of which one person has all."""
    if isinstance(address, ipaddress.IPv6Address):
        return Caller(f"ip:{ipaddress.ip_network((address, 64), strict=False)}")
    return Caller(f"ip:{address or peer or 'unknown'}")

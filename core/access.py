"""Who may come in, and as whom: the rules that HTTP and the websocket share.

A browser is a way in from outside even on loopback: a page anywhere may make it call us, and a name of
that page's owner may resolve to 127.0.0.1 (DNS rebinding). So Host and Origin are judged before all else.
"""

import hmac
import ipaddress
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from core.addresses import REMEMBERED, Address, address_of, is_anywhere, is_loopback, is_unmarked
from core.caller import Caller
from core.errors import Forbidden, Unauthorized
from core.proxies import Proxies
from core.settings import Settings, SettingsError

log = logging.getLogger(__name__)

LONGEST_URL = 300
"""Characters of an origin, of which a host name has 253 at most. A longer one is not parsed: `urlsplit`
normalises it, and for a text full of accents that takes a time that grows with the square of its length."""

UNBELIEVED = (
    "what %s reports of its clients (X-Forwarded-For) is not believed: all of them are one caller; "
    "if it is a proxy of yours, list it in TRUSTED_PROXIES"
)

Headers = Callable[[str], Sequence[str]]
"""All values of a header by its name, in order; none is an empty sequence."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks: the caller for the fair queue, and the trusted proxy's id of this request, if any."""

    caller: Caller
    request_id: str | None = None


class Access:
    """The rules of one deployment: `check_browser`, then `check_key`, then `visitor`."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._keys = _spellings(settings.api_key)
        listed = {host.lower() for host in settings.allowed_hosts}
        # May be names, those that the owner gave this machine; but 0.0.0.0 is where to listen, and no name.
        own = {host.lower() for host in (settings.http_host, settings.ws_host) if not is_anywhere(host)}
        self._hosts = listed | own
        self._origins = {_origin(origin) for origin in settings.allowed_origins}
        self._page_port = settings.http_port
        self._proxies = Proxies(settings.trusted_proxies, clock)
        self._told_of_proxy = False

    def check_browser(self, headers: Headers) -> None:
        """Refuse foreign pages and foreign host names. Raises Forbidden, which names the setting."""
        hosts = headers("Host")
        for host in hosts:
            name = _split(f"//{host}")[0]
            if not self._may_bear(name):
                raise Forbidden(
                    f"the host name {name or host!r} is not ours; list it in ALLOWED_HOSTS to allow it"
                )
            # By this address any page reaches loopback.
            if name not in self._hosts and is_unmarked(name or "") and _is_browser(headers):
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
        return bool(self._keys)

    def check_key(self, headers: Headers) -> None:
        """Refuse who brings no key or a wrong one, where a key is set. Raises Unauthorized."""
        if self._keys and not any(self.accepts(_bearer(value)) for value in headers("Authorization")):
            raise Unauthorized("the API key is missing or wrong: Authorization: Bearer KEY is wanted")

    def accepts(self, key: str) -> bool:
        """Whether this is the key, compared in a time that tells nothing about it."""
        said = key.encode("utf-8", "surrogateescape")
        return any(hmac.compare_digest(said, spelling) for spelling in self._keys)

    async def visitor(self, headers: Headers, peer: str) -> Visitor:
        """Who asks, by the address of the connection or what a trusted proxy reports of it.

        Of `X-Forwarded-For` the right-most address that no trusted proxy bears counts: what stands left of
        it was written by that stranger.
        """
        address = address_of(peer)
        # A proxy that came back a moment ago must not pass for a stranger: its clients would be one caller,
        # and what they repeat would be another caller's.
        reported = headers("X-Forwarded-For")
        if address is None or not await self._proxies.include(address, fresh=True):
            if reported and not self._told_of_proxy and self._proxies.are_found:  # once: anybody may write it
                self._told_of_proxy = True
                log.warning(UNBELIEVED, peer)
            return _unproxied(peer)
        chain = ",".join(reported).split(",")
        for text in reversed(chain):
            hop = address_of(text.strip())
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
            or address_of(host) is not None
        )


def check_exposure(settings: Settings, variable: str, host: str, *, asks_key: bool = True) -> None:
    """Refuse to listen beyond loopback without a key. Raises SettingsError with what would allow it.

    What asks for no key is not helped by one; but where it listens on loopback, nobody publishes it.
    """
    shown = settings.bind or host
    if is_loopback(shown) or settings.allow_anonymous:
        return
    enough = settings.api_key if asks_key else is_loopback(host)
    if enough:
        return
    wanted = ": set API_KEY, or" if asks_key else ", and no key is asked for there: set"
    raise SettingsError(
        "BIND" if settings.bind else variable,
        f"{shown} can be reached from other machines{wanted} ALLOW_ANONYMOUS=true to let anybody in",
    )


def _is_browser(headers: Headers) -> bool:
    return any("Mozilla/" in agent for agent in headers("User-Agent"))


def _is_navigation(headers: Headers) -> bool:
    """A person followed a link or typed the address: the page that held it cannot read the answer."""
    return "navigate" in headers("Sec-Fetch-Mode") and "document" in headers("Sec-Fetch-Dest")


def _origin(text: str) -> tuple[str, str | None, int | None]:
    """Scheme, host name and port of an origin: programs write it with a slash, or with the usual port."""
    return text.partition(":")[0].lower(), *_split(text)


def _spellings(key: str) -> Sequence[bytes]:
    """The bytes that a header may have for this key, if there is one.

    curl and Go write letters beyond ASCII in UTF-8, fetch and Python's libraries in Latin-1.
    """
    if not key:
        return ()
    try:
        return (key.encode(), key.encode("latin-1"))
    except UnicodeEncodeError:
        return (key.encode(),)


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
def _unproxied(peer: str) -> Visitor:
    """Who asks from this address itself."""
    return Visitor(_caller(address_of(peer), peer))


def _caller(address: Address | None, peer: str) -> Caller:
    """One share for an address; for IPv6 for a /64, of which one person has all."""
    if isinstance(address, ipaddress.IPv6Address):
        return Caller(f"ip:{ipaddress.ip_network((address, 64), strict=False)}")
    return Caller(f"ip:{address or peer or 'unknown'}")

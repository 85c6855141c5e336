"""Variables: what the words of one environment variable say. Pure.

Each reader answers with a value, or raises ValueError with what is wanted.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from core.addresses import in_url, is_anywhere
from core.request import FLAGS

REDIS_OPTIONS = ("db", "username", "password", "client_name", "health_check_interval", "socket_keepalive")
"""What REDIS_URL may say behind its ?. How long a call waits and what an answer looks like is the store's."""

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
"""How a machine calls itself in an address."""
API = "/sdapi/v1"
"""Where a backend's own path ends, should its address have been copied together with this."""


@dataclass(frozen=True, slots=True)
class BackendAddress:
    """Where an A1111 server listens. `name` may be shown to anybody; the credentials never are."""

    url: str
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    machine: str = ""
    """What its host is called where other machines hear of it; empty: as in `url`."""

    @property
    def host(self) -> str:
        """Where it listens, as in `url`."""
        return urlsplit(self.url).hostname or ""

    @property
    def name(self) -> str:
        """`host:port`, and the path where the server lives below one."""
        parts = urlsplit(self.url)
        return f"{in_url(self.machine or self.host)}:{parts.port}{parts.path}"


def read_text(value: str) -> str:
    """Any text."""
    return value.strip()


def read_host(value: str) -> str:
    """A host name or an address to listen on."""
    host = value.strip().removeprefix("[").removesuffix("]")
    if any(letter in host for letter in "/ @,;*") or (":" in host and not _is_network(host)):
        raise ValueError(
            "one host name or address is wanted, without scheme and port, such as 127.0.0.1 or 0.0.0.0"
        )
    return host


def whole_reader(low: int, high: int) -> Callable[[str], int]:
    """What reads a whole number within these bounds."""

    def read(value: str) -> int:
        try:
            number = int(value)
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            raise ValueError(f"a whole number from {low} to {high} is wanted")
        return number

    return read


def number_reader(low: float, high: float, unit: str = "seconds") -> Callable[[str], float]:
    """What reads a number of this unit within these bounds."""

    def read(value: str) -> float:
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not low <= number <= high:  # false for NaN as well
            raise ValueError(f"{unit} from {low:g} to {high:g} are wanted")
        return number

    return read


def url_reader(*schemes: str) -> Callable[[str], str]:
    """What reads an address with one of these schemes, without a slash at its end."""

    def read(value: str) -> str:
        url = value.strip().rstrip("/")
        try:
            parts = urlsplit(url)
            usable = parts.scheme in schemes and _names_server(parts)
        except ValueError:
            usable = False
        if url and not usable:
            raise ValueError(f"an address is wanted that begins with {schemes[-1]}://HOST")
        return url

    return read


def read_ids(value: str) -> tuple[int, ...]:
    """Discord's ids (snowflakes) are whole numbers of 64 bits."""
    words = read_words(value)
    if not all(word.isascii() and word.isdigit() for word in words):
        raise ValueError("comma-separated ids are wanted: Discord shows them in developer mode")
    return tuple(int(word) for word in words)


def read_flag(value: str) -> bool:
    """True or false, see FLAGS."""
    flag = FLAGS.get(value.strip().lower())
    if flag is None:
        raise ValueError("true or false is wanted")
    return flag


def read_words(value: str) -> tuple[str, ...]:
    """Words between commas. A semicolon is refused: what it was meant to separate would be one word."""
    if ";" in value:
        raise ValueError("separate them by commas, not by ;")
    return _between_commas(value)


def _between_commas(value: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in value.split(",") if word.strip())


def read_names(value: str) -> tuple[str, ...]:
    """Host names between commas, as a browser writes them."""
    wanted = "host names are wanted, without scheme and port, such as pictures.example"
    names = read_words(value)
    if any(letter in name for name in names for letter in "/:@* "):
        raise ValueError(wanted)
    try:
        return tuple(name.encode("idna").decode() for name in names)
    except UnicodeError as error:
        raise ValueError(wanted) from error


def read_proxies(value: str) -> tuple[str, ...]:
    """Addresses, networks and host names between commas."""
    words = read_words(value)
    for word in words:
        try:
            if re.fullmatch(r"[\d./]+", word):  # no host has such a name
                ip_network(word, strict=False)
            elif not _is_network(word):
                read_names(word)
        except ValueError:
            raise ValueError(f"{word!r} is no address, network or host name") from None
    return words


def _is_network(word: str) -> bool:
    """Whether these are addresses, one or a network of them."""
    try:
        ip_network(word, strict=False)
    except ValueError:
        return False
    return True


def read_origins(value: str) -> tuple[str, ...]:
    """Origins as a browser writes them: `https://gallery.example`, a port only where it is not the usual."""
    return tuple(_origin(word) for word in read_words(value))


def _origin(text: str) -> str:
    wanted = f"origins are wanted, such as https://gallery.example; {text!r} is none"
    try:
        parts = urlsplit(text)
        host = (parts.hostname or "").encode("idna").decode()
        port = parts.port
    except ValueError as error:
        raise ValueError(wanted) from error
    beyond = parts.username or parts.path.strip("/") or parts.query or parts.fragment
    if not parts.scheme or not host or "*" in host or beyond:
        raise ValueError(wanted)
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    return f"{parts.scheme}://{in_url(host)}" + ("" if port in {None, usual} else f":{port}")


def read_backends(value: str) -> tuple[BackendAddress, ...]:
    """Addresses of A1111 servers between commas, each once. In a password there may be any sign."""
    words, addresses = _between_commas(value), list[BackendAddress]()
    for number, word in enumerate(words, 1):
        try:
            addresses.append(_backend(word))
        except ValueError as error:
            which = f"; so number {number} of the {len(words)} is wrong" if len(words) > 1 else ""
            raise ValueError(f"{error}{which}") from error
    names = {_one_name(address) for address in addresses}
    if len(names) < len(addresses):
        raise ValueError("names the same server twice")
    return tuple(addresses)


def _one_name(address: BackendAddress) -> str:
    """Its name, one for all words by which a machine calls itself; 127.0.0.2 may be another server."""
    here = address.host in LOOPBACK or is_anywhere(address.host)
    return replace(address, machine="localhost").name if here else address.name


def _backend(text: str) -> BackendAddress:
    """Read `http://user:password@host:7860`; the error never repeats the text, it may hold a password."""
    wanted = "comma-separated addresses are wanted, such as http://127.0.0.1:7860"
    _check_password(text)
    try:
        parts = urlsplit(text)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        usable = parts.scheme in {"http", "https"} and _names_server(parts)
    except ValueError as error:
        raise ValueError(wanted) from error
    if not usable or parts.query or parts.fragment:
        raise ValueError(wanted)
    path = parts.path.rstrip("/").removesuffix(API)
    # A link's address may hold %25 where who looks it up wants %.
    host = in_url((parts.hostname or "").replace("%25", "%"))
    url = f"{parts.scheme}://{host}:{port}{path}"
    return BackendAddress(url, unquote(parts.username or ""), unquote(parts.password or ""))


def _names_server(parts: SplitResult) -> bool:
    """Whether it has a host that can be looked up, and no port 0. May raise ValueError where it has not."""
    host = parts.hostname or ""
    host.encode("idna")
    return bool(host) and " " not in host and parts.port != 0


def _check_password(url: str) -> None:
    """Refuse a /, ? or # in it: it ends the host's part, and what stands before it is shown as a port."""
    if "@" in "".join(re.split("[/?#]", url.partition("://")[2], maxsplit=1)[1:]):
        raise ValueError(
            "an @ comes after a /, ? or #; write / in a password as %2F, ? as %3F, # as %23, "
            "and @ anywhere else as %40"
        )


def read_redis_url(value: str) -> str:
    """The address of Valkey or Redis. The error never repeats the text, it may hold a password."""
    url = value.strip()
    if not url.startswith("unix:"):
        _check_password(url)
    try:
        parts = urlsplit(url)
        usable = _names_redis(parts)
    except ValueError:
        usable = False
    if url and not usable:
        raise ValueError("an address such as redis://127.0.0.1:6379/0 is wanted")
    tls = parts.scheme == "rediss"
    for option, _ in parse_qsl(parts.query, keep_blank_values=True):
        if option not in REDIS_OPTIONS and not (tls and option.startswith("ssl_")):
            raise ValueError(f"behind its ? may stand {', '.join(REDIS_OPTIONS)}, and ssl_... with rediss://")
    return url


def _names_redis(parts: SplitResult) -> bool:
    """Whether it names one server and database: what redis-py cannot read there it takes for its defaults."""
    if parts.fragment:
        return False
    if parts.scheme == "unix":
        return bool(parts.path) and not parts.hostname
    database = parts.path.strip("/")
    whole = not database or (database.isascii() and database.isdigit())
    return parts.scheme in {"redis", "rediss"} and whole and _names_server(parts)

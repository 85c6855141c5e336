"""Variables: what the words of one environment variable say. Pure.

Each reader answers with a value, or raises ValueError with what is wanted.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit


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
        parts, host = urlsplit(self.url), self.machine or self.host
        host = f"[{host}]" if ":" in host else host
        return f"{host}:{parts.port}{parts.path}"


def read_text(value: str) -> str:
    """Any text."""
    return value.strip()


def read_host(value: str) -> str:
    """A host name or an address to listen on."""
    host = value.strip().removeprefix("[").removesuffix("]")
    if any(letter in host for letter in "/ @"):
        raise ValueError("a host name or an address is wanted, such as 127.0.0.1 or 0.0.0.0")
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
        parts = urlsplit(url)
        if url and (parts.scheme not in schemes or not parts.hostname):
            raise ValueError(f"an address is wanted that begins with {schemes[-1]}://")
        return url

    return read


def read_ids(value: str) -> tuple[int, ...]:
    """Discord's ids (snowflakes) are whole numbers of 64 bits."""
    words = read_words(value)
    if not all(word.isascii() and word.isdigit() for word in words):
        raise ValueError("comma-separated ids are wanted: Discord shows them in developer mode")
    return tuple(int(word) for word in words)


def read_flag(value: str) -> bool:
    """True or false, in the words that people use."""
    word = value.strip().lower()
    if word in {"true", "1", "yes", "on"}:
        return True
    if word in {"false", "0", "no", "off"}:
        return False
    raise ValueError("true or false is wanted")


def read_words(value: str) -> tuple[str, ...]:
    """Words between commas."""
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
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + ("" if port in {None, usual} else f":{port}")


def read_backends(value: str) -> tuple[BackendAddress, ...]:
    """Addresses of A1111 servers between commas, each once."""
    addresses = tuple(_backend(word) for word in read_words(value))
    names = [address.name for address in addresses]
    if len(set(names)) < len(names):
        raise ValueError("names the same server twice")
    return addresses


def _backend(text: str) -> BackendAddress:
    """Read `http://user:password@host:7860`; the error never repeats the text, it may hold a password."""
    wanted = "comma-separated addresses are wanted, such as http://127.0.0.1:7860"
    _check_password(text)
    try:
        parts = urlsplit(text)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        usable = parts.scheme in {"http", "https"} and _names_door(parts)
    except ValueError as error:
        raise ValueError(wanted) from error
    if not usable or parts.query or parts.fragment:
        raise ValueError(wanted)
    host = parts.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    url = f"{parts.scheme}://{shown}:{port}{parts.path.rstrip('/')}"
    return BackendAddress(url, unquote(parts.username or ""), unquote(parts.password or ""))


def _names_door(parts: SplitResult) -> bool:
    """Whether a host is named, as it is looked up, and no port but one to knock at. May raise ValueError."""
    host = parts.hostname or ""
    host.encode("idna")
    return bool(host) and " " not in host and parts.port != 0


def _check_password(url: str) -> None:
    """Refuse a / in it: the rest of it would be a path, and what stands before a port, which is shown."""
    if "@" in url.partition("://")[2].partition("/")[2]:
        raise ValueError("an @ comes after a /; write / in a password as %2F, and @ in a path as %40")


def read_redis_url(value: str) -> str:
    """The address of Valkey or Redis. The error never repeats the text, it may hold a password."""
    url = value.strip()
    if not url.startswith("unix:"):
        _check_password(url)
    try:
        parts = urlsplit(url)
        # A fragment is the rest of a password with a # in it.
        names = bool(parts.hostname or parts.path) and not parts.fragment
        usable = parts.scheme in {"redis", "rediss", "unix"} and names
        _ = parts.port
    except ValueError:
        usable = False
    if url and not usable:
        raise ValueError("an address such as redis://127.0.0.1:6379/0 is wanted")
    return url

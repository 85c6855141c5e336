"""Where the server is and which key opens it: from options, the environment, the server's own settings."""

import socket
from collections.abc import Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from yarl import URL

from cli.exit_codes import USAGE
from cli.failures import Failure
from core import reachable
from core.environment import load
from core.settings import Settings, SettingsError
from core.text_files import text_of
from core.variables import LOOPBACK

DEFAULT_PORT = 5000
NUMBERS = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
EVERYWHERE = {"0.0.0.0", "::"}
"""What a server listens on at all of this machine's addresses."""


@dataclass(frozen=True, slots=True)
class Address:
    """A server. The key is shown nowhere."""

    url: URL
    key: str = field(default="", repr=False)
    is_guess: bool = False
    """Whether nobody named its port: where the usual one was taken, `serve` has moved to another."""

    @property
    def has_login(self) -> bool:
        """Whether the address holds a user or a password, which a proxy before the server may want."""
        return self.url.user is not None or self.url.password is not None


def find_server(server: str | None, key: str | None, environ: Mapping[str, str]) -> Address:
    """The address that these options and this environment mean. Raises Failure.

    What is on this machine is `sd-b64 serve`, so its own settings tell port and key. The key of this machine
    does not go to others, whatever a `.env` says that happens to lie here.
    """
    named = server or environ.get("SD_B64_URL")
    url = _url(named) if named else None
    key = key or _key(environ)
    needed = set() if url else {"HTTP_HOST", "HTTP_PORT"}
    if not key and (url is None or url.host in LOOPBACK):
        needed.add("API_KEY")
    own = _own_settings(environ, needed)
    if url is None:
        url = URL(f"http://{_own_host(own.http_host)}:{own.http_port or DEFAULT_PORT}")
    key = key or own.api_key
    is_guess = not named and ("HTTP_PORT" not in own.given or not own.http_port)
    address = Address(url, key, is_guess)
    if key and address.has_login:
        raise Failure(USAGE, "the address has a user, and there is an API key: only one can be sent")
    if not key.isprintable():
        raise Failure(USAGE, "the API key holds a character that cannot be sent, such as a line break")
    return address


def _own_host(host: str) -> str:
    """Where this machine is asked, if it listens on this host. Raises Failure where that is another one."""
    if host in LOOPBACK | EVERYWHERE:
        return reachable(host)
    with suppress(OSError, ValueError):  # there is no such host
        for family, kind, _, _, address in socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM):
            with suppress(OSError), socket.socket(family, kind) as door:
                door.bind(address)
                # Not the name: asked once more, it may lead elsewhere. A link's own address has its scope.
                return reachable(socket.getnameinfo(address, NUMBERS)[0])
    raise Failure(USAGE, f"HTTP_HOST: {host!r} is not this machine: name a server elsewhere by --server")


def _url(text: str) -> URL:
    try:
        url = URL(text.rstrip("/?#"))
        usable = url.scheme in {"http", "https"} and bool(url.host)
        # An @ behind the host's part belongs to a password that a / has cut off.
        usable = usable and not (url.query_string or url.fragment or "@" in url.path)
        (url.host or "").encode("idna")  # as it is looked up
    except ValueError:
        usable = False
    if not usable:
        shown = text.rpartition("@")[2]  # before that a password may stand
        raise Failure(USAGE, f"{shown!r} is no server: http://HOST:PORT is wanted")
    # A link's address may hold %25 where who looks it up wants %.
    return url.with_host(url.host) if url.host and "%" in url.host else url


def _key(environ: Mapping[str, str]) -> str:
    key, path = environ.get("SD_B64_KEY", ""), environ.get("SD_B64_KEY_FILE")
    if key or not path:
        return key
    try:
        return text_of(Path(path)).strip()
    except (OSError, ValueError) as error:
        raise Failure(USAGE, f"SD_B64_KEY_FILE: cannot be read: {error}") from None


def _own_settings(environ: Mapping[str, str], needed: Set[str]) -> Settings:
    """Those that tell where this machine's server is; others may be for containers, with paths in them.

    `run.py` leaves us in its caller's folder, and says that the server has its `.env` elsewhere.
    """
    dotenv = Path(environ.get("SD_B64_DOTENV") or ".env")
    try:
        return load(environ, dotenv, names=needed) if needed else Settings()
    except SettingsError as error:
        raise Failure(USAGE, str(error)) from None

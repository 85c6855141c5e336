"""Settings: environment variables (and `.env`) to one immutable value.

The fields of `Settings` are the one table of settings: an environment variable is a field's name in
capitals, its metadata says how it is read and what it is for. A wrong value is a `SettingsError` that
names the variable; the programs print it and exit with 2.
"""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from dotenv import dotenv_values

from core.request import Limits


class SettingsError(Exception):
    """A setting cannot be used; its text is one line that names the variable."""

    def __init__(self, variable: str, problem: str) -> None:
        super().__init__(f"{variable}: {problem}")
        self.variable = variable


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


def _text(value: str) -> str:
    return value.strip()


def _host(value: str) -> str:
    host = value.strip().removeprefix("[").removesuffix("]")
    if any(letter in host for letter in "/ @"):
        raise ValueError("a host name or an address is wanted, such as 127.0.0.1 or 0.0.0.0")
    return host


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        try:
            number = int(value)
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            raise ValueError(f"a whole number from {low} to {high} is wanted")
        return number

    return read


def _seconds(low: float, high: float) -> Callable[[str], float]:
    def read(value: str) -> float:
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not low <= number <= high:  # false for NaN as well
            raise ValueError(f"seconds from {low:g} to {high:g} are wanted")
        return number

    return read


def _url(*schemes: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        url = value.strip().rstrip("/")
        parts = urlsplit(url)
        if url and (parts.scheme not in schemes or not parts.hostname):
            raise ValueError(f"an address is wanted that begins with {schemes[-1]}://")
        return url

    return read


def _ids(value: str) -> tuple[int, ...]:
    """Discord's ids (snowflakes) are whole numbers of 64 bits."""
    words = _words(value)
    if not all(word.isascii() and word.isdigit() for word in words):
        raise ValueError("comma-separated ids are wanted: Discord shows them in developer mode")
    return tuple(int(word) for word in words)


def _flag(value: str) -> bool:
    word = value.strip().lower()
    if word in {"true", "1", "yes", "on"}:
        return True
    if word in {"false", "0", "no", "off"}:
        return False
    raise ValueError("true or false is wanted")


def _words(value: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in value.split(",") if word.strip())


def _names(value: str) -> tuple[str, ...]:
    names = _words(value)
    if any(letter in name for name in names for letter in "/:@* "):
        raise ValueError("host names are wanted, without scheme and port, such as pictures.example")
    return names


def _origins(value: str) -> tuple[str, ...]:
    """Origins as a browser writes them: `https://gallery.example`, a port only where it is not the usual."""
    return tuple(_origin(word) for word in _words(value))


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


def _backends(value: str) -> tuple[BackendAddress, ...]:
    addresses = tuple(_backend(word) for word in _words(value))
    names = [address.name for address in addresses]
    if len(set(names)) < len(names):
        raise ValueError("names the same server twice")
    return addresses


def _backend(text: str) -> BackendAddress:
    """Read `http://user:password@host:7860`; the error never repeats the text, it may hold a password."""
    wanted = "comma-separated addresses are wanted, such as http://127.0.0.1:7860"
    try:
        parts = urlsplit(text)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise ValueError(wanted) from error
    host, beyond = parts.hostname or "", parts.query or parts.fragment
    if parts.scheme not in {"http", "https"} or not host or " " in host or beyond:
        raise ValueError(wanted)
    shown = f"[{host}]" if ":" in host else host
    url = f"{parts.scheme}://{shown}:{port}{parts.path.rstrip('/')}"
    return BackendAddress(url, unquote(parts.username or ""), unquote(parts.password or ""))


def _redis_url(value: str) -> str:
    """The error never repeats the text, it may hold a password."""
    url = value.strip()
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"redis", "rediss", "unix"} and (parts.hostname or parts.path)
        _ = parts.port
    except ValueError:
        usable = None
    if url and not usable:
        raise ValueError("an address such as redis://127.0.0.1:6379/0 is wanted")
    return url


def _setting(
    default: Any, read: Callable[[str], Any], about: str, *, secret: bool = False, may_be_empty: bool = False
) -> Any:
    metadata = {"read": read, "about": about, "secret": secret, "may_be_empty": may_be_empty}
    return field(default=default, repr=not secret, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that a deployment may choose. Durations are seconds, sizes bytes or pixels."""

    sd_backends: tuple[BackendAddress, ...] = _setting(
        (),
        _backends,
        "A1111, Forge or SD.Next servers, comma-separated, http://user:password@host:7860 for --api-auth; "
        "empty: the one on 127.0.0.1:7860 if it answers at start, else the built-in engine",
        secret=True,
    )
    engine_host: str = _setting("127.0.0.1", _host, "where the built-in engine listens")
    engine_port: int = _setting(
        7861, _whole(0, 65535), "its port (`serve` takes a free one unless this is set)"
    )
    engine_step_seconds: float = _setting(
        0.1, _seconds(0, 60), "seconds that the built-in engine pretends to think for a step"
    )
    redis_url: str = _setting(
        "",
        _redis_url,
        "a Valkey or Redis server, redis://user:password@host:6379/0 (rediss:// for TLS), by which any "
        "number of processes share one queue; empty: the queue in this process's memory",
        secret=True,
    )
    http_host: str = _setting("127.0.0.1", _host, "where HTTP listens")
    http_port: int = _setting(
        5000, _whole(0, 65535), "its port; when unset and taken, `serve` moves to the next free one"
    )
    ws_host: str = _setting("127.0.0.1", _host, "where the websocket listens")
    ws_port: int = _setting(
        8765, _whole(0, 65535), "its port; when unset and taken, `serve` moves to the next free one"
    )
    trusted_proxies: tuple[str, ...] = _setting(
        (),
        _words,
        "addresses, networks or host names whose X-Forwarded-For and X-Request-ID are believed",
    )
    api_key: str = _setting(
        "",
        _text,
        "when set, everything but health and the page at / needs it (Authorization: Bearer KEY)",
        secret=True,
    )
    allow_anonymous: bool = _setting(False, _flag, "listen beyond loopback although no API_KEY is set")
    bind: str = _setting(
        "",
        _host,
        "the address that a container's ports are published on; counts instead of the listening address",
    )
    allowed_hosts: tuple[str, ...] = _setting(
        (), _names, "names, beyond loopback ones and addresses, that a request's Host may bear"
    )
    allowed_origins: tuple[str, ...] = _setting(
        (), _origins, "foreign pages that may call us, such as https://gallery.example"
    )
    max_queue: int = _setting(1000, _whole(1, 10_000_000), "jobs waiting in all")
    max_jobs_per_user: int = _setting(100, _whole(1, 10_000_000), "jobs waiting of one caller")
    model_slack: float = _setting(
        4.0,
        _seconds(0, 1e6),
        "cost units (one is 20 steps at 512x512) that jobs for the loaded model may jump ahead",
    )
    max_prompt: int = _setting(4000, _whole(1, 1_000_000), "characters of a prompt")
    max_pixels: int = _setting(4_194_304, _whole(4096, 1 << 28), "width x height of a picture")
    max_steps: int = _setting(150, _whole(1, 10_000), "steps of a picture")
    max_batch: int = _setting(8, _whole(1, 100), "pictures of one request")
    result_ttl: float = _setting(900.0, _seconds(1, 1e7), "seconds that a kept result can be fetched")
    result_max_bytes: int = _setting(268_435_456, _whole(1, 1 << 50), "bytes of all kept results together")
    job_timeout: float = _setting(600.0, _seconds(0.01, 1e6), "seconds for one attempt on a backend")
    max_attempts: int = _setting(
        2, _whole(1, 100), "attempts that may fail on a backend before the job fails"
    )
    max_deliveries: int = _setting(
        10, _whole(1, 1000), "workers that may die with a job before the job fails"
    )
    lease_ttl: float = _setting(
        3.0, _seconds(0.05, 3600), "seconds after which a silent worker's job goes to another"
    )
    shutdown_grace: float = _setting(30.0, _seconds(0, 3600), "seconds that running jobs get at shutdown")
    prompt_file: str = _setting(
        "prompt.txt", _text, "file that holds the last prompt; empty: none", may_be_empty=True
    )
    discord_token: str = _setting("", _text, "the bot's token; set, `serve` starts the bot too", secret=True)
    discord_api_base: str = _setting(
        "", _url("http", "https"), "another server that speaks Discord's REST API; empty: Discord"
    )
    discord_gateway_url: str = _setting(
        "", _url("ws", "wss"), "another server that speaks Discord's gateway; empty: Discord"
    )
    discord_channels: tuple[int, ...] = _setting(
        (), _ids, "ids of the channels where the bot may be used; empty: all, and direct messages"
    )
    discord_roles: tuple[int, ...] = _setting(
        (), _ids, "ids of the roles that may use the bot; empty: everybody"
    )
    discord_blocked_words: tuple[str, ...] = _setting(
        (), _words, "words that refuse a Discord prompt, whole words in any case"
    )
    discord_max_jobs_per_user: int = _setting(
        5, _whole(1, 10_000), "jobs of one Discord user under way at once"
    )
    discord_max_jobs_per_server: int = _setting(
        50, _whole(1, 1_000_000), "jobs of one Discord server under way at once"
    )
    discord_previews: bool = _setting(True, _flag, "show the picture in Discord while it is painted")
    discord_spoiler: bool = _setting(
        False, _flag, "hide pictures as spoilers in all channels that are not age-restricted"
    )
    discord_max_file_bytes: int = _setting(
        10_485_760,
        _whole(65_536, 1 << 30),
        "bytes of a message's files; larger pictures are sent in another format",
    )
    given: frozenset[str] = field(default=frozenset(), metadata={})
    """Names of the variables that were set, where that makes a difference (ports)."""

    def is_given(self, variable: str) -> bool:
        """Whether the environment set this variable (a default may move, a set value may not)."""
        return variable in self.given

    @property
    def limits(self) -> Limits:
        """What one request may ask for."""
        return Limits(self.max_prompt, self.max_pixels, self.max_steps, self.max_batch)

    def with_backends(self, *addresses: BackendAddress) -> "Settings":
        """The same settings with these servers painting."""
        return replace(self, sd_backends=addresses)


SETTINGS = tuple(item for item in fields(Settings) if item.metadata)
"""The table: one dataclass field a variable; `metadata["about"]` is the line that documents it."""


def load(environ: Mapping[str, str], dotenv: Path | None = Path(".env")) -> Settings:
    """Read the settings from `environ`, and what it leaves out from the file `dotenv`.

    Raises SettingsError for a value that cannot be used and for a secret's file that cannot be read.
    """
    values = _written(dotenv) | dict(environ)
    chosen: dict[str, Any] = {}
    for item in SETTINGS:
        name = item.name.upper()
        text = _value(name, values, secret=item.metadata["secret"])
        if text is None or (not text.strip() and not item.metadata["may_be_empty"]):
            continue  # compose passes unset variables on as empty ones
        try:
            chosen[item.name] = item.metadata["read"](text)
        except ValueError as error:
            raise SettingsError(name, str(error)) from None
    return Settings(**chosen, given=frozenset(name.upper() for name in chosen))


def load_or_exit() -> Settings:
    """The settings of this process; a wrong one is printed in one line and ends it with exit code 2."""
    try:
        return load(os.environ)
    except SettingsError as error:
        print(f"sd-b64: {error}", file=sys.stderr)
        raise SystemExit(2) from error


def _written(dotenv: Path | None) -> dict[str, str]:
    if not dotenv or not dotenv.is_file():
        return {}
    try:
        written = dotenv_values(dotenv, encoding="utf-8-sig")  # Windows' Notepad begins it with a BOM
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(str(dotenv), f"cannot be read: {error}") from None
    return {name: value for name, value in written.items() if value is not None}


def _value(name: str, values: Mapping[str, str], *, secret: bool) -> str | None:
    path = values.get(f"{name}_FILE", "") if secret else ""
    if not path:
        return values.get(name)
    if values.get(name):
        raise SettingsError(name, f"set either {name} or {name}_FILE, not both")
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name}_FILE", f"cannot be read: {error}") from None
    if not text:  # an empty secret would open what it was meant to close
        raise SettingsError(f"{name}_FILE", f"{path} is empty")
    return text

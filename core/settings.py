"""Settings: everything that a deployment may choose, in one immutable value.

The fields of `Settings` are the one table of settings: an environment variable is a field's name in
capitals, its metadata says how it is read and what it is for. `core.environment` reads them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any

from core.request import Limits
from core.variables import (
    BackendAddress,
    number_reader,
    read_backends,
    read_flag,
    read_host,
    read_ids,
    read_names,
    read_origins,
    read_proxies,
    read_redis_url,
    read_text,
    read_words,
    url_reader,
    whole_reader,
)


class SettingsError(Exception):
    """A setting cannot be used; its text is one line that names the variable.

    The programs print it and exit with 2, or with 3 where it may be usable later.
    `passing`: it may be right, and the system refuses it for now, as an address that a boot has not set yet.
    """

    def __init__(self, variable: str, problem: str, *, passing: bool = False) -> None:
        super().__init__(f"{variable}: {problem}")
        self.variable = variable
        self.exit_code = 3 if passing else 2


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
        read_backends,
        "A1111, Forge or SD.Next servers, comma-separated, http://user:password@host:7860 for --api-auth; "
        "empty: the one on 127.0.0.1:7860, or until it answers the built-in engine of `serve` "
        "(nothing else has it); with REDIS_URL `serve` leaves the painting to others then",
        secret=True,
    )
    engine_host: str = _setting("127.0.0.1", read_host, "where the built-in engine listens")
    engine_port: int = _setting(
        7861, whole_reader(0, 65535), "its port (`serve` takes a free one unless this is set)"
    )
    engine_step_seconds: float = _setting(
        0.1, number_reader(0, 60), "seconds that the built-in engine pretends to think for a step"
    )
    redis_url: str = _setting(
        "",
        read_redis_url,
        "a Valkey or Redis server, redis://user:password@host:6379/0 (rediss:// for TLS), by which any "
        "number of processes share one queue; empty: the queue in this process's memory",
        secret=True,
    )
    http_host: str = _setting("127.0.0.1", read_host, "where HTTP listens")
    http_port: int = _setting(
        5000, whole_reader(0, 65535), "its port; when unset and taken, `serve` moves to the next free one"
    )
    ws_host: str = _setting("127.0.0.1", read_host, "where the websocket listens")
    ws_port: int = _setting(
        8765, whole_reader(0, 65535), "its port; when unset and taken, `serve` moves to the next free one"
    )
    trusted_proxies: tuple[str, ...] = _setting(
        (),
        read_proxies,
        "addresses, networks or host names whose X-Forwarded-For and X-Request-ID are believed, "
        "comma-separated",
    )
    api_key: str = _setting(
        "",
        read_text,
        "when set, everything but health and the page at / needs it (Authorization: Bearer KEY)",
        secret=True,
    )
    allow_anonymous: bool = _setting(False, read_flag, "listen beyond loopback although no API_KEY is set")
    bind: str = _setting(
        "",
        read_host,
        "the address that a container's ports are published on; counts instead of the listening address",
    )
    allowed_hosts: tuple[str, ...] = _setting(
        (),
        read_names,
        "names, beyond loopback ones and addresses, that a request's Host may bear, comma-separated",
    )
    allowed_origins: tuple[str, ...] = _setting(
        (), read_origins, "foreign pages that may call us, comma-separated, such as https://gallery.example"
    )
    max_queue: int = _setting(1000, whole_reader(1, 10_000_000), "jobs waiting in all")
    max_jobs_per_user: int = _setting(100, whole_reader(1, 10_000_000), "jobs waiting of one caller")
    model_slack: float = _setting(
        4.0,
        number_reader(0, 1e6, "cost units"),
        "cost units (one is 20 steps at 512x512) that jobs for the loaded model may jump ahead",
    )
    max_prompt: int = _setting(4000, whole_reader(1, 1_000_000), "characters of a prompt")
    max_pixels: int = _setting(4_194_304, whole_reader(4096, 1 << 28), "width x height of a picture")
    max_steps: int = _setting(150, whole_reader(1, 10_000), "steps of a picture")
    max_batch: int = _setting(8, whole_reader(1, 100), "pictures of one request")
    result_ttl: float = _setting(900.0, number_reader(1, 1e7), "seconds that a kept result can be fetched")
    result_max_bytes: int = _setting(
        268_435_456, whole_reader(1, 1 << 50), "bytes of all kept results together"
    )
    job_timeout: float = _setting(600.0, number_reader(0.01, 1e6), "seconds for one attempt on a backend")
    max_attempts: int = _setting(
        2, whole_reader(1, 100), "attempts that may fail on a backend before the job fails"
    )
    max_deliveries: int = _setting(
        10, whole_reader(1, 1000), "workers that may die with a job before the job fails"
    )
    lease_ttl: float = _setting(
        3.0, number_reader(0.05, 3600), "seconds after which a silent worker's job goes to another"
    )
    shutdown_grace: float = _setting(
        30.0, number_reader(0, 3600), "seconds that running jobs get at shutdown"
    )
    prompt_file: str = _setting(
        "prompt.txt", read_text, "file that holds the last prompt of HTTP; empty: none", may_be_empty=True
    )
    discord_token: str = _setting(
        "", read_text, "the bot's token; set, `serve` starts the bot too", secret=True
    )
    discord_api_base: str = _setting(
        "", url_reader("http", "https"), "another server that speaks Discord's REST API; empty: Discord"
    )
    discord_gateway_url: str = _setting(
        "", url_reader("ws", "wss"), "another server that speaks Discord's gateway; empty: Discord"
    )
    discord_channels: tuple[int, ...] = _setting(
        (),
        read_ids,
        "ids of the channels where the bot may be used, comma-separated; empty: all, and direct messages",
    )
    discord_roles: tuple[int, ...] = _setting(
        (), read_ids, "ids of the roles that may use the bot, comma-separated; empty: everybody"
    )
    discord_blocked_words: tuple[str, ...] = _setting(
        (), read_words, "words that refuse a Discord prompt, comma-separated, whole words in any case"
    )
    discord_max_jobs_per_user: int = _setting(
        5, whole_reader(1, 10_000), "jobs of one Discord user under way at once"
    )
    discord_max_jobs_per_server: int = _setting(
        50, whole_reader(1, 1_000_000), "jobs of one Discord server under way at once"
    )
    discord_previews: bool = _setting(True, read_flag, "show the picture in Discord while it is painted")
    discord_spoiler: bool = _setting(
        False, read_flag, "hide pictures as spoilers in all channels that are not age-restricted"
    )
    discord_max_file_bytes: int = _setting(
        10_485_760,
        whole_reader(65_536, 1 << 30),
        "bytes of a file; a larger picture is sent in another format",
    )
    given: frozenset[str] = frozenset()
    """Names of the variables that were set: a default port may move, a set one may not."""

    @property
    def shares_queue(self) -> bool:
        """Whether jobs are on a queue that other processes share, and that outlives this one."""
        return bool(self.redis_url)

    @property
    def limits(self) -> Limits:
        """What one request may ask for."""
        return Limits(self.max_prompt, self.max_pixels, self.max_steps, self.max_batch)

    def with_backends(self, *addresses: BackendAddress) -> "Settings":
        """The same settings with these servers painting."""
        return replace(self, sd_backends=addresses)


SETTINGS = tuple(item for item in fields(Settings) if item.metadata)
"""The table: one dataclass field a variable; `metadata["about"]` is the line that documents it."""
SECRET_FILES = frozenset(f"{item.name.upper()}_FILE" for item in SETTINGS if item.metadata["secret"])
"""Variables that name the file of a secret, which is the value of another variable."""
KNOWN = (*(item.name.upper() for item in SETTINGS), *SECRET_FILES)
"""The names of all variables that are read."""

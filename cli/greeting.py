"""What `serve` says when it is ready: where things run, what paints, and what to try first. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cli.messages import plain
from core import (
    FROM_CONTAINERS,
    BackendStatus,
    Settings,
    SettingsError,
    Status,
    check_exposure,
    reachable,
)
from core.addresses import is_anywhere

EXAMPLE = "a%20monkey%20with%20a%20hat"


@dataclass(frozen=True, slots=True)
class Served:
    """What there is to tell: the bound ports, the backends' first look, and what was found on 7860."""

    settings: Settings
    http_port: int
    ws_port: int
    status: Status
    note: str
    named: Sequence[str] = ()
    """Servers to be told of although the status may not know them yet."""
    own_address: str = ""
    """Of this machine, where others reach it; empty where that is not known."""
    contained: bool = False
    """Whether this is a container: a server on the machine around it has another address there."""


def greeting(served: Served, *, curl: str = "curl") -> str:
    """A few lines for a person at a terminal; `curl` is how that program is called there."""
    http = f"http://{reachable(served.settings.http_host)}:{served.http_port}"
    ws = f"ws://{reachable(served.settings.ws_host)}:{served.ws_port}"
    lines = [
        "",
        f"  HTTP       {http}/text?input=...",
        f"  websocket  {ws}",
        *_for_others(served),
        *_painters(served),
        *_openness(served.settings),
        "",
        *_first_pictures(http, curl, needs_key=bool(served.settings.api_key)),
        *_real_server(served),
    ]
    return "\n".join(lines) + "\n"


def _for_others(served: Served) -> list[str]:
    """What others type to see the page: the links here lead each machine to itself."""
    if not (served.own_address and is_anywhere(served.settings.http_host)):
        return []
    return [f"  others     http://{served.own_address}:{served.http_port}/"]


def _first_pictures(http: str, curl: str, *, needs_key: bool) -> list[str]:
    """A link and a command. A link can hold no key, but the page asks for one; no key is shown here.

    The command has an error end as one (`-fS`), and not as a monkey.png.
    """
    link = f"{http}/image?input={EXAMPLE}"
    key = '-H "Authorization: Bearer YOUR_KEY" ' if needs_key else ""
    return [
        f"  click      {http}/  (it asks for the API_KEY)" if needs_key else f"  click      {link}",
        f'  or         {curl} -fsS {key}"{link}" -o monkey.png',  # Windows knows no single quotes
    ]


def _painters(served: Served) -> list[str]:
    backends = served.status.backends
    unknown = [name for name in served.named if name not in {backend.offer.backend for backend in backends}]
    alone = len(backends) + len(unknown) == 1
    said = [_painter(backend, alone=alone) for backend in backends]
    said += [f"{name}: not looked at yet" for name in unknown]
    if served.note:
        said.append(served.note)
    return [f"  {'' if number else 'paints':<9}  {words}" for number, words in enumerate(said)]


def _painter(backend: BackendStatus, *, alone: bool) -> str:
    offer = backend.offer
    if offer.demo:
        demo = "the built-in demo painter (it invents pictures; it is not a diffusion model)"
        return demo if alone else f"{offer.backend}, {demo}"
    if not offer.usable:
        return f"{offer.backend}: {plain(offer.problem)}"
    return f"{offer.backend}, model {plain(offer.loaded or 'unknown')}"


def _openness(settings: Settings) -> list[str]:
    """Whether anybody may come in from other machines, and what closes it."""
    asked = replace(settings, allow_anonymous=False)
    try:
        check_exposure(asked, "HTTP_HOST", asked.http_host)
        check_exposure(asked, "WS_HOST", asked.ws_host)
    except SettingsError:
        return ["  open       to anybody who can reach this machine; to close it set API_KEY=..."]
    return []


def _real_server(served: Served) -> list[str]:
    if not any(backend.offer.demo for backend in served.status.backends):
        return []
    if served.contained:
        return [
            "",
            "  For real pictures start A1111, Forge or SD.Next with --api --listen, then this again with",
            f"  -e SD_BACKENDS=http://{FROM_CONTAINERS}:7860 --add-host {FROM_CONTAINERS}:host-gateway",
            "  or with another machine's: -e SD_BACKENDS=http://192.168.1.20:7860 (several: with commas).",
        ]
    if served.settings.shares_queue or served.settings.sd_backends:  # then none is looked for
        return [
            "",
            "  For real pictures start A1111, Forge or SD.Next with --api, then this again with its address:",
            "  SD_BACKENDS=http://127.0.0.1:7860 (several: with commas; also in the file .env).",
        ]
    return [
        "",
        "  For real pictures start A1111, Forge or SD.Next with --api: on port 7860 it is found, also later;",
        "  or name it, SD_BACKENDS=http://192.168.1.20:7860 (several: with commas; also in the file .env).",
    ]

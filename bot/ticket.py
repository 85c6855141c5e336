"""Ticket: all that a replica must know to show and deliver a job that another one took. Pure.

It is stored (see Tickets) before an interaction is answered, and dropped when its picture was delivered.
"""

from collections.abc import Collection
from typing import Any

import msgspec

from core import FIELDS, Caller, ImageRequest

TOKEN_LIFE = 900.0
"""Seconds for which Discord lets an interaction's message be changed."""
TTL = 86_400.0
"""Seconds after which a job that could not be delivered is forgotten."""
EPOCH_MS = 1_420_070_400_000
"""The first millisecond of Discord's ids (documentation, "Snowflakes")."""


class Ticket(msgspec.Struct, frozen=True):
    """Ids are Discord's; `guild` is 0 in direct messages. `most_bytes` is what a file may have."""

    job: str
    interaction: int
    application: int
    token: str
    user: int
    guild: int
    channel: int
    locale: str
    spoiler: bool
    most_bytes: int
    fields: dict[str, Any]
    follow_up: int = 0
    """The further answer to the interaction that shall bear the picture, once there is one."""

    @property
    def name(self) -> str:
        """What it is stored under: whose it is can be counted without reading it."""
        return f"{self.user}:{self.guild}:{self.interaction}"

    @property
    def asked_at(self) -> float:
        """When the interaction was made, in seconds since 1970."""
        return ((self.interaction >> 22) + EPOCH_MS) / 1000

    @property
    def forgotten_at(self) -> float:
        """When it is at last enough of trying to deliver it, in seconds since 1970."""
        return self.asked_at + TTL

    @property
    def request(self) -> ImageRequest:
        """What is to be painted."""
        return ImageRequest(**self.fields)

    @property
    def nonce(self) -> str:
        """The same for every attempt to send this job's picture; Discord takes 25 characters."""
        return str(self.interaction)


def caller_of(user: int) -> Caller:
    """One Discord user is one caller, everywhere."""
    return Caller(f"discord:{user}")


def key_of(interaction: int) -> str:
    """An interaction is painted once, however many replicas hear it."""
    return f"interaction {interaction}"


def own_names(names: Collection[str], user: int) -> list[str]:
    """Those of one user's tickets, in order of time."""
    own = [name for name in names if name.startswith(f"{user}:")]
    return sorted(own, key=lambda name: int(name.rpartition(":")[2]))


def fields_of(request: ImageRequest) -> dict[str, Any]:
    """A request as it is stored."""
    return {"prompt": request.prompt, **{name: getattr(request, name) for name in FIELDS}}


def decode(stored: bytes) -> Ticket:
    """A ticket as it was stored. Raises msgspec.DecodeError for one of another version.

    So is one that asks for what this version does not know: it could neither show it nor have it painted.
    """
    ticket = _decode(stored)
    if unknown := ticket.fields.keys() - {"prompt", *FIELDS}:
        raise msgspec.ValidationError(f"fields that are not known: {', '.join(sorted(unknown))}")
    return ticket


encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Ticket).decode

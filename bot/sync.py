"""Commands are given to Discord only when they changed, and by one replica.

What Discord has is asked for and compared by a hash, so nothing needs to be remembered here. Discord adds
fields of its own and leaves out what has its default; both sides are reduced to what we say. The Entry Point
command of an app with Activities is Discord's own: it is no business of ours, and has to be sent back.
"""

import hashlib
import json
import logging
from collections.abc import Iterable
from typing import Any, cast

import discord
from discord.http import Route

from core import Coordination, QueueUnavailable

log = logging.getLogger(__name__)

SAID = {
    *("name", "description", "type", "options", "choices", "value", "required", "autocomplete", "nsfw"),
    *("min_value", "max_value", "min_length", "max_length", "contexts", "integration_types"),
    *("name_localizations", "description_localizations"),
}
"""Fields that count; all others are Discord's own, or the same for all our commands."""
ENTRY_POINT = 4
"""The type of a command that Discord adds, and that no new list of commands may leave out (50240)."""
SYNC_SECONDS = 20.0
"""Seconds in which no other replica gives the same commands to Discord."""


def fingerprint(commands: Iterable[dict[str, Any]]) -> str:
    """The same for commands that mean the same, as we say them and as Discord repeats them."""
    shapes = sorted(
        (_shape(command) for command in commands), key=lambda shape: json.dumps(shape, sort_keys=True)
    )
    return hashlib.sha256(json.dumps(shapes, sort_keys=True).encode()).hexdigest()


async def sync(tree: discord.app_commands.CommandTree[Any], coordination: Coordination, owner: str) -> bool:
    """Give the commands to Discord if it has others. False: it has, and another replica is about to."""
    client = tree.client
    route = Route(
        "GET",
        "/applications/{application_id}/commands?with_localizations=true",
        application_id=client.application_id,
    )
    payload = await _payload(tree)
    wanted = fingerprint(payload)
    known = await client.http.request(route)
    kept = [command for command in known if command.get("type") == ENTRY_POINT]
    if fingerprint(command for command in known if command not in kept) == wanted:
        return True
    name = f"discord:sync:{client.application_id}:{wanted}"
    try:
        first = await coordination.claim(name, owner, ttl=SYNC_SECONDS)
    except QueueUnavailable:
        first = True
    if first:
        await client.http.bulk_upsert_global_commands(cast(int, client.application_id), [*payload, *kept])
        log.info("the commands were given to Discord")
    return first


async def _payload(tree: discord.app_commands.CommandTree[Any]) -> list[dict[str, Any]]:
    """The commands as `tree.sync` would send them, with the translator that the client has set by now."""
    commands = tree.get_commands(type=discord.AppCommandType.chat_input)
    menus = tree.get_commands(type=discord.AppCommandType.message)
    translator = tree.translator
    assert translator is not None
    return [await command.get_translated_payload(tree, translator) for command in (*commands, *menus)]


def _shape(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {name: _shape(each) for name, each in value.items() if name in SAID}
        kept |= {name: dict(value[name]) for name in kept if name.endswith("_localizations") and value[name]}
        return {name: each for name, each in kept.items() if each not in (None, False, "", [], {})}
    if isinstance(value, list):
        return [_shape(each) for each in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value

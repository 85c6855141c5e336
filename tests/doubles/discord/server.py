"""The loopback Discord: REST on real sockets, and what tests do and see. See the package's docstring."""

import asyncio
import json
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from tests.doubles.discord.gateway import Gateway, Session
from tests.doubles.discord.limits import (
    NotOffered,
    Refusal,
    Words,
    check_choices,
    check_commands,
    check_files,
    check_message,
    check_modal,
    check_options,
    check_request,
    invalid,
)
from tests.doubles.discord.world import (
    DIRECT,
    EPHEMERAL,
    GROUP,
    LOADING,
    TEXT_CHANNEL,
    THREAD,
    Asked,
    Attached,
    Channel,
    Guild,
    Message,
    User,
)

TOKEN = "token-of-the-loopback-bot"
EPOCH_MS = 1_420_070_400_000
TOKEN_SECONDS = 900.0
NONCE_SECONDS = 120.0
"""Discord knows a nonce for "the past few minutes"."""
MOST_FOLLOWUPS = 5
"""Of an app that is installed for a user, where the bot itself is not."""
ENTRY_POINT = 4
"""The type of the command that Discord adds to an app with Activities."""
COMMAND, COMPONENT, AUTOCOMPLETE, FORM = 2, 3, 4, 5
MESSAGE, DEFERRED, DEFERRED_UPDATE, UPDATE, CHOICES, MODAL = 4, 5, 6, 7, 8, 9
"""Types of interactions, and of answers to them."""


@dataclass
class Fault:
    """Requests that match get this answer, so many times."""

    method: str
    path: re.Pattern[str]
    status: int
    code: int
    times: int
    retry_after: float
    everywhere: bool = False
    """Whether a 429 is that of all requests together, which Discord calls global."""
    in_front: bool = False
    """Whether it comes from what stands in front of Discord, and not from Discord."""
    afterwards: bool = False
    """Whether what was asked for is done all the same: the answer is lost, not the request."""
    page: bytes = b""
    """What is answered instead of JSON."""
    silent: bool = False
    """Whether nothing is answered, for ever."""


@dataclass
class Call:
    """One REST request as it came, and the status of its answer."""

    method: str
    path: str
    payload: Any
    at: float
    status: int = 0
    code: int = 0


class LoopbackDiscord:
    """One bot's Discord. Its public attributes may be changed while it runs."""

    def __init__(self, *, size_limit: int = 10_485_760) -> None:
        self.size_limit = size_limit
        """Bytes of a file, as interactions say it; `real_limit` is what is taken in fact."""
        self.real_limit: int | None = None
        self.request_limit = 25 * 2**20
        """Bytes of a request, with all of its files."""
        self.answer_seconds = 3.0
        self.resume_url = ""
        """Where sessions are to be resumed, if not at `gateway_url`."""
        self.bot = User(self._id_at(1), "painter", bot=True)
        self.application = self.bot.id
        self.commands: list[Words] = []
        self.syncs = 0
        self.calls: list[Call] = []
        self.asked: list[Asked] = []
        self.gateway = Gateway(TOKEN, self._ready, time.monotonic, self._notify)
        self._offset = 0.0
        self._count = 0
        self._channels: dict[int, Channel] = {}
        self._people: dict[int, User] = {}
        self._files: dict[str, Attached] = {}
        self._faults: list[Fault] = []
        self._refuses_files: tuple[re.Pattern[str], int, int] | None = None
        self._changed = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._port = 0

    # Its life

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=1 << 28)
        app.add_routes(
            [
                web.get("/gateway", self.gateway.handle),
                web.get("/attachments/{channel}/{id}/{name}", self._download),
                web.route("*", "/api/v10/{path:.*}", self._rest),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.gateway.cut()
        assert self._runner is not None
        await self._runner.cleanup()

    @property
    def api_base(self) -> str:
        """For DISCORD_API_BASE."""
        return f"http://127.0.0.1:{self._port}/api/v10"

    @property
    def gateway_url(self) -> str:
        """For DISCORD_GATEWAY_URL."""
        return f"ws://127.0.0.1:{self._port}/gateway"

    # What tests turn

    def now(self) -> float:
        """Seconds since 1970, by this Discord's own clock."""
        return time.time() + self._offset

    def skip(self, seconds: float) -> None:
        """Let time pass, for this Discord alone."""
        self._offset += seconds

    def fault(
        self,
        method: str,
        path: str,
        status: int,
        code: int = 0,
        *,
        times: int = 1,
        retry_after: float = 0.05,
        everywhere: bool = False,
        in_front: bool = False,
    ) -> None:
        """The next requests whose path matches are answered so."""
        self._faults.append(
            Fault(method, re.compile(path), status, code, times, retry_after, everywhere, in_front)
        )

    def fall_silent(self, method: str, path: str) -> None:
        """The next request whose path matches is lost, as on a line that is dead and does not say so."""
        self._faults.append(Fault(method, re.compile(path), 0, 0, 1, 0.0, silent=True))

    def hide_behind(self, page: bytes, method: str, path: str, status: int = 200, *, times: int = 1) -> None:
        """The next requests whose path matches get this page, by a proxy that does not ask Discord."""
        self._faults.append(Fault(method, re.compile(path), status, 0, times, 0.0, page=page))

    def fail_afterwards(self, method: str, path: str, status: int) -> None:
        """The next request whose path matches is done, and answered so."""
        self._faults.append(Fault(method, re.compile(path), status, 0, 1, 0.0, afterwards=True))

    def refuse_files(self, status: int, code: int, *, named: str = "") -> None:
        """From now on messages are refused for files whose names match; their words alone are taken."""
        self._refuses_files = re.compile(named), status, code

    def take_files(self) -> None:
        """Files are taken again."""
        self._refuses_files = None

    def faults_end(self) -> None:
        """Faults that were ordered and did not come yet never come."""
        self._faults.clear()

    def person(self, name: str = "ann", locale: str = "en-US") -> User:
        """Somebody."""
        user = User(self._id(), name, locale)
        self._people[user.id] = user
        return user

    def channel(self, *, guild: Guild | None = None, has_bot: bool = True, **fields: Any) -> Channel:
        """A text channel, of a new server unless one is given."""
        return self._add(Channel(self._id(), TEXT_CHANNEL, guild or Guild(self._id(), has_bot), **fields))

    def thread(self, parent: Channel) -> Channel:
        """A thread of a channel."""
        return self._add(Channel(self._id(), THREAD, parent.guild, parent=parent.id))

    def direct(self, person: User) -> Channel:
        """The direct messages of somebody and the bot."""
        known = [
            each for each in self._channels.values() if each.kind == DIRECT and each.members == (person.id,)
        ]
        return known[0] if known else self._add(Channel(self._id(), DIRECT, members=(person.id,)))

    def group(self, person: User) -> Channel:
        """Direct messages of people, without the bot."""
        return self._add(Channel(self._id(), GROUP, readable=False, members=(person.id,)))

    def write(self, channel: Channel, *, by: User, **files: bytes) -> Message:
        """A message of somebody else."""
        message = Message(self._id(), channel, by, self.now(), content="look")
        for name, data in files.items():
            self._attach(message, name.replace("__", "."), data)
        channel.messages[message.id] = message
        return message

    # What people do

    async def command(self, person: User, channel: Channel, name: str, **options: Any) -> Asked:
        """Use a command. Raises NotOffered where Discord's client would not let this happen."""
        command = self._offered(name, 1)
        given = check_options(command, options)
        data = {"id": command["id"], "name": name, "type": 1, "options": given}
        return self._ask(COMMAND, person, channel, data)

    async def menu(self, person: User, message: Message, name: str) -> Asked:
        """Use a command of a message's own menu."""
        command = self._offered(name, 3)
        resolved = {"messages": {str(message.id): message.words}}
        data = {
            "id": command["id"],
            "name": name,
            "type": 3,
            "target_id": str(message.id),
            "resolved": resolved,
        }
        return self._ask(COMMAND, person, message.channel, data)

    async def type(self, person: User, channel: Channel, name: str, option: str, typed: str) -> Asked:
        """Type into an option that completes itself."""
        command = self._offered(name, 1)
        known = {each["name"]: each for each in command["options"]}
        if not known[option].get("autocomplete"):
            raise NotOffered(f"{option} does not complete itself")
        options = [{"name": option, "type": 3, "value": typed, "focused": True}]
        data = {"id": command["id"], "name": name, "type": 1, "options": options}
        return self._ask(AUTOCOMPLETE, person, channel, data)

    async def press(self, person: User, message: Message, label: str) -> Asked:
        """Press a button."""
        if label not in message.buttons:
            raise NotOffered(f"no button {label!r}; there are {list(message.buttons)}")
        data = {"custom_id": message.buttons[label], "component_type": 2}
        return self._ask(COMPONENT, person, message.channel, data, about=message)

    async def fill(self, form: Asked, **inputs: str) -> Asked:
        """Send a form that an interaction opened, with these fields changed."""
        assert form.answer is not None
        opened = form.answer["data"]
        rows = []
        for row in opened["components"]:
            (field,) = row["components"]
            value = inputs.get(field["custom_id"], field.get("value") or "")
            if len(value) > (field.get("max_length") or 4000) or (field.get("required", True) and not value):
                raise NotOffered(f"{field['custom_id']} may not hold that")
            rows.append(
                {"type": 1, "components": [{"type": 4, "custom_id": field["custom_id"], "value": value}]}
            )
        data = {"custom_id": opened["custom_id"], "components": rows}
        return self._ask(FORM, form.person, form.channel, data, about=form.about)

    # What tests see

    async def until(self, condition: Callable[[], object], *, within: float = 10.0) -> None:
        """Wait until the condition holds; it is looked at whenever something happened here."""
        try:
            async with asyncio.timeout(within):
                while not condition():
                    await self._changed.wait()
        except TimeoutError:
            last = "\n".join(
                f"{self.now() - call.at:.1f} s ago {call.method} {call.path[-60:]} {call.status} {call.code}"
                for call in self.calls[-30:]
            )
            raise AssertionError(f"did not happen in {within} s; last calls:\n{last}") from None

    async def ready(self, sessions: int = 1) -> None:
        """Wait until so many sessions of the bot are open, and it knows its commands."""
        await self.until(lambda: len(self.gateway.connected) >= sessions and self.commands, within=40)

    async def answered(self, asked: Asked) -> Asked:
        """Wait until an interaction was answered."""
        await self.until(lambda: asked.answer is not None)
        return asked

    async def settled(self, asked: Asked) -> Message:
        """Wait until the message of an interaction is finished: it shows buttons but Cancel, or an end."""
        return await self.until_buttons(asked, "Again")

    async def until_buttons(self, asked: Asked, label: str) -> Message:
        """Wait until the message of an interaction has this button."""
        await self.until(lambda: asked.original and label in asked.original.buttons, within=20)
        return asked.message

    def count(self, method: str, path: str) -> int:
        """How many such requests came."""
        return sum(call.method == method and bool(re.search(path, call.path)) for call in self.calls)

    @property
    def pictures(self) -> int:
        """Messages that show a finished picture."""
        return sum(
            message.title in {"Done", "Fertig"} and bool(message.files)
            for channel in self._channels.values()
            for message in channel.messages.values()
        )

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    # Interactions

    def _offered(self, name: str, kind: int) -> Words:
        for command in self.commands:
            if command["name"] == name and command.get("type", 1) == kind:
                return command
        raise NotOffered(f"no command {name!r} was synced")

    def _ask(
        self, kind: int, person: User, channel: Channel, data: Words, *, about: Message | None = None
    ) -> Asked:
        asked = Asked(self._id(), secrets.token_hex(24), person, channel, self.now(), about)
        self.asked.append(asked)
        words: Words = {
            "id": str(asked.id),
            "application_id": str(self.application),
            "type": kind,
            "data": data,
            "token": asked.token,
            "version": 1,
            "channel": channel.words,
            "channel_id": str(channel.id),
            "locale": person.locale,
            "app_permissions": str((1 << 50) - 1),
            "entitlements": [],
            "attachment_size_limit": self.size_limit,
            "authorizing_integration_owners": {"1": str(person.id)},
            "context": 0 if channel.guild else 1 if channel.kind == DIRECT else 2,
        }
        if about is not None:
            words["message"] = about.words
        if channel.guild:
            guild = channel.guild
            words |= {"guild_id": str(guild.id), "guild_locale": "en-US"}
            words["guild"] = {"id": str(guild.id), "locale": "en-US", "features": []}
            if guild.has_bot:
                words["authorizing_integration_owners"] = {"0": str(guild.id)}
            words["member"] = {
                "user": person.words,
                "roles": [str(role) for role in guild.roles.get(person.id, ())],
                "joined_at": "2026-01-01T00:00:00+00:00",
                "permissions": str(guild.permissions.get(person.id, 0)),
                "deaf": False,
                "mute": False,
                "flags": 0,
            }
        else:
            words["user"] = person.words
        self.gateway.tell("INTERACTION_CREATE", words)
        return asked

    def _callback(self, request: "_Request", id: int, token: str) -> Words:
        asked = next((each for each in self.asked if each.id == id and each.token == token), None)
        if asked is None:
            raise Refusal(404, 10062, "Unknown interaction")
        try:
            return self._take_answer(asked, request)
        except Refusal as refusal:
            asked.refused.append(refusal.code)
            raise

    def _take_answer(self, asked: Asked, request: "_Request") -> Words:
        if asked.answer is not None:
            raise Refusal(400, 40060, "Interaction has already been acknowledged.")
        if self.now() - asked.at > self.answer_seconds:
            raise Refusal(404, 10062, "Unknown interaction")
        kind, data = request.payload["type"], request.payload.get("data") or {}
        if kind in {MESSAGE, UPDATE}:
            self._check(data, request.files, new=kind == MESSAGE)
        elif kind == CHOICES:
            check_choices(data["choices"])
        elif kind == MODAL:
            check_modal(data)
        elif kind not in {DEFERRED, DEFERRED_UPDATE}:
            raise invalid("type", "is no answer")
        if kind in {UPDATE, DEFERRED_UPDATE} and asked.about is None:
            raise invalid("type", "there is no message to update")
        asked.answer = request.payload
        asked.answered_after = self.now() - asked.at
        if kind in {MESSAGE, DEFERRED}:
            flags = (data.get("flags") or 0) | (LOADING if kind == DEFERRED else 0)
            asked.original = self._add_message(asked.channel, data, request.files, flags=flags)
        elif kind in {UPDATE, DEFERRED_UPDATE}:
            asked.original = asked.about
            if kind == UPDATE and asked.about:
                self._edit(asked.about, data, request.files)
        resource: Words = {"type": kind}
        words: Words = {"id": str(asked.id), "type": 2}
        if asked.original is not None:
            resource["message"] = asked.original.words
            words["response_message_id"] = str(asked.original.id)
        return {"interaction": words, "resource": resource}

    def _asked_by(self, token: str) -> Asked:
        asked = next((each for each in self.asked if each.token == token), None)
        if asked is None:
            raise Refusal(404, 10015, "Unknown Webhook")
        if self.now() - asked.at > TOKEN_SECONDS:
            raise Refusal(401, 50027, "Invalid Webhook Token")
        if asked.answer is None:
            raise Refusal(404, 10015, "Unknown Webhook")
        return asked

    def _webhook_message(self, token: str, id: str) -> Message:
        asked = self._asked_by(token)
        known = [asked.original] if id == "@original" else asked.followups
        found = [each for each in known if each and id in {"@original", str(each.id)}]
        if not asked.channel.exists:
            raise Refusal(404, 10003, "Unknown Channel")
        if not found or found[0].id not in found[0].channel.messages:
            raise Refusal(404, 10008, "Unknown Message")
        return found[0]

    def _follow_up(self, request: "_Request", token: str) -> Words:
        asked = self._asked_by(token)
        self._check(request.payload, request.files)
        if not asked.channel.exists:
            raise Refusal(404, 10003, "Unknown Channel")
        original = asked.original
        if original is not None and original.is_loading:
            self._edit(original, request.payload, request.files)
            return original.words
        alone = asked.channel.guild is None or not asked.channel.guild.has_bot
        if alone and asked.channel.kind != DIRECT and len(asked.followups) >= MOST_FOLLOWUPS:
            raise Refusal(400, 40094, "This interaction has reached the maximum number of follow-up messages")
        flags = request.payload.get("flags") or 0
        message = self._add_message(asked.channel, request.payload, request.files, flags=flags)
        asked.followups.append(message)
        return message.words

    # Messages

    def _check(self, payload: Words, files: "dict[int, tuple[str, bytes]]", *, new: bool = True) -> None:
        check_message(payload, files=list(files), new=new)
        if self._refuses_files is not None:
            named, status, code = self._refuses_files
            if any(named.search(name) for name, _ in files.values()):
                raise Refusal(status, code, "These files are not taken")
        limit = self.size_limit if self.real_limit is None else self.real_limit
        check_files([len(data) for _, data in files.values()], limit)

    def _add_message(
        self, channel: Channel, payload: Words, files: "dict[int, tuple[str, bytes]]", *, flags: int = 0
    ) -> Message:
        message = Message(self._id(), channel, self.bot, self.now(), flags=flags & (EPHEMERAL | LOADING))
        self._fill(message, payload, files)
        channel.messages[message.id] = message
        return message

    def _edit(self, message: Message, payload: Words, files: "dict[int, tuple[str, bytes]]") -> None:
        message.flags &= ~LOADING
        message.edits += 1
        if payload.get("attachments") is not None:
            kept = {str(each["id"]) for each in payload["attachments"]}
            message.files = {name: file for name, file in message.files.items() if str(file.id) in kept}
        self._fill(message, payload, files)

    def _fill(self, message: Message, payload: Words, files: "dict[int, tuple[str, bytes]]") -> None:
        for name, data in files.values():
            self._attach(message, name, data)
        if "content" in payload:
            message.content = payload["content"] or ""
        if "components" in payload:
            message.components = payload["components"] or []
        if "embeds" in payload:
            message.embeds = [self._resolved(message, embed) for embed in payload["embeds"] or []]
            message.seen.append(message.title)
        message.mentions = payload.get("allowed_mentions")

    def _resolved(self, message: Message, embed: Words) -> Words:
        """An embed whose picture is an attachment shows that attachment's address."""
        url = (embed.get("image") or {}).get("url", "")
        file = message.files.get(url.removeprefix("attachment://"))
        resolved = {**embed, "type": "rich"}
        if file is not None:
            resolved["image"] = {"url": file.url, "proxy_url": file.url, "width": 8, "height": 8}
        return resolved

    def _attach(self, message: Message, name: str, data: bytes) -> None:
        id = self._id()
        url = f"http://127.0.0.1:{self._port}/attachments/{message.channel.id}/{id}/{name}"
        message.files[name] = self._files[str(id)] = Attached(id, name, data, url)

    def _reach(self, id: int, *, write: bool = True) -> Channel:
        channel = self._channels.get(id)
        if channel is None or not channel.exists:
            raise Refusal(404, 10003, "Unknown Channel")
        if not channel.readable or (channel.guild and not channel.guild.has_bot):
            raise Refusal(403, 50001, "Missing Access")
        if write and not channel.writable:
            raise Refusal(403, 50013, "Missing Permissions")
        if channel.kind == DIRECT and not self._people[channel.members[0]].takes_direct:
            raise Refusal(403, 50007, "Cannot send messages to this user")
        return channel

    def _send(self, request: "_Request", channel: int) -> Words:
        where = self._reach(channel)
        self._check(request.payload, request.files)
        nonce = request.payload.get("nonce")
        if nonce and request.payload.get("enforce_nonce"):
            for known in where.messages.values():
                if known.nonce == nonce and self.now() - known.at < NONCE_SECONDS:
                    return known.words
        message = self._add_message(where, request.payload, request.files)
        message.nonce = nonce  # answers to interactions have none
        return message.words

    def _own(self, channel: int, message: int) -> Message:
        where = self._reach(channel, write=False)
        found = where.messages.get(message)
        if found is None:
            raise Refusal(404, 10008, "Unknown Message")
        if found.author is not self.bot:
            raise Refusal(403, 50005, "Cannot edit a message authored by another user")
        return found

    # REST

    async def _rest(self, http: web.Request) -> web.Response:
        request = await _Request.read(http)
        call = Call(http.method, http.path.removeprefix("/api/v10"), request.payload, self.now())
        self.calls.append(call)
        try:
            if self._suffer(call):
                self._notify()
                await asyncio.Event().wait()
            check_request(request.size, self.request_limit)
            words = self._route(request, call.path)
            self._suffer(call, afterwards=True)
        except Refusal as refusal:
            call.status, call.code = refusal.status, refusal.code
            if refusal.page:
                headers = {"Content-Type": "text/html", "Via": "1.1 proxy"}
                return web.Response(status=refusal.status, body=refusal.page, headers=headers)
            limited = refusal.status == 429 and not refusal.in_front
            return _json(refusal.words, refusal.status, limited=limited)
        finally:
            self._notify()
        call.status = 204 if words is None else 200
        return web.Response(status=204) if words is None else _json(words, 200)

    def _suffer(self, call: Call, *, afterwards: bool = False) -> bool:
        """Whether this request is lost. Raises Refusal."""
        for fault in self._faults:
            if fault.times == 0 or fault.afterwards is not afterwards:
                continue
            if call.method == fault.method and fault.path.search(call.path):
                fault.times -= 1
                if fault.silent:
                    return True
                more: Words = (
                    {"retry_after": fault.retry_after, "global": fault.everywhere}
                    if fault.status == 429
                    else {}
                )
                refusal = Refusal(fault.status, fault.code, "as the test wants", **more)
                refusal.in_front, refusal.page = fault.in_front, fault.page
                raise refusal
        return False

    def _route(self, request: "_Request", path: str) -> Any:
        method, parts = request.method, path.strip("/").split("/")
        match method, *parts:
            case "POST", "interactions", id, token, "callback":
                return self._callback(request, int(id), token)
            case "POST", "webhooks", _, token:
                return self._follow_up(request, token)
            case (("GET" | "PATCH" | "DELETE"), "webhooks", _, token, "messages", id):
                message = self._webhook_message(token, id)
                if method == "DELETE":
                    del message.channel.messages[message.id]
                    return None
                if method == "PATCH":
                    self._check(request.payload, request.files, new=False)
                    self._edit(message, request.payload, request.files)
                return message.words
        if request.authorization != f"Bot {TOKEN}":
            raise Refusal(401, 0, "401: Unauthorized")
        match method, *parts:
            case "GET", "users", "@me":
                return self.bot.words
            case "GET", "oauth2", "applications", "@me":
                return self._application_words()
            case "GET", "applications", _, "commands":
                return self._commands_words(localized="with_localizations" in request.query)
            case "PUT", "applications", _, "commands":
                return self._sync(request.payload)
            case "POST", "users", "@me", "channels":
                return self.direct(self._people[int(request.payload["recipient_id"])]).words | {
                    "recipients": [self._people[int(request.payload["recipient_id"])].words]
                }
            case "POST", "channels", channel, "messages":
                return self._send(request, int(channel))
            case "PATCH", "channels", channel, "messages", id:
                message = self._own(int(channel), int(id))
                self._check(request.payload, request.files, new=False)
                self._edit(message, request.payload, request.files)
                return message.words
            case "DELETE", "channels", channel, "messages", id:
                del self._own(int(channel), int(id)).channel.messages[int(id)]
                return None
        raise Refusal(404, 0, f"404: Not Found: {method} {path}")

    def _sync(self, commands: list[Words]) -> list[Words]:
        check_commands(commands)
        if any(each.get("type") == ENTRY_POINT for each in self.commands) and not any(
            each.get("type") == ENTRY_POINT for each in commands
        ):
            raise Refusal(400, 50240, "You cannot remove this app's Entry Point command in a bulk update")
        self.syncs += 1
        old = {(each["name"], each.get("type", 1)): each["id"] for each in self.commands}
        self.commands = [
            {
                **each,
                "id": old.get((each["name"], each.get("type", 1)), str(self._id())),
                "application_id": str(self.application),
                "version": str(self._id()),
                "description": each.get("description", ""),
            }
            for each in commands
        ]
        return self.commands

    def _commands_words(self, *, localized: bool) -> list[Words]:
        """Discord leaves localizations out unless they are asked for, and defaults always."""
        kept = [{key: value for key, value in each.items() if value is not None} for each in self.commands]
        if localized:
            return kept
        return [
            {key: value for key, value in each.items() if not key.endswith("localizations")} for each in kept
        ]

    def _application_words(self) -> Words:
        return {
            "id": str(self.application),
            "name": self.bot.name,
            "icon": None,
            "description": "",
            "bot_public": True,
            "bot_require_code_grant": False,
            "verify_key": "",
            "flags": 0,
            "owner": self.bot.words,
            "team": None,
            "summary": "",
        }

    def _ready(self, session: Session) -> Words:
        return {
            "v": 10,
            "user": self.bot.words,
            "guilds": [],
            "session_id": session.id,
            "resume_gateway_url": self.resume_url or self.gateway_url,
            "application": {"id": str(self.application), "flags": 0},
        }

    async def _download(self, http: web.Request) -> web.Response:
        file = self._files.get(http.match_info["id"])
        return web.Response(body=file.data) if file else web.Response(status=404)

    def _add(self, channel: Channel) -> Channel:
        self._channels[channel.id] = channel
        return channel

    def _id(self) -> int:
        self._count += 1
        return self._id_at(self.now()) | (self._count & 0x3FFFFF)

    @staticmethod
    def _id_at(seconds: float) -> int:
        return max(1, int(seconds * 1000) - EPOCH_MS) << 22


@dataclass
class _Request:
    """A REST request, taken apart."""

    method: str
    payload: Any
    files: dict[int, tuple[str, bytes]]
    authorization: str
    query: Any
    size: int
    """Bytes of its body."""

    @classmethod
    async def read(cls, http: web.Request) -> Self:
        """JSON, or a form with `payload_json` and `files[N]`."""
        files: dict[int, tuple[str, bytes]] = {}
        payload: Any = None
        if http.content_type.startswith("multipart/"):
            form = await http.post()
            payload = json.loads(str(form["payload_json"]))
            for name, value in form.items():
                if isinstance(value, web.FileField):
                    files[int(re.findall(r"\d+", name)[0])] = (value.filename, value.file.read())
                    value.file.close()
        elif http.can_read_body:
            payload = json.loads(await http.text())
        authorization, size = http.headers.get("Authorization", ""), http.content_length
        assert size is not None or not http.can_read_body, "a body whose size is not told beforehand"
        return cls(http.method, payload, files, authorization, http.query, size or 0)


def _json(words: Any, status: int, *, limited: bool = False) -> web.Response:
    # discord.py reads JSON only where the type stands alone, without a charset.
    headers = {"Content-Type": "application/json", **({"Via": "1.1 loopback"} if limited else {})}
    return web.Response(status=status, body=json.dumps(words).encode(), headers=headers)

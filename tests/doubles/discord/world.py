"""People, servers, channels, messages and interactions of the loopback Discord, as its API shows them."""

from dataclasses import dataclass, field
from typing import Any

from tests.doubles.discord.limits import Words

EPHEMERAL, LOADING = 64, 128
"""Flags of a message: for one person alone; still to come."""
MANAGE_MESSAGES = 1 << 13
DIRECT, GROUP, TEXT_CHANNEL, THREAD = 1, 3, 0, 11


@dataclass(eq=False)
class User:
    """A person, or the bot."""

    id: int
    name: str
    locale: str = "en-US"
    bot: bool = False
    takes_direct: bool = True
    """Whether the bot may write to this person."""

    @property
    def words(self) -> Words:
        """See Discord's "User Object"."""
        return {
            "id": str(self.id),
            "username": self.name,
            "global_name": self.name,
            "discriminator": "0",
            "avatar": None,
            "bot": self.bot,
        }


@dataclass(eq=False)
class Guild:
    """A server; without the bot in it, people may still have installed the bot for themselves."""

    id: int
    has_bot: bool = True
    roles: dict[int, tuple[int, ...]] = field(default_factory=dict)
    """Of people, by their ids."""
    permissions: dict[int, int] = field(default_factory=dict)


@dataclass(eq=False)
class Channel:
    """Where people write. `guild` is None for direct messages and groups."""

    id: int
    kind: int
    guild: Guild | None = None
    nsfw: bool = False
    parent: int | None = None
    exists: bool = True
    readable: bool = True
    writable: bool = True
    members: tuple[int, ...] = ()
    messages: "dict[int, Message]" = field(default_factory=dict)

    @property
    def words(self) -> Words:
        """See Discord's "Channel Object"."""
        words: Words = {
            "id": str(self.id),
            "type": self.kind,
            "position": 0,
            "flags": 0,
            "last_message_id": None,
        }
        if self.kind in {TEXT_CHANNEL, THREAD}:
            assert self.guild is not None
            words |= {"name": "somewhere", "nsfw": self.nsfw, "guild_id": str(self.guild.id)}
            words |= {"parent_id": str(self.parent) if self.parent else None, "permissions": "0"}
        if self.kind == THREAD:
            words |= {"owner_id": "1", "message_count": 0, "member_count": 1}
            moment = "2026-01-01T00:00:00+00:00"
            words["thread_metadata"] = {
                "archived": False,
                "auto_archive_duration": 60,
                "archive_timestamp": moment,
                "locked": False,
                "create_timestamp": moment,
            }
            del words["nsfw"]
        return words


@dataclass(eq=False)
class Message:
    """What stands in a channel. `files` are all that were attached, also those that an embed shows."""

    id: int
    channel: Channel
    author: User
    at: float
    content: str = ""
    embeds: list[Words] = field(default_factory=list)
    components: list[Words] = field(default_factory=list)
    files: dict[str, "Attached"] = field(default_factory=dict)
    flags: int = 0
    nonce: str | None = None
    edits: int = 0
    seen: list[str] = field(default_factory=list)
    """Titles that it has shown, in order."""
    mentions: dict[str, Any] | None = None
    """The `allowed_mentions` of whoever wrote it last."""
    forwarded: "Message | None" = None
    """The one that it forwards; it has nothing of its own then."""

    @property
    def embed(self) -> Words:
        """The first one."""
        return self.embeds[0] if self.embeds else {}

    @property
    def title(self) -> str:
        """Of the first embed."""
        return str(self.embed.get("title", ""))

    @property
    def fields(self) -> dict[str, str]:
        """Of the first embed, by name."""
        return {each["name"]: each["value"] for each in self.embed.get("fields", ())}

    @property
    def pictures(self) -> list[bytes]:
        """The bytes of its files."""
        return [file.data for file in self.files.values()]

    @property
    def buttons(self) -> dict[str, str]:
        """What is written on the buttons, and their ids."""
        return {each["label"]: each["custom_id"] for row in self.components for each in row["components"]}

    @property
    def is_private(self) -> bool:
        """Whether one person alone sees it."""
        return bool(self.flags & EPHEMERAL)

    @property
    def is_loading(self) -> bool:
        """Whether it says no more than that something will come."""
        return bool(self.flags & LOADING)

    @property
    def words(self) -> Words:
        """See Discord's "Message Object". Attachments that an embed shows are absent from the list."""
        shown = {(embed.get("image") or {}).get("url") for embed in self.embeds}
        return {
            "id": str(self.id),
            "type": 0,
            "channel_id": str(self.channel.id),
            "author": self.author.words,
            "content": self.content,
            "timestamp": "2026-01-01T00:00:00+00:00",
            "edited_timestamp": None,
            "tts": False,
            "mention_everyone": False,
            "mentions": [],
            "mention_roles": [],
            "pinned": False,
            "attachments": [file.words for file in self.files.values() if file.url not in shown],
            "embeds": self.embeds,
            "components": self.components,
            "flags": self.flags,
            "message_snapshots": [{"message": self.forwarded.words}] if self.forwarded else [],
        }


@dataclass(eq=False)
class Attached:
    """A file of a message."""

    id: int
    name: str
    data: bytes
    url: str

    @property
    def words(self) -> Words:
        """See Discord's "Attachment Object"."""
        ending = self.name.rpartition(".")[2]
        return {
            "id": str(self.id),
            "filename": self.name,
            "size": len(self.data),
            "url": self.url,
            "proxy_url": self.url,
            "content_type": f"image/{ending}" if ending in {"png", "webp", "jpg"} else "text/plain",
        }


@dataclass(eq=False)
class Asked:
    """An interaction, and what came of it."""

    id: int
    token: str
    person: User
    channel: Channel
    at: float
    about: Message | None = None
    """The message whose button was pressed, or whose form was sent."""
    answer: Words | None = None
    """The one callback that was taken."""
    answered_after: float | None = None
    refused: list[int] = field(default_factory=list)
    """Codes of the callbacks that were not taken."""
    original: Message | None = None
    followups: list[Message] = field(default_factory=list)

    @property
    def message(self) -> Message:
        """The message that the answer made, or changed."""
        assert self.original is not None
        return self.original

    @property
    def said(self) -> str:
        """What the caller alone was told."""
        message = self.followups[-1] if self.followups else self.message
        assert message.is_private
        return message.content

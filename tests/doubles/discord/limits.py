"""What Discord refuses in a payload, from its documentation. Pure: a payload in, a Refusal out.

Pages: "Embed Limits", "Create Message", "Component Reference", "Application Command Structure",
"Interaction Callback", "Opcodes and Status Codes" (JSON error codes).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Words = dict[str, Any]

TEXT, INTEGER, NUMBER, BOOLEAN = 3, 4, 10, 5
"""Types of options."""
NAME = re.compile(r"[-_'\w]{1,32}")


class Refusal(Exception):
    """An error answer: HTTP status, JSON error code, and what is wrong."""

    def __init__(self, status: int, code: int, message: str, **more: Any) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.in_front = False
        """Whether what stands in front of Discord says so: then no header tells of Discord's own limits."""
        self.page = b""
        """What is answered then, which is no JSON."""
        self.words: Words = {"code": code, "message": message, **more}


def invalid(where: str, what: str) -> Refusal:
    """Code 50035: a field is not what it may be."""
    errors = {where: {"_errors": [{"code": "BASE_TYPE_BAD", "message": what}]}}
    return Refusal(400, 50035, "Invalid Form Body", errors=errors)


def check_message(payload: Mapping[str, Any], *, files: Sequence[Any] = (), new: bool = True) -> None:
    """A message that is sent (`new`) or edited."""
    if len(payload.get("content") or "") > 2000:
        raise invalid("content", "Must be 2000 or fewer in length.")
    embeds = payload.get("embeds") or []
    _check_embeds(embeds)
    check_components(payload.get("components") or [])
    if len(files) > 10 or len(payload.get("attachments") or []) > 10:
        raise invalid("attachments", "Must be 10 or fewer in length.")
    if len(str(payload.get("nonce") or "")) > 25:
        raise invalid("nonce", "Must be 25 or fewer in length.")
    if new and not (payload.get("content") or embeds or files or payload.get("components")):
        raise Refusal(400, 50006, "Cannot send an empty message")


def _check_embeds(embeds: Sequence[Mapping[str, Any]]) -> None:
    if len(embeds) > 10:
        raise invalid("embeds", "Must be 10 or fewer in length.")
    total = 0
    for embed in embeds:
        fields = embed.get("fields") or []
        if len(fields) > 25:
            raise invalid("embeds.fields", "Must be 25 or fewer in length.")
        texts = [
            ("title", embed.get("title"), 256),
            ("description", embed.get("description"), 4096),
            ("footer.text", (embed.get("footer") or {}).get("text"), 2048),
            ("author.name", (embed.get("author") or {}).get("name"), 256),
            *(("fields.name", field.get("name", ""), 256) for field in fields),
            *(("fields.value", field.get("value", ""), 1024) for field in fields),
        ]
        if not (any((text or "").strip() for _, text, _ in texts) or embed.get("image")):
            raise invalid("embeds.description", "This field is required")
        for where, text, most in texts:
            if len(text or "") > most:
                raise invalid(f"embeds.{where}", f"Must be {most} or fewer in length.")
            if where.startswith("fields") and not (text or "").strip():
                raise invalid(f"embeds.{where}", "This field is required")
            total += len(text or "")
    if total > 6000:
        raise invalid("embeds", "Embed size exceeds maximum size of 6000")


def check_components(rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows of buttons."""
    if len(rows) > 5:
        raise invalid("components", "Must be 5 or fewer in length.")
    ids: list[str] = []
    for row in rows:
        buttons = row.get("components") or []
        if not 1 <= len(buttons) <= 5:
            raise invalid("components.components", "Must be between 1 and 5 in length.")
        for button in buttons:
            if not 1 <= len(button.get("custom_id") or "") <= 100:
                raise invalid("components.custom_id", "Must be between 1 and 100 in length.")
            if len(button.get("label") or "") > 80:
                raise invalid("components.label", "Must be 80 or fewer in length.")
            ids.append(button["custom_id"])
    _check_different(ids)


def check_modal(payload: Mapping[str, Any]) -> None:
    """A form."""
    if not 1 <= len(payload.get("title") or "") <= 45:
        raise invalid("title", "Must be between 1 and 45 in length.")
    if not 1 <= len(payload.get("custom_id") or "") <= 100:
        raise invalid("custom_id", "Must be between 1 and 100 in length.")
    rows = payload.get("components") or []
    if not 1 <= len(rows) <= 5:
        raise invalid("components", "Must be between 1 and 5 in length.")
    for row in rows:
        if len(row.get("components") or []) != 1:
            raise invalid("components.components", "Must be 1 in length.")
        _check_field(row["components"][0])
    ids = [row["components"][0]["custom_id"] for row in rows]
    _check_different(ids)


def _check_different(ids: Sequence[str]) -> None:
    if len(set(ids)) < len(ids):
        raise invalid("components.custom_id", "Component custom id cannot be duplicated")


def _check_field(field: Mapping[str, Any]) -> None:
    """What may be written into a form."""
    if not 1 <= len(field.get("label") or "") <= 45:
        raise invalid("components.label", "Must be between 1 and 45 in length.")
    if not 1 <= len(field.get("custom_id") or "") <= 100:
        raise invalid("components.custom_id", "Must be between 1 and 100 in length.")
    if field.get("style") not in {1, 2}:
        raise invalid("components.style", "Value must be one of {1, 2}.")
    most = field.get("max_length", 4000)
    if not 1 <= most <= 4000:
        raise invalid("components.max_length", "int value should be between 1 and 4000.")
    if len(field.get("value") or "") > most:
        raise invalid("components.value", f"Must be {most} or fewer in length.")


def check_choices(choices: Sequence[Mapping[str, Any]]) -> None:
    """Suggestions for what is being typed."""
    if len(choices) > 25:
        raise invalid("choices", "Must be 25 or fewer in length.")
    for choice in choices:
        if not 1 <= len(choice.get("name") or "") <= 100 or len(str(choice.get("value", ""))) > 100:
            raise invalid("choices.name", "Must be between 1 and 100 in length.")


def check_files(sizes: Iterable[int], limit: int) -> None:
    """Files of one message. This limit is that of each file ("Uploading Files")."""
    if any(size > limit for size in sizes):
        raise Refusal(413, 40005, "Request entity too large")


def check_request(size: int, limit: int) -> None:
    """A whole request, its words and all of its files ("Create Message", "Limitations")."""
    if size > limit:
        raise Refusal(413, 0, "Payload Too Large")


def check_commands(commands: Sequence[Mapping[str, Any]]) -> None:
    """The whole tree, as it is synced."""
    kinds = [(command["name"], command.get("type", 1)) for command in commands]
    if len(set(kinds)) < len(kinds):
        raise invalid("name", "Application command names must be unique")
    for command in commands:
        if command.get("type", 1) != 1:
            if not 1 <= len(command["name"]) <= 32 or command.get("description") or command.get("options"):
                raise invalid("name", "Must be between 1 and 32 in length.")
            continue
        if _weight(command) > 8000:
            raise invalid("", "Command exceeds maximum size (8000)")
        options = command.get("options") or []
        if len(options) > 25:
            raise invalid("options", "Must be 25 or fewer in length.")
        for words in (command, *options):
            _check_names(words)
        required = [bool(option.get("required")) for option in options]
        if required != sorted(required, reverse=True):
            raise invalid("options", "Required options must be placed before non-required options")


def _check_names(words: Mapping[str, Any]) -> None:
    for name in (words["name"], *(words.get("name_localizations") or {}).values()):
        if not NAME.fullmatch(name) or name != name.lower():
            raise invalid("name", "String value did not match validation regex.")
    for text in (words["description"], *(words.get("description_localizations") or {}).values()):
        if not 1 <= len(text) <= 100:
            raise invalid("description", "Must be between 1 and 100 in length.")
    check_choices(words.get("choices") or [])
    if words.get("choices") and words.get("autocomplete"):
        raise invalid("autocomplete", "Choices and autocomplete exclude each other")


def _weight(words: Mapping[str, Any]) -> int:
    """Characters as Discord counts them: of each text the longest localization."""
    own = sum(
        max(map(len, (words.get(key) or "", *(words.get(f"{key}_localizations") or {}).values())))
        for key in ("name", "description")
    )
    choices = sum(len(each["name"]) + len(str(each["value"])) for each in words.get("choices") or [])
    return own + choices + sum(_weight(option) for option in words.get("options") or [])


class NotOffered(Exception):
    """Discord's own client lets nobody do that: no such command or option, or a value out of its range."""


def check_options(command: Mapping[str, Any], given: Mapping[str, Any]) -> list[Words]:
    """What a person chose, as Discord sends it on. Raises NotOffered."""
    known = {option["name"]: option for option in command.get("options") or []}
    for name in given:
        if name not in known:
            raise NotOffered(f"/{command['name']} has no option {name}")
    missing = [name for name, option in known.items() if option.get("required") and name not in given]
    if missing:
        raise NotOffered(f"/{command['name']} wants {', '.join(missing)}")
    return [_option(known[name], value) for name, value in given.items()]


def _option(option: Mapping[str, Any], value: Any) -> Words:
    kind, name = option["type"], option["name"]
    types: dict[int, Any] = {TEXT: str, INTEGER: int, NUMBER: (int, float), BOOLEAN: bool}
    if not isinstance(value, types[kind]) or (kind in {INTEGER, NUMBER} and isinstance(value, bool)):
        raise NotOffered(f"{name}: {value!r} is of the wrong type")
    size = len(value) if kind == TEXT else value
    low, high = ("min_length", "max_length") if kind == TEXT else ("min_value", "max_value")
    if (option.get(low) is not None and size < option[low]) or (
        option.get(high) is not None and size > option[high]
    ):
        raise NotOffered(f"{name}: {value!r} is out of its range")
    if kind == TEXT and size > 6000:
        raise NotOffered(f"{name}: longer than any option")
    choices = [choice["value"] for choice in option.get("choices") or []]
    if choices and value not in choices:
        raise NotOffered(f"{name}: {value!r} is no choice")
    return {"name": name, "type": kind, "value": value}

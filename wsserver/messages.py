"""The words of the websocket: a message to a command, an event or an error to messages.

Pure. One JSON object a message, both ways; a text that does not begin like JSON is a prompt. What comes
from outside ends as a command or as an InvalidRequest that names the field.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from core import (
    FIELDS,
    Completed,
    End,
    Event,
    ImageRequest,
    InvalidRequest,
    Limits,
    SdError,
    parse_flag,
    parse_request,
)
from core.wire import (
    LONGEST_KEY,
    Parts,
    Words,
    decode,
    encode,
    error_words,
    event_words,
    image_message,
    read_loosely,
)

LONGEST_LABEL = 200
"""Characters of a client's own word for a job."""
LONGEST_ID = 100
LONGEST_API_KEY = 4096
"""Characters; less than a stranger may say in all."""
LONGEST_SHOWN = 40
"""Characters of a wrong name that an error repeats."""
_BEFORE_JSON = "\ufeff \t\r\n"


@dataclass(frozen=True, slots=True)
class Generate:
    """Paint; `key` is the client's own name for this request: the same one again is the same job."""

    request: ImageRequest
    label: str | None = None
    preview: bool = False
    keep: bool = False
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Cancel:
    """End a job, named by its id or by its label in this connection: one of both is given."""

    id: str | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Attach:
    """Watch a job that was submitted before."""

    id: str
    label: str | None = None
    preview: bool = False


@dataclass(frozen=True, slots=True)
class Auth:
    """The API key, from a client that could not send it in the handshake."""

    key: str = field(repr=False)


Command = Generate | Cancel | Attach | Auth
"""All that a client may say."""


def read(message: str | bytes) -> Words:
    """The fields of a message. Binary ones are taken as UTF-8: some clients send nothing else."""
    if isinstance(message, bytes):
        try:
            message = message.decode()
        except UnicodeDecodeError as error:
            raise InvalidRequest(f"the binary message is no UTF-8 text at byte {error.start}") from None
    text = message.lstrip(_BEFORE_JSON)
    if not text.startswith(("{", "[")):
        return {"input": message}
    fields = decode(text, "the message begins like JSON and is none")
    if not isinstance(fields, dict):
        raise InvalidRequest('a JSON object is wanted, such as {"input": "a monkey with a hat"}')
    return fields


def parse(fields: Mapping[str, object], limits: Limits) -> Command:
    """What a message's fields tell us to do; null is not given."""
    fields = {name: value for name, value in fields.items() if value is not None}
    kind = fields.pop("type", "generate" if "input" in fields else None)
    match kind:
        case "generate":
            return _generate(fields, limits)
        case "cancel":
            return _cancel(fields)
        case "attach":
            _check_names(fields, "attach", ("id", "label", "preview"))
            return Attach(
                _word(fields, "id", LONGEST_ID),
                label_of(fields),
                parse_flag("preview", fields.get("preview")),
            )
        case "auth":
            _check_names(fields, "auth", ("key",))
            return Auth(_word(fields, "key", LONGEST_API_KEY))
        case None:
            raise InvalidRequest("input: the prompt is missing, and no other type is given", field="input")
        case _:
            raise InvalidRequest("type: one of generate, cancel, attach, auth is wanted", field="type")


def label_of(fields: Mapping[str, object]) -> str | None:
    """The client's own word for this job, if it gives one."""
    return None if fields.get("label") is None else _word(fields, "label", LONGEST_LABEL)


def names_of(fields: Mapping[str, object]) -> dict[str, str]:
    """`id` and `label` as far as they can be used, so that an error's reader knows what it is about."""
    bounds = {"id": LONGEST_ID, "label": LONGEST_LABEL}
    return {
        name: value
        for name, longest in bounds.items()
        if isinstance(value := fields.get(name), str) and len(value) <= longest
    }


def names_in(message: str | bytes) -> dict[str, str]:
    """`names_of` for a message that `read` refuses, such as one whose prompt was cut within an emoji."""
    text = message.decode(errors="replace") if isinstance(message, bytes) else message
    names = names_of(read_loosely(text.lstrip(_BEFORE_JSON)))
    return {name: value for name, value in names.items() if value == value.encode(errors="replace").decode()}


def event_messages(event: Event, id: str, label: str | None = None) -> Iterator[tuple[Parts, bool]]:
    """The messages that tell of an event, in parts, each with whether it is the last of this job."""
    if isinstance(event, Completed):
        for index in range(len(event.images)):
            yield image_message(event, index, id, label), index == len(event.images) - 1
        return
    yield (event_message(event, id, label),), isinstance(event, End)


def event_message(event: Event, id: str, label: str | None = None) -> bytes:
    """The one message that tells of an event which is no picture."""
    words = event_words(event, id)
    return encode(words if label is None else _named(words, id, label))


def error_message(error: SdError, *, refused: bool, id: str | None = None, label: str | None = None) -> bytes:
    """What a client is told when something cannot be done; `id` and `label` say which of its wishes.

    `refused`: it is a message that is refused. A job of this id or label, if there is one, goes on.
    """
    words = {"type": "error", **error_words(error)}
    if refused:
        words["refused"] = True
    # What a stranger sent may be quoted here, and half a surrogate pair cannot be written.
    words["message"] = words["message"].encode(errors="replace").decode()
    return encode(_named(words, id, label))


def _generate(fields: Words, limits: Limits) -> Generate:
    _check_names(fields, "generate", ("input", *FIELDS, "label", "preview", "keep", "idempotency_key"))
    if "input" not in fields:
        raise InvalidRequest("input: the prompt is missing", field="input")
    key = _word(fields, "idempotency_key", LONGEST_KEY) if "idempotency_key" in fields else None
    parameters = {name: fields[name] for name in FIELDS if name in fields}
    return Generate(
        parse_request(fields["input"], parameters, limits),
        label=label_of(fields),
        preview=parse_flag("preview", fields.get("preview")),
        # Who names a request may come back for it, also over another connection.
        keep=parse_flag("keep", fields.get("keep")) or key is not None,
        key=key,
    )


def _cancel(fields: Words) -> Cancel:
    _check_names(fields, "cancel", ("id", "label"))
    if len(fields) != 1:
        raise InvalidRequest("id: either id or label is wanted, to say which job", field="id")
    if "label" in fields:
        return Cancel(label=label_of(fields))
    return Cancel(id=_word(fields, "id", LONGEST_ID))


def _check_names(fields: Words, kind: str, known: Collection[str]) -> None:
    for name in fields:
        if name not in known:
            shown = name[:LONGEST_SHOWN]
            raise InvalidRequest(
                f"{shown}: no such field of a {kind} message; there are: type, {', '.join(known)}",
                field=shown,
            )


def _word(fields: Mapping[str, object], name: str, longest: int) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        raise InvalidRequest(f"{name}: a text of 1 to {longest} characters is wanted", field=name)
    return value


def _named(words: Words, id: str | None, label: str | None) -> Words:
    """The same words with the job's names behind the type, where a person looks for them."""
    names = {"id": id, "label": label}
    given = {name: value for name, value in names.items() if value is not None}
    return {"type": words["type"], **given, **words}

"""Bytes of a stream to events."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.event_stream import EventStream

STREAM = (
    b'event: queued\nid: 1\ndata: {"id":"1"}\n\n: the job goes on\n'
    b'event: image\r\ndata: {"a":"b"}\r\nid: over\r\n\r\n'
)
EVENTS = [("queued", b'{"id":"1"}'), ("image", b'{"a":"b"}')]


def read(*chunks: bytes) -> list[tuple[str, bytes]]:
    stream = EventStream()
    return [(name, bytes(data)) for chunk in chunks for name, data in stream.feed(chunk)]


def test_events_have_a_name_and_data() -> None:
    """A heartbeat and a lone id are none; both kinds of line breaks are known."""
    assert read(STREAM) == EVENTS


@given(st.lists(st.integers(0, len(STREAM))))
def test_it_does_not_matter_how_the_bytes_are_cut(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    assert read(*(STREAM[start:end] for start, end in pairwise(edges))) == EVENTS


def test_data_of_several_lines_is_one() -> None:
    """And an event without a name is a message, as the standard has it."""
    assert read(b"data: a\ndata:b\ndata:  c\n\n") == [("message", b"a\nb\n c")]
    assert read(b"data\ndatabase: a\ndata\n\n") == [("message", b"\n")]


def test_what_is_not_whole_is_none() -> None:
    assert read(b"event: image\ndata: half") == []


@pytest.mark.parametrize("words", [b"data: AAAAAAAA", b"data:\n", b": AAAAAAAA", b"event: AAAAAAAA"])
def test_an_event_without_end_is_a_value_error(monkeypatch: pytest.MonkeyPatch, words: bytes) -> None:
    """Be it one line, or many: a server would fill this machine's memory."""
    monkeypatch.setattr("cli.event_stream.LONGEST", 1000, raising=False)
    assert read(words + b"A" * 980 + b"\n\n", b"data: a\n\n")[-1] == ("message", b"a")
    with pytest.raises(ValueError, match="an event of more than 1000 bytes"):
        read(*[words] * 1001)


def test_a_picture_is_looked_at_once() -> None:
    """Ten megabytes in small chunks: the end of the line is not searched for from the beginning each time."""
    chunk = b"A" * 1000
    stream = EventStream()
    assert list(stream.feed(b"event: image\ndata: ")) == []
    for _ in range(10_000):
        assert list(stream.feed(chunk)) == []
        assert stream._searched == len(stream._text)
    ((name, data),) = stream.feed(b"\n\n")
    assert (name, len(data)) == ("image", 10_000_000)

"""EventStream: the bytes of `text/event-stream` to events. Pure.

Source: the HTML standard, "Server-sent events". A picture is one line of megabytes: a line is looked at once,
however many chunks it comes in, and stays bytes.
"""

from collections.abc import Iterator

LONGEST = 256 * 2**20
"""Bytes of an event: a picture of 50 million pixels in RGBA and base64, packed not at all. Usually a server
allows 4 million, and keeps no more than so many bytes of all results together (RESULT_MAX_BYTES)."""


class EventStream:
    """Feed it chunks as they come; it gives the events that have become whole, as name and data."""

    def __init__(self) -> None:
        self._text = bytearray()
        self._searched = 0
        """How much of the text is known to hold no end of a line."""
        self._name = ""
        self._data = bytearray()

    def feed(self, chunk: bytes) -> Iterator[tuple[str, bytearray]]:
        """The events that this chunk completes. What has no data, a comment or a lone id, is none.

        Raises ValueError for one without end.
        """
        self._text += chunk
        for line in self._lines():
            if line:
                self._take(line)
                continue
            if self._data:
                del self._data[-1]
                yield self._name or "message", self._data
            self._name, self._data = "", bytearray()
        if len(self._text) + len(self._data) > LONGEST:
            raise ValueError(f"an event of more than {LONGEST} bytes")

    def _lines(self) -> Iterator[bytes]:
        start = 0
        while (end := self._text.find(b"\n", max(start, self._searched))) >= 0:
            stop = end - 1 if end > start and self._text[end - 1] == 0x0D else end
            yield bytes(memoryview(self._text)[start:stop])
            start = end + 1
        del self._text[:start]
        self._searched = len(self._text)

    def _take(self, line: bytes) -> None:
        field = line[:6].partition(b":")[0]  # the rest may be a picture
        start = len(field) + 1
        value = memoryview(line)[start + (line[start : start + 1] == b" ") :]
        if field == b"data":
            self._data += value
            self._data += b"\n"
        elif field == b"event":
            self._name = bytes(value).decode(errors="replace")

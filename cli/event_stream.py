"""EventStream: the bytes of `text/event-stream` to events. Pure.

Source: the HTML standard, "Server-sent events". A picture is one line of megabytes: a line is looked at once,
however many chunks it comes in, and stays bytes.
"""

from collections.abc import Iterator


class EventStream:
    """Feed it chunks as they come; it gives the events that have become whole, as name and data."""

    def __init__(self) -> None:
        self._text = bytearray()
        self._searched = 0
        """How much of the text is known to hold no end of a line."""
        self._name = ""
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> Iterator[tuple[str, bytes]]:
        """The events that this chunk completes. What has no data, a comment or a lone id, is none."""
        self._text += chunk
        for line in self._lines():
            if line:
                self._take(line)
                continue
            if self._data:
                yield self._name or "message", b"\n".join(self._data)
            self._name, self._data = "", []

    def _lines(self) -> Iterator[bytes]:
        start = 0
        while (end := self._text.find(b"\n", max(start, self._searched))) >= 0:
            stop = end - 1 if end > start and self._text[end - 1] == 0x0D else end
            yield bytes(memoryview(self._text)[start:stop])
            start = end + 1
        del self._text[:start]
        self._searched = len(self._text)

    def _take(self, line: bytes) -> None:
        field, _, value = line.partition(b":")
        if field == b"data":
            self._data.append(value.removeprefix(b" "))
        elif field == b"event":
            self._name = value.removeprefix(b" ").decode(errors="replace")

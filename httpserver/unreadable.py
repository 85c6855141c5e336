"""Unreadable: what is no request, and what its sender is told."""

from aiohttp.http_exceptions import BadStatusLine, HttpProcessingError, InvalidURLError, LineTooLong


class BadHead(HttpProcessingError):
    """A head that is not read any further."""


class NoParser:
    """Takes the parser's place then: aiohttp answers what a parser raises, when it is its turn."""

    def __init__(self, error: BadHead) -> None:
        self._error = error

    def feed_data(self, _data: bytes) -> None:
        raise self._error

    def message_consumed(self) -> None:
        """Nothing waits for it."""


def reason(error: HttpProcessingError) -> str:
    """What is wrong with it, for a person."""
    if isinstance(error, LineTooLong):
        return f"the URL or a header is longer than {error.args[1]} bytes; POST /text takes long prompts"
    if isinstance(error, BadHead):
        return error.message
    what = "not readable as HTTP: " + error.message.split("\n", 1)[0].rstrip(":.")[:100]
    if type(error) in {BadStatusLine, InvalidURLError}:  # in the first line, and it is not the method
        return f"{what} (spaces and letters beyond ASCII are %20, %C3%A9 in a URL)"
    return what

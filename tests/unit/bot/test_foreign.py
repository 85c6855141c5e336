"""Which answers are Discord's own, and which are those of something in front of it."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from bot.foreign import JSON, _is_readable

PAGE = b"<html>Access denied</html>"


@pytest.mark.parametrize(
    ("status", "type", "body", "readable"),
    [
        (200, JSON, b'{"id": "7"}', True),
        (200, JSON, b"[]", True),
        (200, JSON, b"", False),
        (200, JSON, b'{"id": ', False),
        (200, "application/json; charset=utf-8", b'{"id": "7"}', False),
        (200, "text/html", PAGE, False),
        (403, JSON, b'{"code": 50013}', True),
        (403, "text/html", PAGE, False),
        (413, "text/html", PAGE, True),
        (429, JSON, b'{"retry_after": 1.5}', True),
        (429, JSON, b'{"error": "slow down"}', False),
        (429, "text/html", PAGE, False),
        (502, "text/html", PAGE, True),
        (502, "text/html", "für Sie gesperrt".encode("latin-1"), False),
    ],
)
def test_what_discord_py_can_read(status: int, type: str, body: bytes, readable: bool) -> None:
    """Behind something that says who it is, as what Discord itself puts there does."""
    answer = SimpleNamespace(status=status, headers={"Content-Type": type, "Via": "1.1 proxy"})
    assert _is_readable(cast(Any, answer), body) is readable


def test_too_many_requests_for_who_does_not_say_who_it_is_are_too_many() -> None:
    """discord.py does not wait there, and hands it on."""
    answer = SimpleNamespace(status=429, headers={"Content-Type": "text/html"})
    assert _is_readable(cast(Any, answer), PAGE)

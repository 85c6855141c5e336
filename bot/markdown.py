"""Markdown: texts as Discord shows them. Escaped, cut where there is no room, and read back. Pure."""

import re

CUT = "…\u2060"
"""Ends a text that was cut: an ellipsis, and a character that nobody types."""
_SPECIAL = re.compile(r"([\\*_~`|>#\[\]()<:@+\-])")
_ESCAPED = re.compile(rf"\\{_SPECIAL.pattern}")


def escape(text: str) -> str:
    """The same words for Discord to show as they are: no markdown, no links, no mentions."""
    return _SPECIAL.sub(r"\\\1", text)


def unescape(text: str) -> str:
    """What `escape` was given."""
    return _ESCAPED.sub(r"\1", text)


def cut(text: str, most: int) -> str:
    """An escaped text in at most so many characters; a backslash never stands alone before the cut."""
    if len(text) <= most:
        return text
    kept = text[: most - len(CUT)]
    return kept[: len(kept) - (len(kept) - len(kept.rstrip("\\"))) % 2] + CUT

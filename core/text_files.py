"""Text files that people write: `.env`, and those that hold a secret."""

from pathlib import Path


def text_of(path: Path) -> str:
    """What stands in it. Raises OSError, and ValueError for what is no UTF-8.

    Windows' Notepad begins it with a BOM. Its PowerShell writes UTF-16, also behind lines that were there:
    then each letter has a zero beside it, and no name would be known.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise ValueError("it is not in UTF-8; save it as that")
    return text

"""Text files that people write."""

from pathlib import Path

import pytest

from core.text_files import text_of


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_it_is_utf_8_with_or_without_a_mark(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "key").write_text("über\n", encoding=encoding)
    assert text_of(tmp_path / "key") == "über\n"


@pytest.mark.parametrize(
    "written",
    [
        "API_KEY=key\r\n".encode("utf-16"),
        b"HTTP_PORT=8000\r\n" + "API_KEY=key\r\n".encode("utf-16-le"),
        b"API_KEY=\xff",
    ],
    ids=["PowerShell", "PowerShell, behind other lines", "no encoding"],
)
def test_what_is_in_another_encoding_is_told_with_what_to_do(tmp_path: Path, written: bytes) -> None:
    """Passed over, a key would leave open what it was meant to close."""
    (tmp_path / ".env").write_bytes(written)
    with pytest.raises(ValueError, match=r"^it is not in UTF-8; save it as that$"):
        text_of(tmp_path / ".env")

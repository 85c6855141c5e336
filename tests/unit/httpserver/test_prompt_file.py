"""The file of the last prompt: replaced in one step, and nothing else in its place."""

import os
import sys
from pathlib import Path

import pytest

from httpserver.prompt_file import PromptFile


async def write(path: Path, *prompts: str) -> None:
    async with PromptFile(str(path)) as file:
        for prompt in prompts:
            file.remember(prompt)


async def test_it_holds_the_last_prompt(tmp_path: Path) -> None:
    await write(tmp_path / "prompt.txt", "a monkey", "帽子")
    assert (tmp_path / "prompt.txt").read_text(encoding="utf-8") == "帽子"
    assert os.listdir(tmp_path) == ["prompt.txt"], "nothing is left beside it"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such links")
async def test_a_link_stays_and_leads_to_the_prompt(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there" / "prompt.txt")
    await write(tmp_path / "link", "a monkey")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there" / "prompt.txt").read_text(encoding="utf-8") == "a monkey"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such pipes")
async def test_what_is_no_file_is_not_replaced(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Such as /dev/null, with which somebody wanted to switch it off."""
    os.mkfifo(tmp_path / "pipe")
    await write(tmp_path / "pipe", "a monkey")
    assert (tmp_path / "pipe").is_fifo()
    assert "PROMPT_FILE: the last prompt cannot be written" in caplog.text


async def test_a_folder_is_not_replaced(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Also not the one without a name: the writer would end with a fault, and so would the program."""
    for folder in (tmp_path, Path(tmp_path.anchor)):
        caplog.clear()
        await write(folder, "a monkey")
        assert "PROMPT_FILE: the last prompt cannot be written" in caplog.text
    assert os.listdir(tmp_path) == []

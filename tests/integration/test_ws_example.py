"""The websocket example, as a process against a real server."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.doubles.pictures import prompt_of
from tests.doubles.ws_fixture import Served, serving

EXAMPLE = Path(__file__).parents[2] / "examples" / "websocket_client.py"


async def run_example(
    served: Served, *arguments: str, folder: Path | None = None, key: str = ""
) -> tuple[int | None, str]:
    """Exit code, and what it says on its way."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLE),
        *arguments,
        cwd=folder,
        env={**os.environ, "SD_B64_WS": served.url, "SD_B64_KEY": key, "NO_PROXY": "*", "no_proxy": "*"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(20):
        said, _ = await process.communicate()
    return process.returncode, said.decode()


async def test_it_saves_a_picture_and_shows_a_full_bar(tmp_path: Path) -> None:
    """Also one beyond the 1 MiB that clients refuse by default."""
    async with serving() as served:
        code, said = await run_example(served, "a monkey /kb-2000", str(tmp_path / "out.png"))
    assert (code, "100%" in said) == (0, True), said
    picture = (tmp_path / "out.png").read_bytes()
    assert len(picture) > 2_000_000
    assert prompt_of(picture) == "a monkey /kb-2000"


@pytest.mark.parametrize("arguments", [(), ("a cat",)])
async def test_it_needs_to_be_told_nothing(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """As the other examples: it has a prompt and a name of its own."""
    async with serving() as served:
        code, said = await run_example(served, *arguments, folder=tmp_path)
    assert code == 0, said
    assert prompt_of((tmp_path / "out.png").read_bytes()) == (*arguments, "a monkey with a hat")[0]


async def test_it_prints_the_error(tmp_path: Path) -> None:
    async with serving(max_prompt=3) as served:
        code, said = await run_example(served, "a monkey", str(tmp_path / "out.png"))
    assert code == 1
    assert "input: 8 characters, at most 3 are read" in said
    assert not (tmp_path / "out.png").exists()


async def test_it_sends_its_key(tmp_path: Path) -> None:
    """In the handshake; without it, or with another one, there is an error and no picture."""
    async with serving(api_key="$uper #9") as served:
        for key, told in (("", "the API key is missing or wrong"), ("another", "HTTP 401")):
            code, said = await run_example(served, "a monkey", folder=tmp_path, key=key)
            assert (code, told in said) == (1, True), said
        assert not (tmp_path / "out.png").exists()
        code, said = await run_example(served, "a monkey", folder=tmp_path, key="$uper #9")
    assert code == 0, said
    assert prompt_of((tmp_path / "out.png").read_bytes()) == "a monkey"

"""The examples, the README's own programs and the original's, each as a process against a real server."""

import asyncio
import errno
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import wsserver.server
from core import Settings, connect
from core.variables import BackendAddress
from httpserver.server import listen
from tests.doubles.a1111 import A1111Double, prompt_of

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROMPT = '"monkey with a hat"'
ORIGINAL_PYTHON = """
import base64
import requests
response = requests.get("http://127.0.0.1:5000/text?input=%22monkey%20with%20a%20hat%22")
with open("out.png", "wb") as file:
    file.write(base64.b64decode(response.json()['image-base64']))
"""
ORIGINAL_BASH = r"""
response=$(curl -s "http://127.0.0.1:5000/text?input=%22monkey%20with%20a%20hat%22")
if [[ $response =~ ^\{.*\}$ ]]; then
  echo "$response" | grep -o '"image-base64":[^,]*' | cut -d ':' -f 2- | tr -d '"' | base64 -d > out.png
else
  echo "$response"
fi
"""
BASH = shutil.which("bash")
needs_bash = pytest.mark.skipif(not (BASH and shutil.which("curl")), reason="bash and curl are not here")
LANGUAGES = ["python", pytest.param("bash", marks=needs_bash)]


def _readme(language: str, word: str) -> str:
    """The README's program in this language that holds this word."""
    blocks: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
    return next(block for block in blocks if word in block)


PROGRAMS = {
    "original python": ("python", ORIGINAL_PYTHON),
    "original bash": ("bash", ORIGINAL_BASH),
    "readme python": ("python", _readme("python", "requests.get")),
    "readme bash": ("bash", _readme("bash", "if [[ $response")),
}


def _programs(kind: str = "") -> list[object]:
    return [
        pytest.param(*program, id=name, marks=needs_bash if program[0] == "bash" else ())
        for name, program in PROGRAMS.items()
        if kind in name
    ]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Nothing but the default, and no file outside of the test's folder."""
    return Settings(prompt_file=str(tmp_path / "prompt.txt"))


@asynccontextmanager
async def _served(settings: Settings, port: int = 0) -> AsyncIterator[int]:
    async with A1111Double() as double:
        painted = settings.with_backends(BackendAddress(double.url))
        async with connect(painted) as gateway, listen(gateway, painted, port=port) as bound:
            yield bound


async def _run(folder: Path, *command: str, port: int = 0, key: str = "") -> tuple[int | None, str]:
    """Exit code and output of a program in this folder; what it says on stderr is output, too."""
    environ = {**os.environ, "SD_B64_URL": f"http://127.0.0.1:{port}", "NO_PROXY": "*", "no_proxy": "*"}
    environ["SD_B64_KEY"] = key
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(30):
        said, _ = await process.communicate()
    return process.returncode, said.decode()


def _example(language: str) -> tuple[str, str]:
    name = "bash_client.sh" if language == "bash" else "python_client.py"
    return (_interpreter(language), str(ROOT / "examples" / name))


def _interpreter(language: str) -> str:
    return BASH or "bash" if language == "bash" else sys.executable


@pytest.mark.parametrize("language", LANGUAGES)
async def test_an_example_saves_the_picture(tmp_path: Path, settings: Settings, language: str) -> None:
    """The PNG of its prompt lies in the file that was named, byte for byte."""
    async with _served(settings) as port:
        code, said = await _run(tmp_path, *_example(language), "monkey.png", port=port)
    assert (code, said.strip()) == (0, "monkey.png")
    assert prompt_of((tmp_path / "monkey.png").read_bytes()) == PROMPT


@pytest.mark.parametrize("language", LANGUAGES)
async def test_an_example_prints_the_error(tmp_path: Path, settings: Settings, language: str) -> None:
    """And saves no file."""
    async with _served(Settings(prompt_file=settings.prompt_file, max_prompt=5)) as port:
        code, said = await _run(tmp_path, *_example(language), port=port)
    assert code == 1
    assert '"code":"invalid_request"' in said
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("language", LANGUAGES)
async def test_an_example_tells_of_no_file_that_is_not_there(
    tmp_path: Path, settings: Settings, language: str
) -> None:
    """Else a script that calls it goes on with a picture that nobody saved."""
    async with _served(settings) as port:
        code, said = await _run(tmp_path, *_example(language), "missing/out.png", port=port)
    assert code == 1
    assert "No such file or directory" in said
    assert "missing/out.png" not in said.splitlines()


@pytest.mark.parametrize("language", LANGUAGES)
async def test_an_example_sends_its_key(tmp_path: Path, settings: Settings, language: str) -> None:
    """Whatever letters are in it; without it the error is shown, and no file is saved."""
    async with _served(Settings(prompt_file=settings.prompt_file, api_key='$uper #9"')) as port:
        code, said = await _run(tmp_path, *_example(language), port=port)
        assert (code, '"code":"unauthorized"' in said) == (1, True), said
        assert not (tmp_path / "out.png").exists()
        code, said = await _run(tmp_path, *_example(language), port=port, key='$uper #9"')
    assert (code, said.strip()) == (0, "out.png")
    assert prompt_of((tmp_path / "out.png").read_bytes()) == PROMPT


@needs_bash
async def test_no_other_user_sees_the_key_of_the_bash_example(tmp_path: Path) -> None:
    """It is in no command: those stand in `ps` for as long as the picture takes."""
    (tmp_path / "curl").write_text('#!/bin/sh\ncat > header\necho "$@" > command\n', encoding="utf-8")
    (tmp_path / "curl").chmod(0o755)
    (tmp_path / "bash_client.sh").write_bytes((ROOT / "examples" / "bash_client.sh").read_bytes())
    finds = 'PATH="$PWD:$PATH" bash bash_client.sh'
    await _run(tmp_path, _interpreter("bash"), "-c", finds, key="sesame")
    assert (tmp_path / "header").read_text(encoding="utf-8") == "Authorization: Bearer sesame\n"
    assert "sesame" not in (tmp_path / "command").read_text(encoding="utf-8")


@pytest.mark.parametrize(("language", "program"), _programs())
async def test_the_original_programs_run_as_they_are(
    tmp_path: Path, settings: Settings, language: str, program: str
) -> None:
    """Against any port; `prompt.txt` then holds exactly what the query held, quotes included."""
    async with _served(settings) as port:
        code, said = await _run(tmp_path, _interpreter(language), "-c", program.replace(":5000", f":{port}"))
    assert (code, said) == (0, "")
    assert prompt_of((tmp_path / "out.png").read_bytes()) == PROMPT
    assert (tmp_path / "prompt.txt").read_text(encoding="utf-8") == PROMPT


@pytest.mark.xdist_group("port 5000")
@pytest.mark.parametrize(("language", "program"), _programs("original"))
async def test_the_original_programs_run_verbatim_on_the_default_port(
    tmp_path: Path, settings: Settings, language: str, program: str
) -> None:
    """Not a letter of them changed."""
    try:
        async with _served(settings, port=settings.http_port):
            code, said = await _run(tmp_path, _interpreter(language), "-c", program)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        pytest.skip("port 5000 is taken on this machine")
    assert (code, said) == (0, "")
    assert prompt_of((tmp_path / "out.png").read_bytes()) == PROMPT


@needs_bash
async def test_the_mended_line_keeps_every_byte_of_a_large_picture(
    tmp_path: Path, settings: Settings
) -> None:
    """Half a megabyte with NULs in it, through grep, cut, tr and base64."""
    large = ORIGINAL_BASH.replace("hat%22", "hat%20/kb-450%22")
    async with _served(settings) as port:
        code, said = await _run(tmp_path, _interpreter("bash"), "-c", large.replace(":5000", f":{port}"))
    assert (code, said) == (0, "")
    picture = (tmp_path / "out.png").read_bytes()
    assert len(picture) > 450_000
    assert picture.endswith(b"IEND\xaeB`\x82")
    assert prompt_of(picture) == '"monkey with a hat /kb-450"'


@needs_bash
async def test_the_original_bash_program_prints_an_error(tmp_path: Path, settings: Settings) -> None:
    """The line break before the JSON keeps it from being taken for a picture."""
    async with _served(Settings(prompt_file=settings.prompt_file, max_prompt=5)) as port:
        code, said = await _run(
            tmp_path, _interpreter("bash"), "-c", ORIGINAL_BASH.replace(":5000", f":{port}")
        )
    assert code == 0
    assert '"code":"invalid_request"' in said
    assert not (tmp_path / "out.png").exists()


async def test_the_websocket_program_of_the_readme_runs(tmp_path: Path, settings: Settings) -> None:
    """It saves its picture, and prints what it was told before."""
    program = _readme("python", "websockets")
    async with A1111Double() as double:
        painted = settings.with_backends(BackendAddress(double.url))
        async with connect(painted) as gateway, wsserver.server.listen(gateway, painted, port=0) as port:
            code, said = await _run(tmp_path, sys.executable, "-c", program.replace(":8765", f":{port}"))
    assert code == 0, said
    assert "'started'" in said
    assert prompt_of((tmp_path / "out.png").read_bytes()) == "a monkey with a hat"

"""`run.py`, the README's command: what it installs and when, and how it ends. A `uv` of the tests stands in.

That one writes down what it is asked for; of the environment that it would make there is `sd-b64`, which
says what it was given and ends with 7.
"""

import asyncio
import os
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.doubles.cli_fixture import contents, environment
from tests.doubles.http_fixture import serving

ROOT = Path(__file__).parents[2]
UV = """#!/bin/sh
echo "$@" >> asked.txt
mkdir -p .venv/bin
printf '#!/bin/sh\\necho "it got $*"\\nexit 7\\n' > .venv/bin/sd-b64
cp .venv/bin/sd-b64 .venv/bin/pytest
chmod +x .venv/bin/sd-b64 .venv/bin/pytest
"""
UV_WITH_CLIENT = f"""#!/bin/sh
mkdir -p .venv/bin
printf '#!/bin/sh\\nexec {sys.executable} -m cli "$@"\\n' > .venv/bin/sd-b64
chmod +x .venv/bin/sd-b64
"""

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the `uv` of these tests is a shell script")


@dataclass(frozen=True, slots=True)
class Checkout:
    """A folder with what `run.py` reads, and the PATH on which `uv` is found."""

    folder: Path
    tools: Path

    def uv(self, script: str) -> None:
        """Let this be what `uv` does."""
        path = self.tools / "uv"
        path.write_text(script)
        path.chmod(0o755)

    @property
    def asked(self) -> list[str]:
        """What `uv` was asked for, in short, since this was looked at last."""
        path = self.folder / "asked.txt"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [" ".join(line.split()[:2]) for line in lines]

    async def start(self, *arguments: str, within: Path | None = None) -> asyncio.subprocess.Process:
        """`python3 run.py ARGUMENTS` in a process group of its own, as a terminal starts it.

        `within`: called from this folder, by its path.
        """
        return await asyncio.create_subprocess_exec(
            *(sys.executable, self.folder / "run.py" if within else "run.py", *arguments),
            cwd=within or self.folder,
            env=environment("", PATH=f"{self.tools}:{os.environ['PATH']}"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )

    async def run(self, *arguments: str, within: Path | None = None) -> tuple[int | None, str, str]:
        """Exit code, output and errors."""
        process = await self.start(*arguments, within=within)
        said, errors = await process.communicate()
        return process.returncode, said.decode(), errors.decode()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    folder, tools = tmp_path / "checkout", tmp_path / "tools"
    folder.mkdir()
    tools.mkdir()
    for name in ("run.py", "pyproject.toml", "requirements.txt", "requirements-build.txt"):
        shutil.copy(ROOT / name, folder)
    made = Checkout(folder, tools)
    made.uv(UV)
    return made


async def test_it_installs_once_says_each_command_and_passes_on_arguments_and_exit_code(
    checkout: Checkout,
) -> None:
    """Again only when the project's files changed; the tests' own packages only for the tests."""
    code, said, errors = await checkout.run("imagine", "a cat", "--seed", "7")
    assert (code, said) == (7, "it got imagine a cat --seed 7\n")
    assert [line[:1] for line in errors.splitlines()] == ["+"] * 4
    assert "--require-hashes -r requirements.txt -r requirements-build.txt\n" in errors
    assert "--no-build-isolation --editable .\n" in errors, "nothing comes in without a hash"
    assert checkout.asked == ["venv --clear", "pip install", "pip install"]
    assert (await checkout.run())[:2] == (7, "it got serve\n")
    assert checkout.asked == []
    assert (await checkout.run("test", "-q"))[:2] == (7, "it got -q\n")
    assert checkout.asked == ["pip install", "pip install"]
    assert (await checkout.run())[:2] == (7, "it got serve\n")
    assert checkout.asked == []
    with (checkout.folder / "requirements.txt").open("a") as lock:
        lock.write("# another one\n")
    await checkout.run()
    assert checkout.asked == ["pip install", "pip install"]


@pytest.mark.slow
async def test_a_client_works_where_it_is_called_and_finds_the_server_by_the_settings_beside_it(
    checkout: Checkout, tmp_path: Path
) -> None:
    """`python3 ../checkout/run.py imagine ...` saves there; `serve` would work in the checkout."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    checkout.uv(UV_WITH_CLIENT)
    async with serving(tmp_path, api_key="s3cret") as served:
        (checkout.folder / "key").write_text("s3cret\n")
        (checkout.folder / ".env").write_text(f"HTTP_PORT={served.port}\nAPI_KEY_FILE=key\n")
        code, said, _ = await checkout.run("imagine", "a cat", "-o", "out.png", within=pictures)
        assert (code, said) == (0, "out.png\n")
        code, said, _ = await checkout.run("status", within=pictures)
        assert (code, f"http://127.0.0.1:{served.port}" in said) == (0, True)
    assert contents(pictures / "out.png").startswith(b"\x89PNG")


async def test_whatever_is_no_client_works_in_the_checkout(checkout: Checkout, tmp_path: Path) -> None:
    """There `serve` finds its `.env`, and pytest its tests."""
    checkout.uv(UV.replace("it got $*", "$* in $(pwd)"))
    assert (await checkout.run(within=tmp_path))[1] == f"serve in {checkout.folder}\n"
    assert (await checkout.run("test", "-q", within=tmp_path))[1] == f"-q in {checkout.folder}\n"


async def test_a_checkout_that_was_moved_gets_a_new_environment(checkout: Checkout) -> None:
    """The programs in the old one name the place where they were installed."""
    await checkout.run("test")
    assert checkout.asked == ["venv --clear", "pip install", "pip install"]
    moved = Checkout(
        checkout.folder.rename(checkout.folder.with_name("umgezogen nach København")), checkout.tools
    )
    assert (await moved.run("test"))[:2] == (7, "it got \n")
    assert moved.asked == ["venv --clear", "pip install", "pip install"]
    assert (await moved.run("test"))[0] == 7
    assert moved.asked == []


async def test_what_cannot_be_installed_ends_it_with_that_exit_code_and_is_tried_again(
    checkout: Checkout,
) -> None:
    checkout.uv("#!/bin/sh\nexit 3\n")
    code, said, errors = await checkout.run()
    assert (code, said) == (3, "")
    assert "Traceback" not in errors
    checkout.uv(UV)
    assert (await checkout.run())[0] == 7


async def test_ctrl_c_ends_the_installation_without_a_traceback(checkout: Checkout) -> None:
    """With the exit code of an interrupted command."""
    checkout.uv("#!/bin/sh\necho begun\nexec sleep 60\n")
    process = await checkout.start()
    assert process.stdout is not None
    assert await process.stdout.readline() == b"begun\n"
    os.killpg(process.pid, signal.SIGINT)
    async with asyncio.timeout(30):
        _, errors = await process.communicate()
    assert process.returncode == 130
    assert b"Traceback" not in errors


def test_it_can_be_read_before_it_is_run() -> None:
    """It is the first thing that the README has anybody start."""
    assert len((ROOT / "run.py").read_text(encoding="utf-8").splitlines()) <= 80

"""What may be asked of `sd-b64`."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from cli.arguments import parser

ROOT = Path(__file__).parents[3]


def test_it_tells_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(["--version"])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (ended.value.code, capsys.readouterr().out) == (0, f"sd-b64-api {project['version']}\n")
    assert "--version" in parser().format_help()


def test_its_version_is_no_fault_where_it_is_not_installed(tmp_path: Path) -> None:
    """As after `pip3 install -r requirements.txt`, which the README allows."""
    shutil.copytree(ROOT / "cli", tmp_path / "cli")
    ran = subprocess.run(
        [sys.executable, "-S", "-m", "cli", "--version"],  # -S: without installed packages
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == "sd-b64-api, not installed as a package, so no version is known\n"


def test_the_version_costs_nothing_where_nobody_asks_for_it() -> None:
    """`health` is asked every few seconds, and needs next to nothing."""
    line = "import sys, cli.arguments as cli; cli.parser().parse_args(['health']); print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", line], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "importlib.metadata" not in ran.stdout.split()

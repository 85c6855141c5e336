"""The commands that measure, as the extra `bench` installs what they need."""

import subprocess
import sys

import pytest

from benchmarks.processes import ROOT

WITHOUT_THE_TESTS_EXTRA = """
import runpy, sys
sys.modules |= dict.fromkeys(["hypothesis", "pyte", "pytest", "pytest_asyncio", "tqdm"])
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("module", ["benchmarks", "benchmarks.chaos", "benchmarks.scaling"])
def test_who_measures_needs_nothing_of_the_tests_extra(module: str) -> None:
    """They start the tests' servers, and with these comes no pytest."""
    command = [sys.executable, "-c", WITHOUT_THE_TESTS_EXTRA, module, "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: python -m {module} ")

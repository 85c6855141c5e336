"""The tests themselves, in the background of a script."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(os.name == "nt", reason="shells with such a background are Unix's")


def test_what_a_test_starts_is_ended_by_ctrl_c() -> None:
    interrupted = [sys.executable, "-c", "import signal; signal.raise_signal(signal.SIGINT)"]
    assert subprocess.run(interrupted, stderr=subprocess.DEVNULL).returncode == -signal.SIGINT


@pytest.mark.slow
@pytest.mark.parametrize("processes", ["-n0", "-n1"])
def test_so_it_is_where_a_shell_has_the_tests_ignore_it(processes: str) -> None:
    """In the tests' only process, and in those that pytest starts."""
    test = f"{Path(__file__).relative_to(ROOT)}::{test_what_a_test_starts_is_ended_by_ctrl_c.__name__}"
    line = "trap '' INT; exec \"$@\""
    pytest_command = (sys.executable, "-m", "pytest", processes, "-p", "no:cacheprovider", test)
    ran = subprocess.run(["sh", "-c", line, "sh", *pytest_command], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout

"""What is started to be measured."""

import os
from pathlib import Path

import pytest

from benchmarks.machine import Cores
from benchmarks.processes import Bench, BenchmarkError


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="needs Linux")
def test_a_program_that_may_not_be_run_is_named(tmp_path: Path) -> None:
    """As a compiled one where the folder for temporary files is mounted with noexec."""
    program = tmp_path / "backend"
    program.touch(mode=0o600)
    core = min(os.sched_getaffinity(0))
    with (
        pytest.raises(BenchmarkError, match=r"^backends cannot be started: .*Permission denied"),
        Bench(tmp_path, Cores(core, core)).running("backends", [str(program)]),
    ):
        pass

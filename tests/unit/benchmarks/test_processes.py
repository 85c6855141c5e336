"""What is started to be measured."""

import os
from pathlib import Path

import pytest

from benchmarks.machine import Cores
from benchmarks.processes import Bench, BenchmarkError, environment


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


def test_what_is_measured_knows_no_setting_and_no_proxy_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The original design would ask the painting servers through the latter."""
    for name in ("HTTP_PROXY", "all_proxy", "MAX_QUEUE", "API_KEY_FILE"):
        monkeypatch.setenv(name, "http://192.0.2.1:3128")
    known = environment({"MAX_STEPS": "9"})
    assert not {"HTTP_PROXY", "all_proxy", "MAX_QUEUE", "API_KEY_FILE"} & known.keys()
    assert known["MAX_STEPS"] == "9"

"""What is started to be measured."""

import os
import socket
from pathlib import Path

import pytest

from benchmarks.machine import Cores
from benchmarks.processes import Bench, BenchmarkError, environment


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("needs Linux")
    core = min(os.sched_getaffinity(0))
    return Bench(tmp_path, Cores(core, core))


def test_a_program_that_may_not_be_run_is_named(bench: Bench) -> None:
    """As a compiled one where the folder for temporary files is mounted with noexec."""
    program = bench.folder / "backend"
    program.touch(mode=0o600)
    with (
        pytest.raises(BenchmarkError, match=r"^backends cannot be started: .*Permission denied"),
        bench.running("backends", [str(program)]),
    ):
        pass


def test_who_has_taken_a_port_is_not_measured_in_place_of_the_program(bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with (
            pytest.raises(BenchmarkError, match=rf"^valkey: another program has taken port {port}"),
            bench.running("valkey", ["sleep", "600"], ports=[port]),
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

"""What is imported at the start."""

import os
from pathlib import Path

import pytest

from benchmarks.machine import cores
from benchmarks.processes import Bench
from benchmarks.start import MODULES, heaviest


def test_the_imports_of_serve_are_those_of_what_it_serves(tmp_path: Path) -> None:
    """`sd-b64` itself imports next to nothing until it knows the command."""
    if not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs Linux and two cores")
    packages = [name for name, _ in heaviest(Bench(tmp_path, cores()), MODULES["sd-b64 serve"])]
    assert {"aiohttp", "core"} <= set(packages)

"""A process that hands on pictures keeps their memory for the next ones."""

import subprocess
import sys

import pytest

READS = """
import resource

from core.allocation import tune_memory

if {settled}:
    tune_memory()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    [b"x" * 600_000 for _ in range(8)]
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(*, settled: bool) -> int:
    """Pages that were fetched from the system for eight pictures of 600 KB, twenty times."""
    script = READS.format(settled=settled)
    return int(subprocess.run([sys.executable, "-c", script], check=True, capture_output=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's own")
def test_the_memory_of_a_picture_is_fetched_once() -> None:
    assert faults(settled=True) < faults(settled=False) / 4

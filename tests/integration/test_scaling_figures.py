"""What docs/scaling.md multiplies is measured by one command, by Valkey's own counters."""

import pytest

from benchmarks.scaling import Costs, Counters, measure, tables


@pytest.mark.slow
async def test_what_a_picture_and_a_waiting_job_cost_valkey() -> None:
    """A picture of 500 KB passes once in and once out, and is written once, as base64."""
    # Valkey's own buffers come and go by 64 KB meanwhile: of 300 jobs that is 0.2 KB each.
    costs = await measure(pictures=4, jobs=300, seconds=0.2)
    for passed in (costs.picture.received, costs.picture.sent, costs.picture.written):
        assert 667_000 < passed < 720_000
    assert 4 <= costs.picture.calls <= 12
    assert 500 < costs.waiting.memory < 5_000


def test_the_second_table_is_the_first_one_multiplied() -> None:
    picture = Counters(cpu=0.004, calls=6, received=0.7e6, sent=0.7e6, written=0.6e6, memory=0)
    none = Counters(0, 0, 0, 0, 0, 0)
    lines = tables(Costs(picture, none, none, none, jobs=1)).splitlines()
    assert lines[-1] == "| 1,000 | 200 | 140.0 MB/s | 7,200 MB | 80% |"

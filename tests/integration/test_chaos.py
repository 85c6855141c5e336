"""A small storm of `benchmarks.chaos`: everything is killed again and again, and no picture is lost."""

import random

import pytest

from benchmarks.chaos import Plan, storm


@pytest.mark.chaos
async def test_every_accepted_job_ends_once_with_its_own_picture() -> None:
    report = await storm(Plan(jobs=200), random.Random(7))
    assert report.faults == [], report.told()
    assert report.accepted == report.pictures == sum(report.begun.values()) == 200
    assert report.overlaps == 0
    assert report.killed["Valkey"] == 2
    assert report.killed["workers"] + report.killed["front ends"] >= 5

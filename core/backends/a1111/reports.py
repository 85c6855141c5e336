"""What the two progress endpoints say, in one form. Pure; None where it is no such answer."""

from dataclasses import dataclass, field
from math import isfinite
from typing import Any

LONGEST_ETA = 86_400.0
"""Seconds; more than this, less than nothing or nothing at all is no guess but a missing one."""
A1111_START = 0.01
"""What `/sdapi/v1/progress` adds to the fraction."""


@dataclass(frozen=True, slots=True)
class TaskReport:
    """`/internal/progress`: of the task that was asked for, and of no other."""

    active: bool
    queued: bool
    completed: bool
    fraction: float
    eta: float | None
    preview: bytes | None = field(repr=False)
    preview_id: int


@dataclass(frozen=True, slots=True)
class Running:
    """`/sdapi/v1/progress`: of whatever is painted now."""

    idle: bool
    told: bool
    """Whether the server says whose task it is."""
    task: str | None
    fraction: float
    eta: float | None
    preview: bytes | None = field(repr=False)


def read_task_report(value: Any) -> TaskReport | None:
    """Read the answer of `/internal/progress`."""
    if not isinstance(value, dict) or not isinstance(value.get("active"), bool):
        return None
    number = value.get("id_live_preview")
    return TaskReport(
        value["active"],
        value.get("queued") is True,
        value.get("completed") is True,
        _fraction(value.get("progress")),
        _eta(value.get("eta")),
        _preview(value.get("live_preview")),
        number if isinstance(number, int) else -1,
    )


def read_running(value: Any) -> Running | None:
    """Read the answer of `/sdapi/v1/progress`."""
    if not isinstance(value, dict) or "progress" not in value:
        return None
    state = value.get("state")
    told, task = "current_task" in value, value.get("current_task")
    fraction = _fraction(value["progress"])
    # -1 is a job that is about to begin
    count = state.get("job_count") if isinstance(state, dict) else None
    idle = not task and (count == 0 if isinstance(count, int) else fraction == 0)
    return Running(
        idle,
        told,
        task if isinstance(task, str) else None,
        fraction if fraction == 1 else max(0.0, fraction - A1111_START),
        _eta(value.get("eta_relative")),
        _preview(value.get("current_image")),
    )


def _fraction(value: Any) -> float:
    return min(max(float(value), 0.0), 1.0) if _is_number(value) else 0.0


def _eta(value: Any) -> float | None:
    return float(value) if _is_number(value) and 0 < value < LONGEST_ETA else None


def _preview(value: Any) -> bytes | None:
    """The base64 of a picture, without the `data:image/...;base64,` before it."""
    if not isinstance(value, str) or not value.isascii():
        return None
    text = value.partition(",")[2] if value.startswith("data:") else value
    return text.encode() or None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)

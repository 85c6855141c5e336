"""Report: what came of a storm, as it is told and as the tests read it."""

from collections import Counter
from dataclasses import dataclass, field
from statistics import median


@dataclass(slots=True)
class Report:
    """What came of it."""

    accepted: int = 0
    pictures: int = 0
    seconds: float = 0.0
    asked_again: int = 0
    killed: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    """Whatever must not be: a job that was lost, a wrong picture, two ends of one job."""
    begun: Counter[int] = field(default_factory=Counter)
    """How many jobs were begun so often."""
    heard: int = 0
    """How many jobs' ends the witness heard, as Valkey published them."""
    overlaps: int = 0
    """Pictures that were asked of a server while it painted another one for us."""
    died_with: int = 0
    """Jobs that a worker had in hand when it was killed."""
    back_after: list[float] = field(default_factory=list)
    """Seconds from the death of a worker until what it had was first in line again, with Valkey there."""
    begun_again_after: list[float] = field(default_factory=list)
    """The same until it was begun again: a server must be free for it."""
    owned_again_after: list[float] = field(default_factory=list)
    """The same until all its servers had another owner."""
    served_again_after: list[float] = field(default_factory=list)
    """Seconds from the return of Valkey until every front end serves again."""

    @property
    def begun_again(self) -> int:
        """Beginnings beyond the first of each job."""
        return sum((times - 1) * count for times, count in self.begun.items())

    def told(self) -> str:
        """In words, as the docs quote it."""
        return "\n".join(
            [
                f"{self.accepted} jobs accepted, {self.pictures} pictures, in {self.seconds:.0f} s; "
                f"clients asked {self.asked_again} times again",
                "killed: " + ", ".join(f"{count} {name}" for name, count in sorted(self.killed.items())),
                "begun: " + ", ".join(f"{count} jobs {n} times" for n, count in sorted(self.begun.items())),
                f"ends that were heard as they were published: {self.heard}",
                f"begun more than once: {self.begun_again}; workers died with {self.died_with}",
                f"first in line again after the death of a worker: {_spread(self.back_after)}",
                f"begun again after it: {_spread(self.begun_again_after)}",
                f"its servers owned again after it: {_spread(self.owned_again_after)}",
                f"served again after the return of Valkey: {_spread(self.served_again_after)}",
                f"overlaps on a server: {self.overlaps}",
                "faults: " + ("none" if not self.faults else "; ".join(self.faults[:20])),
            ]
        )


def _spread(seconds: list[float]) -> str:
    if not seconds:
        return "not seen"
    return f"median {median(seconds):.2f} s, at most {max(seconds):.2f} s ({len(seconds)} times)"

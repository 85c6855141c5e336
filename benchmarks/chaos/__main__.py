"""The storm from the command line."""

import argparse
import asyncio
import random

from benchmarks.chaos import Plan, storm
from benchmarks.processes import to_be_broken_off


def main() -> None:
    """Run it, and print what came of it; exit code 1 where something was lost."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description="Kill everything.")
    parser.add_argument("--jobs", type=int, default=Plan().jobs)
    parser.add_argument("--seed", type=int, default=1, help="of who is killed when")
    options = parser.parse_args()
    with to_be_broken_off():
        report = asyncio.run(storm(Plan(jobs=options.jobs), random.Random(options.seed)))
    print(report.told())
    raise SystemExit(bool(report.faults))


if __name__ == "__main__":
    main()

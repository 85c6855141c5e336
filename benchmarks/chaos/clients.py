"""Clients: those who want a picture each, and ask until it is there."""

import asyncio
import random

import aiohttp

from benchmarks.chaos.plan import Plan
from benchmarks.chaos.report import Report
from tests.doubles.pictures import prompt_of, seed_of
from tests.doubles.shared_fixture import FrontEnd

AGAIN = {"queue_unavailable", "shutting_down", "no_backend", "queue_full"}
"""What a client meets by asking again."""


class Clients:
    """Of one storm. `front_ends` may be others at any time: each asks any of them."""

    def __init__(self, plan: Plan, front_ends: list[FrontEnd], chance: random.Random, report: Report) -> None:
        self.ids: dict[int, str] = {}
        """Of the jobs that were accepted, by client."""
        self._plan = plan
        self._front_ends = front_ends
        self._chance = chance
        self._report = report

    async def ask(self, number: int) -> None:
        """One who wants one picture, and asks until it is there."""
        prompt, seed = f"picture {number} of the storm", 10_000 + number
        query = {"input": prompt, "seed": str(seed), "steps": "4"}
        caller = f"203.0.113.{number % self._plan.callers + 1}"
        headers = {"Idempotency-Key": f"key-{number}"}
        if number % 2:
            headers["Prefer"] = "respond-async"
        answer = await self._until_answered("/text", caller, headers, query)
        if answer is None:
            return
        self._report.accepted += 1
        self.ids[number] = answer["id"]
        while answer is not None and "image-base64" not in answer:
            answer = await self._until_answered(f"/jobs/{answer['id']}", caller, {"Prefer": "wait=5"}, {})
            if answer is not None and answer.get("state") in {"failed", "cancelled"}:
                self._report.faults.append(f"job {number} ended as {answer}")
                return
        if answer is not None:
            self._check(number, answer, prompt, seed)

    # --- inside

    async def _until_answered(
        self, path: str, caller: str, headers: dict[str, str], query: dict[str, str]
    ) -> dict[str, str] | None:
        """The JSON of an answer that is none of a fault that passes; None for another one."""
        while True:
            front_end = self._chance.choice(self._front_ends)
            try:
                answer = await front_end.ask("GET", path, caller=caller, headers=headers, **query)
            except (aiohttp.ClientError, ConnectionError):
                self._report.asked_again += 1
                await asyncio.sleep(0.2)
                continue
            words: dict[str, str] = answer.json
            if answer.status in {200, 202}:
                return words
            if words["code"] not in AGAIN:
                self._report.faults.append(f"{path}: {answer.status} {words}")
                return None
            self._report.asked_again += 1
            await asyncio.sleep(0.5)

    def _check(self, number: int, answer: dict[str, str], prompt: str, seed: int) -> None:
        picture = answer["image-base64"].encode()
        if (answer["id"], prompt_of(picture), seed_of(picture)) != (self.ids[number], prompt, seed):
            self._report.faults.append(f"job {number} got the picture {prompt_of(picture)!r}")
        self._report.pictures += 1

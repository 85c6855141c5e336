"""The figures that the docs promise are those of the code: seconds, sizes, counts."""

from pathlib import Path
from typing import Any

import pytest

import bot.answers
import bot.buttons
import bot.deliveries
import bot.messages
import bot.pace
import bot.screen
import bot.showing
import bot.tickets
import cli.job
import cli.server
import core.backends.a1111.refusal
import core.backends.a1111.standstill
import core.fair_order
import core.queues
import core.queues.memory.job
import core.queues.valkey.pictures
import core.queues.valkey.store
import core.request
import core.stall
import core.wire
import core.worker.health
import core.worker.standing
import httpserver.connection
import httpserver.messages
import httpserver.stream
import httpserver.text
import wsserver.connection
import wsserver.messages
import wsserver.pace
import wsserver.server
from bot.beside import LONGEST_REST, RAN_WELL
from core import Limits

ROOT = Path(__file__).parents[2]
KIB = 1024
REFUSAL, HEALTH, STORE = core.backends.a1111.refusal, core.worker.health, core.queues.valkey.store
TAKEN_OVER = bot.deliveries.SCAN + bot.tickets.LEASE

FIGURES: tuple[tuple[str, str, Any, Any], ...] = (
    ("how-it-works", "accepts no data for two minutes", core.stall.STALL_SECONDS, 120),
    ("how-it-works", "leaves a ping unanswered for 30 seconds", wsserver.server.PONG_TIMEOUT, 30),
    ("how-it-works", "costs at least a sixteenth of a unit", core.request.SMALLEST_COST, 1 / 16),
    ("how-it-works", "(up to 1,000 jobs)", core.fair_order.MOST_LATE, 1000),
    ("how-it-works", "as watching for two seconds after each request", core.queues.memory.job.LOOK, 2),
    (
        "how-it-works",
        "checked again after half a second, then after twice as long each time, up to ten seconds",
        (HEALTH.FIRST_REST, HEALTH.LONGEST_REST),
        (0.5, 10),
    ),
    (
        "how-it-works",
        "(one second to a minute; ten seconds if it says nothing)",
        (REFUSAL.SHORTEST_RETRY_AFTER, REFUSAL.LONGEST_RETRY_AFTER, REFUSAL.USUAL_RETRY_AFTER),
        (1, 60, 10),
    ),
    ("how-it-works", "did nothing else for five minutes", core.worker.standing.LONG_LIMITED, 300),
    (
        "how-it-works",
        "until its progress has not moved for five minutes",
        core.backends.a1111.standstill.LONGEST,
        300,
    ),
    ("how-it-works", "New work is refused within 2.5 seconds", STORE.CALL_SECONDS, 2),
    ("reliability", "new work: 503 `queue_unavailable` within 2.5 s", STORE.CALL_SECONDS, 2),
    (
        "reliability",
        "within two minutes after its worker was killed",
        core.queues.valkey.pictures.PICTURE_SECONDS,
        120,
    ),
    (
        "operating",
        "stays 200 for 10 to 15 seconds",
        (core.queues.OFFER_TTL - core.worker.standing.LOOK_EVERY, core.queues.OFFER_TTL),
        (10, 15),
    ),
    (  # with the subscription; `serve` is a front end and a worker then
        "scaling",
        "A process holds at most 19 to Valkey (`sd-b64 serve` with servers in `SD_BACKENDS`, 38)",
        (
            STORE.CONNECTIONS + 1,
            2 * (STORE.CONNECTIONS + 1),
        ),
        (19, 38),
    ),
    (
        "clients",
        "`label` has 1 to 200 characters, `Idempotency-Key` 1 to 255",
        (wsserver.messages.LONGEST_LABEL, core.wire.LONGEST_KEY),
        (200, 255),
    ),
    ("clients", "counts up to 600 seconds", httpserver.messages.LONGEST_WAIT, 600),
    ("clients", "first line may have 128 KiB", httpserver.connection.LONGEST_LINE, 128 * KIB),
    (
        "clients",
        "a body 64 KiB plus 24 bytes per character of `MAX_PROMPT` (158 KiB by default)",
        (Limits(0).max_message_bytes, Limits(1).max_message_bytes, round(Limits().max_message_bytes / KIB)),
        (64 * KIB, 64 * KIB + 24, 158),
    ),
    (
        "clients",
        "Headers and body have 30 seconds each to arrive",
        (httpserver.connection.HEAD_SECONDS, httpserver.text.BODY_SECONDS),
        (30, 30),
    ),
    ("clients", "sent after 15 seconds of silence", httpserver.stream.HEARTBEAT_SECONDS, 15),
    ("clients", "follows at most 100 jobs at once", wsserver.server.LEAST_JOBS, 100),
    ("clients", "as the first message, within 5 seconds", wsserver.connection.AUTH_SECONDS, 5),
    ("clients", "30 seconds without an answer count as hanging up", wsserver.server.PONG_TIMEOUT, 30),
    ("clients", "At most 200 messages a second are read", wsserver.pace.MESSAGES_PER_SECOND, 200),
    ("clients", "after 45 seconds without a byte", cli.server.SILENCE_SECONDS, 45),
    (
        "clients",
        "waits half a second, then twice as long each time, up to five",
        (cli.job.FIRST_PAUSE, cli.job.LONGEST_PAUSE),
        (0.5, 5),
    ),
    (
        "discord",
        "ten pictures at most, a command prompts of 6,000 characters, and the form of **Edit** of 4,000",
        (bot.messages.MOST_PICTURES, bot.messages.MOST_PROMPT, bot.buttons.LONGEST_INPUT),
        (10, 6000, 4000),
    ),
    ("discord", "at most every 2.5 seconds", bot.showing.EVERY, 2.5),
    ("discord", "Half a minute before that ends", bot.screen.LAST_WORDS, 30),
    ("discord", "check again after 0.8 seconds", bot.answers.LOOK_AGAIN, 0.8),
    ("discord", "a head start of 0.1 seconds", bot.answers.HEAD_START, 0.1),
    (
        "discord",
        "at most 6 seconds later (12 after an outage of Valkey)",
        (TAKEN_OVER, 2 * TAKEN_OVER),
        (6, 12),
    ),
    ("discord", "they keep trying for five minutes", bot.showing.REFUSED_FOR, 300),
    (
        "discord",
        "tries a picture four times, then leaves it to the others for half a minute",
        (bot.screen.MISSES, bot.deliveries.REST),
        (4, 30),
    ),
    (
        "discord",
        "first after a second, later after up to five minutes",
        (bot.pace.FIRST_PAUSE, LONGEST_REST),
        (1, 300),
    ),
    ("discord", "Once it has run well for an hour", RAN_WELL, 3600),
    (
        "discord",
        "about 3,800 characters of a prompt, and 1,000 of a negative one",
        (bot.messages.LONGEST_DESCRIPTION, bot.messages.LONGEST_FIELD),
        (3800, 1000),
    ),
    ("discord", "the bot tries again every half minute", bot.pace.LONGEST_PAUSE, 30),
)
"""Page, what it says, the code's figures, and what they must be for that to be true."""
ELSEWHERE = (
    ("reliability", "within 0.4 s", "core/queues/valkey/lua/own.lua", "local LEFT = 400 "),
    (
        "reliability",
        "are still dropped after a minute",
        "core/queues/valkey/lua/common.lua",
        "BRIEF, HOUR, RECORD, LOOK, OFFER = 60000,",
    ),
    ("scaling", "holds 4,096 connections", "deploy/nginx.conf", "worker_connections 4096;"),
    ("scaling", "of more than 16 KiB gets 500", "deploy/nginx.conf", "client_body_buffer_size 16k;"),
    ("web-page", "It is updated every ten seconds", "httpserver/static/service.js", "const EVERY = 10_000;"),
    ("web-page", "share four event streams", "httpserver/static/lines.js", "of [1, 2, 3, 4])"),
    (
        "web-page",
        "one tab uses at most three",
        "httpserver/static/lines.js",
        "navigator.locks ? 3 : document.hidden ? 0 : 2",
    ),
    ("web-page", "ask every two seconds", "httpserver/static/job.js", "const LOOK = 2_000;"),
    ("web-page", "up to about 15 seconds", "httpserver/static/job.js", "const LONGEST_PAUSE = 15_000;"),
    (
        "web-page",
        "the latest 200 pictures, at most 256 MB",
        "httpserver/static/gallery.js",
        "const MOST = 200;\nconst MOST_BYTES = 256e6;",
    ),
)
"""Page, what it says, and the words of another file that make it true."""


def page(name: str) -> str:
    """A page of the docs, as if it had one line."""
    return " ".join((ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8").split())


@pytest.mark.parametrize(("name", "said", "figures", "wanted"), FIGURES)
def test_what_the_docs_say_in_figures_is_so(name: str, said: str, figures: Any, wanted: Any) -> None:
    assert said in page(name)
    assert figures == wanted


@pytest.mark.parametrize(("name", "said", "file", "words"), ELSEWHERE)
def test_what_the_docs_say_of_files_that_are_no_python_is_so(
    name: str, said: str, file: str, words: str
) -> None:
    assert said in page(name)
    assert words in (ROOT / file).read_text(encoding="utf-8")

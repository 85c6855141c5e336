"""What the files of the containers say, without an engine: settings, defaults, pins."""

import re
from pathlib import Path

from core.settings import SETTINGS, Settings

ROOT = Path(__file__).parents[2]
COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
NAMES = {item.name.upper() for item in SETTINGS}
DEFAULTS = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", COMPOSE))
"""Variables that the compose file reads, each with its default there."""


def test_the_compose_file_passes_on_every_setting() -> None:
    """Or fixes it: else a line of .env would be without effect, and nobody would say so."""
    keys = set(re.findall(r"^ +([A-Z_]+):", COMPOSE, re.MULTILINE))
    assert keys == NAMES
    assert {name for name in NAMES if f"\n  {name}:" not in COMPOSE} == {
        "ENGINE_HOST",
        "ENGINE_PORT",
        "HTTP_PORT",
        "WS_PORT",
    }, "those belong to single services"


def test_what_only_the_compose_file_reads_stands_in_the_example() -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8").partition("\n\n# --- ")[2]
    assert dict(re.findall(r"^#(\w+)=(.*)$", text, re.MULTILINE)) == {
        name: value for name, value in DEFAULTS.items() if name not in NAMES
    }


def test_a_container_gets_longer_to_stop_than_its_jobs() -> None:
    """Behind SHUTDOWN_GRACE come the last answers, the goodbyes and what is interrupted: up to 18 seconds."""
    assert int(DEFAULTS["STOP_GRACE_PERIOD"].removesuffix("s")) >= Settings().shutdown_grace + 20


def test_nothing_is_named_that_a_scale_forbids() -> None:
    assert "container_name" not in COMPOSE
    ports = re.findall(r'^ +- "(.*:\d+)"$', COMPOSE, re.MULTILINE)
    assert [port.rsplit(":", 1)[1] for port in ports] == ["5000", "8765"], "nginx alone is published"
    assert all(port.startswith("${BIND:-127.0.0.1}:") for port in ports)


def test_base_images_are_pinned_and_the_lock_is_installed_with_its_hashes() -> None:
    images = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    images += re.findall(r"image: (\S+:\S+)", COMPOSE)
    assert len(images) == 4
    assert all(re.search(r":\d", image) for image in images)
    assert "--require-hashes" in DOCKERFILE
    assert not re.search(r"^(ARG|# *syntax)", DOCKERFILE, re.MULTILINE)

"""The file .env, which Docker Compose reads by rules of its own: it makes of a line what we make of it."""

import json
import re
from pathlib import Path

from core.environment import load
from tests.compose.stack import ROOT, need_engine, run
from tests.doubles.program import environment


def test_a_key_in_single_quotes_is_the_same_for_containers(tmp_path: Path) -> None:
    """As the README writes it. One that is empty there would open the service to everybody."""
    need_engine()
    (line,) = re.findall(r"API_KEY='.*?'", (ROOT / "README.md").read_text(encoding="utf-8"))
    env = tmp_path / "env"
    env.write_text(f"{line}\n", encoding="utf-8")
    told = run(
        "docker", "compose", "--env-file", str(env), "config", "--format", "json", environ=environment()
    )
    for service in ("app", "ws"):
        key = json.loads(told)["services"][service]["environment"]["API_KEY"]
        assert key.replace("$$", "$") == load({}, env).api_key == "$uper #9"


def test_valkey_at_a_vpn_never_starts_without_its_password(tmp_path: Path) -> None:
    """Compose itself stops: a warning would go by, and what Valkey makes of it stands in its log alone."""
    need_engine()
    told = of_a_server_with_homes(tmp_path, check=False)
    assert "required variable VALKEY_PASSWORD is missing a value" in told
    assert "--requirepass sesame" in of_a_server_with_homes(tmp_path, VALKEY_PASSWORD="sesame")


def of_a_server_with_homes(folder: Path, *, check: bool = True, **settings: str) -> str:
    """What compose makes of the file that docs/scaling.md prints for a server which GPUs at home join."""
    page = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    (printed,) = re.findall(r"```yaml\n(services:\n  valkey:\n.*?)```", page, re.DOTALL)
    (folder / "override.yml").write_text(printed, encoding="utf-8")
    files = ("-f", "docker-compose.yml", "-f", str(folder / "override.yml"))
    return run("docker", "compose", *files, "config", environ=environment(**settings), check=check)

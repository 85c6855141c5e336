"""The file .env, which Docker Compose reads by rules of its own: it makes of a line what we make of it."""

import json
import re
from pathlib import Path

from core.settings import load
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

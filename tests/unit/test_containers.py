"""What the files of the containers say, without an engine: settings, defaults, pins."""

import re
import shutil
import ssl
import subprocess
import tomllib
from contextlib import suppress
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from core.settings import SETTINGS, Settings

ROOT = Path(__file__).parents[2]
COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
NGINX = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")
NAMES = {item.name.upper() for item in SETTINGS}
DEFAULTS = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", COMPOSE))
"""Variables that the compose file reads, each with its default there."""


def test_the_compose_file_passes_on_every_setting() -> None:
    """Or fixes it: else a line of .env would be without effect, and nobody would say so."""
    keys = set(re.findall(r"^ +([A-Z_]+):", COMPOSE, re.MULTILINE))
    secrets = {f"{item.name.upper()}_FILE" for item in SETTINGS if item.metadata["secret"]}
    assert "API_KEY_FILE" in secrets
    assert keys == NAMES | secrets


def test_each_service_gets_what_it_reads() -> None:
    """A new server starts no front end anew, and who breaks into one finds no token of Discord."""
    shared = _settings_of("x-settings: &settings")
    doors = shared | _settings_of("x-door: &door") | {"HTTP_PORT", "WS_PORT"}
    assert _settings_of("  app:") == doors | {"PROMPT_FILE"}
    assert _settings_of("  ws:") == doors
    discord = {name for name in NAMES if name.startswith("DISCORD_")}
    assert _settings_of("  bot:") == shared | discord | {"DISCORD_TOKEN_FILE"}
    assert _settings_of("  worker:") == shared | {"SD_BACKENDS", "SD_BACKENDS_FILE"}
    secrets = {item.name.upper() for item in SETTINGS if item.metadata["secret"]}
    assert shared & secrets == {"REDIS_URL"}


def _settings_of(head: str) -> set[str]:
    """The variables in the part of the compose file below this line, and in what it takes over."""
    part = COMPOSE.partition(f"\n{head}\n")[2].partition("\n\n")[0]
    names = set(re.findall(r"^ +([A-Z_]+):", part, re.MULTILINE))
    for taken in re.findall(r"<<: \*(settings|door)$", part, re.MULTILINE):
        names |= _settings_of(f"x-{taken}: &{taken}")
    return names


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
    installs = re.findall(r"pip .*install (.*)", DOCKERFILE)
    assert [install for install in installs if "--no-index" not in install] == [
        "--require-hashes --only-binary :all: -r requirements.txt \\",
        "--require-hashes --only-binary :all: -r requirements-build.txt",
    ]
    assert "--no-build-isolation" in DOCKERFILE, "isolated, it would fetch whatever setuptools there is"
    assert not re.search(r"^(ARG|# *syntax)", DOCKERFILE, re.MULTILINE)


def test_the_logs_of_nginx_hold_no_prompt() -> None:
    """It stands in the query, and nginx's own lines of the level "error" hold that."""
    (log_format,) = re.findall(r"log_format main (.*?);", NGINX, re.DOTALL)
    assert not re.search(r"\$(request\b|request_uri|args|query_string|http_referer)", log_format)
    assert re.findall(r"^ *error_log (.*);", NGINX, re.MULTILINE) == ["stderr crit"]
    ways = re.findall(r"proxy_pass .*", (ROOT / "deploy" / "replicas.conf").read_text(encoding="utf-8"))
    assert len(ways) == 10
    assert all(" error_log stderr emerg; " in way for way in ways), "higher levels hold it, too"


def test_the_memory_of_nginx_holds_all_its_connections() -> None:
    """With what a stranger can have lie there for each, and the folder of bodies full, on any machine."""
    (processes,) = re.findall(r"^worker_processes (\w+);", NGINX, re.MULTILINE)
    (connections,) = re.findall(r"^ *worker_connections (\d+);", NGINX, re.MULTILINE)
    (head,) = re.findall(r"^ *large_client_header_buffers 1 (\d+)k;", NGINX, re.MULTILINE)
    (body,) = re.findall(r"^ *client_body_buffer_size (\d+)k;", NGINX, re.MULTILINE)
    (folder,) = re.findall(r'tmpfs: \["/tmp:size=(\d+)m"\]', COMPOSE)
    assert processes == "1"
    assert int(head) + int(body) <= 152, "8 KiB of the 160 are for all else"
    page = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    assert f"nginx holds {int(connections):,} connections" in page.replace("\n  ", " ")
    assert "160 KiB for each of them and 256 MiB beside" in page.replace("\n  ", " ")
    assert DEFAULTS["NGINX_MEMORY"] == "1g"
    assert int(folder) <= 128, "of the 256"
    assert int(connections) * 160 + 256 * 1024 <= 1024 * 1024


def test_nginx_may_open_as_many_files_as_its_connections_need() -> None:
    (files,) = re.findall(r"^worker_rlimit_nofile (\d+);", NGINX, re.MULTILINE)
    (connections,) = re.findall(r"^ *worker_connections (\d+);", NGINX, re.MULTILINE)
    assert int(files) >= 2 * int(connections)


def test_whoever_updates_has_nginx_read_its_new_files() -> None:
    """On either way: to compose nothing has changed where a file of a folder has."""
    for page in ("README.md", "docs/scaling.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        (told,) = re.findall(r"docker compose exec (?:-T )?nginx (nginx -c \S+) -s reload", text)
        words = ", ".join(told.split())
        assert f"command: [{words}, " in COMPOSE


def test_what_builds_the_package_is_locked_as_pyproject_wants_it() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    lock = (ROOT / "requirements-build.txt").read_text(encoding="utf-8")
    (name, version), *more = re.findall(r"^(\S+)==(\S+) ", lock, re.MULTILINE)
    assert not more
    assert [Requirement(each).name for each in wanted] == [name]
    assert Requirement(wanted[0]).specifier.contains(version)
    assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", lock)) == 2


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl is here")
def test_the_certificate_of_the_docs_is_believed_by_the_python_of_the_image(tmp_path: Path) -> None:
    """Which looks more closely than older ones do."""
    page = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    (commands,) = re.findall(r"```bash\n(mkdir -p tls\n.*?)```", page, re.DOTALL)
    subprocess.run(["sh", "-ec", commands], cwd=tmp_path, check=True, capture_output=True)
    certificate = tmp_path / "tls" / "valkey.crt"
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=certificate)
    server.load_cert_chain(certificate, tmp_path / "tls" / "valkey.key")
    client.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server, server_hostname="your.server"),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    for end in ends * 2:
        with suppress(ssl.SSLWantReadError):
            end.do_handshake()
    assert ends[0].getpeercert()

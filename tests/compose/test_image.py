"""The image, and the original's commands as they stood in its README."""

import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.compose.stack import PATIENCE, ROOT, Stack, run, until
from tests.doubles.program import environment

PORTS = (5000, 8765)
"""Of the original's commands."""


@pytest.fixture
def usual_ports(image: str) -> None:
    for port in PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                pytest.skip(f"port {port} is taken by another program, and the original's commands need it")


def printed(heading: str, language: str) -> str:
    """The block of that language which docs/scaling.md prints under this heading."""
    text = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8").partition(f"### {heading}\n")[2]
    (block,) = re.findall(rf"```{language}\n(.*?)```", text.partition("\n### ")[0], re.DOTALL)
    return str(block)


def inside(image: str, script: str, *options: str) -> str:
    """What a shell in a container of the image says."""
    return run("docker", "run", "--rm", *options, image, "sh", "-c", script)


def test_it_runs_as_nobody_in_particular_and_without_tools(image: str) -> None:
    assert inside(image, "id -u").strip() == "10001"
    assert inside(image, "touch /opt/sd-b64/x /x 2>/dev/null || echo refused") == "refused\n"
    assert inside(image, "command -v cc gcc g++ clang make; ls /opt/sd-b64/bin/pip; true").endswith(
        "No such file or directory\n"
    )


def test_a_read_only_root_is_enough(image: str) -> None:
    """Also without any capability; only the prompt's file wants a place, and misses it with one warning.

    What it says of real pictures holds in a container.
    """
    script = "sd-b64 serve & sleep 2; until sd-b64 health; do :; done"
    said = inside(image, script, "--read-only", "--cap-drop=ALL", "-e", "ALLOW_ANONYMOUS=true")
    assert "websocket  ws://127.0.0.1:8765" in said
    assert "-e SD_BACKENDS=http://host.docker.internal:7860" in said
    assert said.endswith("well\n")


def test_it_holds_what_runs_and_no_secret(image: str) -> None:
    """Whatever lies in the folder that it is built from."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".venv", ".git", ".*_cache", "tests"))
        (tree / ".env").write_text("DISCORD_TOKEN=the-token-that-nobody-may-see\n")
        (tree / "core" / "__pycache__").mkdir(exist_ok=True)
        run("docker", "build", "-q", "-t", f"{image}:secret", str(tree))
    try:
        history = run("docker", "history", "--no-trunc", f"{image}:secret")
        assert not re.search(r"the-token|API_KEY|DISCORD_TOKEN|PASSWORD", history)
        search = "grep -rlI the-token-that-nobody /opt /data /build /home /root /tmp 2>/dev/null; true"
        assert inside(f"{image}:secret", search, "--user", "root") == ""
        files = inside(image, "ls -a /opt/sd-b64/lib/python3*/site-packages; ls -a / /data")
        assert "httpserver" in files
        assert not {".env", ".git", "tests", "benchmarks"} & set(files.split())
    finally:
        run("docker", "image", "rm", "--force", f"{image}:secret")  # a replica of other tests may run on it


def test_published_beyond_loopback_without_a_key_the_front_ends_stop_with_the_line_that_says_so(
    image: str,
) -> None:
    """compose passes on BIND; a key or ALLOW_ANONYMOUS opens them."""
    stack = Stack("docker-compose.yml", BIND="0.0.0.0")
    try:
        for service in ("app", "ws"):
            said = stack.compose("run", "--rm", "--no-deps", "-T", service, check=False)
            assert "sd-b64: BIND: 0.0.0.0 can be reached from other machines: set API_KEY" in said
        assert "host_ip: 0.0.0.0" in stack.compose("config")
    finally:
        stack.close()
    assert "host_ip: 127.0.0.1" in Stack("docker-compose.yml").compose("config")


def test_secrets_come_from_files_as_the_docs_say(image: str, tmp_path: Path) -> None:
    """Also those that have a value in the compose file."""
    (tmp_path / "override.yml").write_text(printed("Secrets in files", "yaml"))
    (tmp_path / "key.txt").write_text("sesame\n")
    (tmp_path / "servers.txt").write_text("http://one:7860,http://two:7860\n")
    tell = (
        "import os; from core.environment import load; s = load(os.environ); print(s.api_key, *s.sd_backends)"
    )
    files = ("--project-directory", str(tmp_path), "-f", str(tmp_path / "override.yml"))
    stack = Stack("docker-compose.yml")
    try:
        for service, found in (("app", "sesame"), ("ws", "sesame"), ("worker", "http://two:7860")):
            words = ("run", "--rm", "--no-deps", "-T", service, "python", "-c", tell)
            assert found in stack.compose(*files, *words)
    finally:
        stack.close()


def test_a_proxy_in_front_is_believed_as_the_docs_say(image: str, tmp_path: Path) -> None:
    """One on the same machine: its clients are callers of their own, and cannot cancel one another's jobs."""
    heading = "A proxy in front, as for TLS"
    (tmp_path / "override.yml").write_text(printed(heading, "yaml"))
    settings = dict(line.split("=", 1) for line in printed(heading, "bash").splitlines())
    stack = Stack("docker-compose.yml", str(tmp_path / "override.yml"), **settings)

    def ask(method: str, path: str, client: str) -> str:
        headers = {"Host": "pictures.example", "X-Forwarded-For": client, "Prefer": "respond-async"}
        request = Request(f"http://127.0.0.1:{stack.http}{path}", method=method, headers=headers)
        with urlopen(request) as answer:
            return str(answer.headers["Location"])

    try:
        stack.compose("up", "-d", "--wait")
        job = ask("GET", "/text?input=a%20cat&steps=150", "203.0.113.7")
        with pytest.raises(HTTPError, match="403"):
            ask("DELETE", job, "198.51.100.9")
        ask("DELETE", job, "203.0.113.7")
    finally:
        stack.close()


def test_nginx_reads_a_checkout_that_is_its_owners_alone(image: str, tmp_path: Path) -> None:
    """As a strict umask makes it."""
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    for path in (tmp_path / "deploy").iterdir():
        path.chmod(0o600)
    (tmp_path / "deploy").chmod(0o700)
    stack = Stack("docker-compose.yml")
    try:
        ask = ("nginx", "-t", "-c", "/etc/nginx/sd-b64/nginx.conf")
        words = ("--project-directory", str(tmp_path), "run", "--rm", "--no-deps", "-T", "nginx", *ask)
        assert "test is successful" in stack.compose(*words)
    finally:
        stack.close()


def has_said(id: str, words: str) -> bool:
    return words in run("docker", "logs", id)


@pytest.mark.parametrize(
    ("command", "said", "signals", "code"),
    [
        ("python -m core.worker", "waiting for it", 1, 128 + signal.SIGTERM),
        ("python -m httpserver", "waiting for it", 1, 128 + signal.SIGTERM),
        ("sd-b64 serve", "curl -fsS", 1, 0),
        ("sd-b64 serve", "curl -fsS", 2, 128 + signal.SIGTERM),
    ],
    ids=["a worker that waits for the queue", "an app that does", "gracefully", "at once"],
)
def test_a_signal_ends_it_also_as_process_1(
    image: str, command: str, said: str, signals: int, code: int
) -> None:
    """For that one the system's own way to end does nothing."""
    words = ["-e", "ALLOW_ANONYMOUS=true", "-e", "SD_BACKENDS=http://127.0.0.1:1", image]
    if command == "sd-b64 serve":
        words[2:4] = []
    else:
        words[:0] = ["-e", "REDIS_URL=redis://127.0.0.1:1"]
    id = run("docker", "run", "-d", *words, *command.split()).strip()
    try:
        until(partial(has_said, id, said), "its start")
        if signals == 2:
            fetch = (
                "from urllib.request import urlopen; urlopen('http://127.0.0.1:5000/text?input=a&steps=150')"
            )
            run("docker", "exec", "-d", id, "python", "-c", fetch)
            ask = "from urllib.request import urlopen; print(urlopen('http://127.0.0.1:5000/status').read())"
            until(lambda: '"running":1' in run("docker", "exec", id, "python", "-c", ask), "the job")
        for _ in range(signals):
            run("docker", "kill", "-s", "TERM", id)
            if signals == 2:
                until(partial(has_said, id, "stopping"), "that it heard")
        assert int(run("docker", "wait", id)) == code
    finally:
        run("docker", "rm", "-f", id)


@pytest.mark.usefixtures("image")
def test_a_signal_ends_it_also_while_it_loads() -> None:
    """As by `docker compose down` right after `up`: unheard, it would take all of the grace."""
    loading = "import time; print('loading', flush=True); time.sleep(40)"
    stack = Stack("docker-compose.yml")
    try:
        id = stack.compose("run", "-d", "--no-deps", "app", "python", "-c", loading).split()[-1]
        until(partial(has_said, id, "loading"), "its start")
        run("docker", "kill", "-s", "TERM", id)
        assert int(run("docker", "wait", id)) == 128 + signal.SIGTERM
    finally:
        stack.close()


class Terminal:
    """A command at a pseudo-terminal, as a person types it."""

    def __init__(self, command: str, **environ: str) -> None:
        self.said = ""
        child, self._terminal = pty.fork()
        if child == 0:
            os.chdir(ROOT)
            os.execvpe("sh", ["sh", "-c", f"exec {command}"], environment(**environ))
        self._child = child
        os.set_blocking(self._terminal, False)

    def shows(self, pattern: str) -> bool:
        """Whether it has shown this so far."""
        with suppress(BlockingIOError, OSError):  # nothing new, or it has ended
            self.said += os.read(self._terminal, 65536).decode(errors="replace")
        return re.search(pattern, self.said) is not None

    def type(self, text: str) -> None:
        """Press these keys."""
        os.write(self._terminal, text.encode())

    def ends(self) -> int:
        """Its exit code."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            self.shows("")
            pid, status = os.waitpid(self._child, os.WNOHANG)
            if pid:
                os.close(self._terminal)
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.05)
        raise AssertionError(f"it goes on:\n{self.said}")


def python_client(folder: Path) -> bytes:
    """The original's Python client, as it is; what it saved."""
    words = [sys.executable, str(ROOT / "examples" / "python_client.py")]
    subprocess.run(words, cwd=folder, env=environment(), check=True)
    return (folder / "out.png").read_bytes()


def bash_client(folder: Path) -> bytes:
    """The same with the bash client."""
    words = ["bash", str(ROOT / "examples" / "bash_client.sh")]
    subprocess.run(words, cwd=folder, env=environment(), check=True)
    return (folder / "out.png").read_bytes()


def test_the_originals_docker_run(usual_ports: None, tmp_path: Path) -> None:
    """One process with the demo painter; open, which it says, and how to close it. Ctrl-C ends it."""
    terminal = Terminal("docker run -p 5000:5000 -it sd-b64-api")
    try:
        until(lambda: terminal.shows("curl -fsS"), "its start")
        started = run("docker", "ps", "-q", "--filter", "publish=5000").strip()
        assert "open       to anybody who can reach this machine; to close it set API_KEY" in terminal.said
        assert python_client(tmp_path).startswith(b"\x89PNG")
        assert bash_client(tmp_path).startswith(b"\x89PNG")
    finally:
        terminal.type("\x03")
        assert terminal.ends() == 0
    assert "stopping" in terminal.said
    run("docker", "rm", started)


def until_ctrl_c(project: str, folder: Path) -> str:
    """What `docker-compose up` said, from its start to the end by Ctrl-C, with a picture between."""
    terminal = Terminal("docker-compose up --scale app=3", COMPOSE_PROJECT_NAME=project)
    for replica in (1, 2, 3):
        until(partial(terminal.shows, rf"app-{replica} .*HTTP on"), "its start")
    until(lambda: terminal.shows("engine:7861: ready"), "a worker")
    assert python_client(folder).startswith(b"\x89PNG")
    terminal.type("\x03")
    terminal.ends()
    return terminal.said


def test_the_originals_docker_compose_up(usual_ports: None, tmp_path: Path) -> None:
    """Three replicas behind nginx. Ctrl-C stops all of them."""
    if shutil.which("docker-compose") is None:
        pytest.skip("no docker-compose command; `docker compose` is what the other tests use")
    name = "sd-b64-original"
    try:
        # Compose hears one Ctrl-C twice, as a signal and as the end of its context: in one of 50
        # times or so it takes the second for another Ctrl-C, and kills, and says so.
        assert any("Killing" not in until_ctrl_c(name, tmp_path) for _ in range(5))
        ended = run("docker", "compose", "-p", name, "ps", "-a", "--format", "{{.Service}} {{.ExitCode}}")
        assert len(ended.splitlines()) == 8
        assert {line.split()[1] for line in ended.splitlines()} == {"0"}
    finally:
        run("docker", "compose", "-p", name, "down", "-v", "-t", "5")

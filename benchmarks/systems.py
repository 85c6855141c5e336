"""Systems: what is measured, each running whole on one core, with the simulated servers behind it."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from benchmarks.native import Backends
from benchmarks.processes import Bench, Program, wait_until_answered
from tests.ports import free_port
from tests.valkey_server import valkey_path

OURS, BARE, NGINX, ORIGINAL, DIRECT = "whole way", "bare aiohttp proxy", "nginx", "the original", "direct"
AMPLE = "1000000"
"""No bound on waiting jobs: the load generator is one caller, and asks for more than one person may."""
NGINX_WORDS = """\
daemon off; worker_processes 1; pid {folder}/{name}.pid; error_log stderr warn; {user}
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/{name}-1; proxy_temp_path {folder}/{name}-2;
    fastcgi_temp_path {folder}/{name}-3; uwsgi_temp_path {folder}/{name}-4; scgi_temp_path {folder}/{name}-5;
    keepalive_requests 10000000;
    proxy_buffer_size 64k; proxy_buffers 16 256k; proxy_busy_buffers_size 1m; proxy_max_temp_file_size 0;
    upstream behind {{ {servers} {keepalive} }}
    server {{
        listen 127.0.0.1:{port};
        location /text {{
            proxy_pass http://behind{path};
            proxy_http_version 1.1; proxy_set_header Connection "";
        }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class System:
    """Something that answers on a port."""

    name: str
    port: int
    programs: tuple[Program, ...]

    def cpu(self) -> float:
        """Seconds of processor time so far."""
        return sum(program.cpu() for program in self.programs)

    def memory(self, field: str = "VmRSS") -> float:
        """Megabytes; see Program.memory."""
        return sum(program.memory(field) for program in self.programs)

    def forget_peak(self) -> None:
        """See Program.forget_peak."""
        for program in self.programs:
            program.forget_peak()


Start = Callable[[Bench, Backends], AbstractContextManager[System]]


def settings(bench: Bench, backends: Backends) -> dict[str, str]:
    """The environment of our own programs: the defaults, but for the bounds of one caller."""
    return {
        "SD_BACKENDS": backends.addresses,
        "MAX_QUEUE": AMPLE,
        "MAX_JOBS_PER_USER": AMPLE,
        "PROMPT_FILE": str(bench.folder / "prompt.txt"),
        "SHUTDOWN_GRACE": "0",
    }


@contextmanager
def whole_way(bench: Bench, backends: Backends) -> Iterator[System]:
    """Our HTTP front end, the core, the queue in memory and the workers: one process."""
    port = free_port()
    environ = {**settings(bench, backends), "HTTP_PORT": str(port)}
    with bench.module("httpserver", "httpserver", ports=[port], environ=environ) as program:
        yield System(OURS, port, (program,))


@contextmanager
def shared_queue(bench: Bench, backends: Backends) -> Iterator[System]:
    """The same over the shared queue: HTTP front end, Valkey and a worker, each a process, on one core."""
    queue, port = free_port(), free_port()
    environ = settings(bench, backends) | {"REDIS_URL": f"redis://127.0.0.1:{queue}/0"}
    folder = tempfile.mkdtemp(dir=bench.folder)  # of its own: Valkey begins with what it finds
    valkey = [valkey_path() or "valkey-server", "--port", str(queue), "--bind", "127.0.0.1", "--save", ""]
    valkey += ["--appendonly", "yes", "--appendfsync", "everysec", "--dir", folder]
    front = environ | {"HTTP_PORT": str(port)}
    with (
        bench.running("valkey", valkey, ports=[queue]) as store,
        bench.module("worker", "core.worker", environ=environ) as worker,
        bench.module("httpserver", "httpserver", ports=[port], environ=front) as program,
    ):
        wait_until_answered(program, f"http://127.0.0.1:{port}/readyz")  # it knows of a painting server
        yield System(OURS, port, (program, worker, store))


@contextmanager
def our_websocket(bench: Bench, backends: Backends) -> Iterator[System]:
    """The same with our websocket front end."""
    port = free_port()
    environ = {**settings(bench, backends), "WS_PORT": str(port)}
    with bench.module("wsserver", "wsserver", ports=[port], environ=environ) as program:
        yield System(OURS, port, (program,))


@contextmanager
def bare_proxy(bench: Bench, backends: Backends) -> Iterator[System]:
    """See contenders/bare_proxy.py."""
    port = free_port()
    words = [str(port), *map(str, backends.ports)]
    with bench.module("bare proxy", "benchmarks.contenders.bare_proxy", *words, ports=[port]) as program:
        yield System(BARE, port, (program,))


@contextmanager
def nginx(bench: Bench, backends: Backends) -> Iterator[System]:
    """nginx's `proxy_pass` with buffers that a picture fits into, and kept connections."""
    with _nginx(bench, "nginx", backends.ports, path="/sdapi/v1/txt2img", keepalive="keepalive 64;") as (
        port,
        program,
    ):
        yield System(NGINX, port, (program,))


@contextmanager
def original(bench: Bench, backends: Backends) -> Iterator[System]:
    """nginx before two gunicorns with two sync workers each: see contenders/original.py.

    nginx gets the large buffers, which the original had not: they can only help it.
    """
    ports = [free_port(), free_port()]
    environ = {"BACKENDS": " ".join(map(str, backends.ports))}
    gunicorn = [sys.executable, "-m", "gunicorn", "--workers", "2", "--worker-class", "sync", "--bind"]
    app = "benchmarks.contenders.original:app"
    with (
        bench.running(
            "gunicorn 1", [*gunicorn, f"127.0.0.1:{ports[0]}", app], ports=ports[:1], environ=environ
        ) as one,
        bench.running(
            "gunicorn 2", [*gunicorn, f"127.0.0.1:{ports[1]}", app], ports=ports[1:], environ=environ
        ) as two,
        _nginx(bench, "nginx of the original", ports, path="", keepalive="") as (port, front),
    ):
        yield System(ORIGINAL, port, (front, one, two))


@contextmanager
def _nginx(
    bench: Bench, name: str, behind: list[int], *, path: str, keepalive: str
) -> Iterator[tuple[int, Program]]:
    port = free_port()
    file = bench.folder / f"{name.replace(' ', '-')}.conf"
    words = NGINX_WORDS.format(
        folder=bench.folder,
        name=file.stem,
        user="user root;" if os.geteuid() == 0 else "",
        servers=" ".join(f"server 127.0.0.1:{server};" for server in behind),
        keepalive=keepalive,
        port=port,
        path=path,
    )
    file.write_text(words, encoding="utf-8")
    command = [nginx_path() or "nginx", "-c", str(file), "-p", str(bench.folder), "-e", "stderr"]
    with bench.running(name, command, ports=[port]) as program:
        yield port, program


def nginx_path() -> str | None:
    """Where nginx is; Debian keeps it out of a plain user's PATH."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")

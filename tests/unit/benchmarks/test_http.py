"""What is compared over HTTP, and that each answers the picture that it should."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from benchmarks import http
from benchmarks.pictures import Picture
from benchmarks.processes import BenchmarkError
from benchmarks.systems import System, bare_proxy, nginx, whole_way
from tests.ports import free_port

PICTURE = Picture("tiny", b"AAAA", Path("tiny.json"))


class Failing(BaseHTTPRequestHandler):
    """As nginx before a gunicorn that has ended."""

    def do_GET(self) -> None:
        self.send_error(502)

    def log_message(self, format: str, *words: object) -> None:
        """Nowhere."""


@pytest.fixture
def failing() -> Iterator[System]:
    with HTTPServer(("127.0.0.1", 0), Failing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield System("the original", server.server_port, ())
        server.shutdown()
        thread.join()


def test_who_answers_no_picture_is_named(failing: System) -> None:
    with pytest.raises(BenchmarkError, match=r"the original answers no picture: .*502"):
        http.check(failing, PICTURE)


def test_a_proxy_of_the_environment_is_not_asked(failing: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(BenchmarkError, match="HTTPError 502"):
        http.check(failing, PICTURE)


def test_the_original_is_left_out_where_one_of_its_packages_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its gunicorn listens before it finds that out, so nothing of it would be noticed until it is asked."""
    monkeypatch.setattr(http, "nginx_path", lambda: "/usr/sbin/nginx")
    monkeypatch.setattr(http, "find_spec", lambda name: None if name == "requests" else object())
    starts, notes = http.contenders()
    assert starts == [whole_way, bare_proxy, nginx]
    assert notes == ["Not installed here, so that the original design is left out: requests."]

"""The simulated server and the load generator, compiled and against each other."""

import base64
import json
import os
import shutil
import socket
import urllib.request
from pathlib import Path

import pytest

from benchmarks.gpus import of_logs
from benchmarks.machine import cores
from benchmarks.native import Native, build
from benchmarks.pictures import Picture, make_pictures
from benchmarks.processes import Bench, BenchmarkError
from tests.ports import free_port

PATH = "/sdapi/v1/txt2img?prompt=a%20tiny%20monkey"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bench")


@pytest.fixture(scope="module")
def native(folder: Path) -> Native:
    if not (shutil.which("cc") or shutil.which("gcc")) or not hasattr(os, "sched_getaffinity"):
        pytest.skip("needs Linux and a C compiler")
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two cores")
    return build(Bench(folder, cores()))


@pytest.fixture(scope="module")
def pictures(folder: Path) -> dict[str, Picture]:
    return make_pictures(folder)


def test_pictures_have_about_their_sizes(pictures: dict[str, Picture]) -> None:
    sizes = {word: len(base64.b64decode(picture.base64)) for word, picture in pictures.items()}
    assert 500 < sizes["tiny"] < 2_000
    assert 430_000 < sizes["small"] < 470_000
    assert 1_900_000 < sizes["large"] < 2_100_000


def test_the_word_in_the_prompt_chooses_the_picture(native: Native, pictures: dict[str, Picture]) -> None:
    with native.backends(1, 0, list(pictures.values())) as backends:
        url = f"http://127.0.0.1:{backends.ports[0]}{PATH}"
        with urllib.request.urlopen(url, timeout=10) as response:
            assert json.load(response)["images"] == [pictures["tiny"].base64.decode()]


def test_the_load_counts_pictures_and_the_servers_note_their_gaps(
    native: Native, pictures: dict[str, Picture]
) -> None:
    size = len(pictures["tiny"].base64)
    with native.backends(2, 0.02, [pictures["tiny"]]) as backends:
        loaded = native.ask("http", backends.ports[0], 1, 0.3, PATH, least=size)
        log, other = backends.logs().values()
    work = of_logs([log], 0, log.answered[-1])
    assert loaded.pictures == len(log.arrived) == len(work.gaps) + 1 > 3
    assert work.painting >= 0.02 * len(work.gaps)
    assert loaded.p50 >= 20
    assert other.arrived == [], "nobody asked the second server"


def test_a_picture_that_is_cut_off_is_in_the_record(native: Native, pictures: dict[str, Picture]) -> None:
    """First as one that is being painted, then, when its client has hung up, as one that has ended."""
    with (
        native.backends(1, 60, [pictures["tiny"]]) as backends,
        socket.create_connection(("127.0.0.1", backends.ports[0]), timeout=10) as client,
    ):
        client.sendall(f"GET {PATH} HTTP/1.1\r\n\r\n".encode())
        while (log := backends.logs()[backends.ports[0]]).painting is None:
            pass
        assert log.arrived == []
        client.close()
        while (ended := backends.logs()[backends.ports[0]]).painting is not None:
            pass
    assert ended.arrived == [log.painting]
    assert ended.pictures[0][1] > ended.pictures[0][0]


def test_an_answer_that_is_no_picture_stops_the_measurement(
    native: Native, pictures: dict[str, Picture]
) -> None:
    with (
        native.backends(1, 0, [pictures["tiny"]]) as backends,
        pytest.raises(BenchmarkError, match=r"0 pictures, 1 errors, first: HTTP/1\.1 200 OK"),
    ):
        native.ask("http", backends.ports[0], 1, 0.1, "/", least=100)


def test_a_request_that_is_never_answered_stops_the_measurement(
    native: Native, pictures: dict[str, Picture]
) -> None:
    """It is in no latency, and what is asked meanwhile makes the figures look well."""
    size = len(pictures["tiny"].base64)
    with native.backends(1, 0.05, [pictures["tiny"]]) as backends:
        # This server forgets the picture that it paints as it gets another one.
        with pytest.raises(BenchmarkError, match=r" pictures, 1 errors, first: no answer in time"):
            native.ask("http", backends.ports[0], 2, 0.2, PATH, least=size, grace=0.2)
        loaded = native.ask("http", backends.ports[0], 2, 0.2, PATH, least=size, grace=0.0)
    assert loaded.pictures, "where there is no grace, what is cut off is none"


def test_a_server_that_is_gone_stops_the_measurement(native: Native) -> None:
    port = free_port()
    with pytest.raises(BenchmarkError, match=rf"port {port}: connect: Connection refused"):
        native.ask("http", port, 1, 0.1, "/", least=100)

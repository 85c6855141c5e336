"""A program stops on a signal, also where its loop knows none; a wrong setting ends it with one line."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from core.process import cut_off_by_signal, run, stop_signal
from core.settings import Settings, SettingsError
from tests.unit.core.examples import soon


async def idle(_settings: Settings) -> None:
    """A program that has nothing to do."""


async def test_the_first_signal_sets_the_event_and_the_second_one_is_the_systems_again() -> None:
    before = signal.getsignal(signal.SIGTERM)
    async with stop_signal() as stop:
        assert not stop.is_set()
        signal.raise_signal(signal.SIGTERM)
        await soon(stop.wait())
        assert signal.getsignal(signal.SIGTERM) == before
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not know it")
async def test_a_closed_terminal_is_told_twice_and_stops_a_process_once() -> None:
    """By the system, and by the shell once it ends. What `nohup` started hears neither."""
    before = signal.getsignal(signal.SIGHUP)
    try:
        async with stop_signal() as stop:
            signal.raise_signal(signal.SIGHUP)
            await soon(stop.wait())
            signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGHUP)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        async with stop_signal():
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


async def test_as_process_1_of_a_container_it_ends_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's own way to end a process does nothing to that one."""
    ended: list[int] = []
    monkeypatch.setattr("os.getpid", lambda: 1)
    monkeypatch.setattr("os._exit", ended.append)
    async with stop_signal() as stop:
        signal.raise_signal(signal.SIGTERM)
        await soon(stop.wait())
        assert not ended
        signal.raise_signal(signal.SIGTERM)
        assert ended == [128 + signal.SIGTERM]


async def test_what_blocks_the_loop_is_cut_off_by_the_first_signal() -> None:
    """An event would be seen by nobody. The second signal is the system's own, which waits for nothing."""
    before = signal.getsignal(signal.SIGTERM)
    async with stop_signal():
        try:
            with cut_off_by_signal():
                try:
                    signal.raise_signal(signal.SIGTERM)
                    pytest.fail("it was not cut off")
                finally:
                    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        except KeyboardInterrupt:
            pass
    assert signal.getsignal(signal.SIGTERM) == before


async def test_it_works_where_the_loop_knows_no_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows."""

    def refuse(*_args: Any) -> None:
        raise NotImplementedError

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "add_signal_handler", refuse)
    monkeypatch.setattr(loop, "remove_signal_handler", refuse)
    before = signal.getsignal(signal.SIGTERM)
    async with stop_signal() as stop:
        signal.raise_signal(signal.SIGTERM)
        await soon(stop.wait())
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_program_runs_with_the_settings_of_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(settings: Settings) -> None:
        assert settings.http_port == 9001

    monkeypatch.setenv("HTTP_PORT", "9001")
    run(main)


def test_a_setting_that_cannot_be_read_ends_the_program_with_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HTTP_PORT", "http")
    with pytest.raises(SystemExit) as ended:
        run(idle)
    assert ended.value.code == 2
    assert capsys.readouterr().err == "sd-b64: HTTP_PORT: a whole number from 0 to 65535 is wanted\n"


def test_what_seems_to_be_misspelt_in_the_file_of_settings_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A name of the environment may be anybody's."""
    (tmp_path / ".env").write_text("MAX_STEP=3\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("APIKEY", "x")
    run(idle)
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", ".env: MAX_STEP is no setting; MAX_STEPS?")
    ]


def test_a_setting_that_cannot_be_used_ends_the_program_with_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def main(_settings: Settings) -> None:
        raise SettingsError("HTTP_PORT", "is taken")

    with pytest.raises(SystemExit) as ended:
        run(main)
    assert ended.value.code == 2
    assert capsys.readouterr().err == "sd-b64: HTTP_PORT: is taken\n"


@pytest.mark.skipif(sys.platform == "win32", reason="a closed pipe is another error there")
def test_a_supervisor_hears_the_exit_code_of_a_program_though_nobody_reads_its_line() -> None:
    """Python writes at its end what could not be written before, and would say 120."""
    reading, writing = os.pipe()
    os.close(reading)
    environ = {**os.environ, "HTTP_PORT": "http", "PYTHONUNBUFFERED": ""}
    try:
        ran = subprocess.run([sys.executable, "-m", "httpserver"], stderr=writing, env=environ, check=False)
    finally:
        os.close(writing)
    assert ran.returncode == 2


def test_a_second_interrupt_ends_the_program_as_a_shell_expects() -> None:
    async def main(_settings: Settings) -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ended:
        run(main)
    assert ended.value.code == 130


CONNECTIONS = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (256, {most}))
from core.process import run
async def main(settings):
    print(resource.getrlimit(resource.RLIMIT_NOFILE))
run(main)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_it_holds_more_connections_than_a_shell_or_a_container_begins_with() -> None:
    """As many as the system lets it, without taking the right to more from anybody."""
    program = CONNECTIONS.format(most=2000)
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "(2000, 2000)\n"


@pytest.mark.slow
def test_what_is_dead_does_not_pile_up() -> None:
    """A websocket leaves a ring of objects that lived long: once 50,000 of them held most of a gigabyte."""
    program = """
import collections, core.process

class Link:
    __slots__ = ("next",)
    alive = 0
    def __init__(self): Link.alive += 1
    def __del__(self): Link.alive -= 1

def ring(size):
    links = [Link() for _ in range(size)]
    for link, next in zip(links, [*links[1:], links[0]]):
        link.next = next
    return links[0]

async def main(settings):
    living = collections.deque(maxlen=3)
    for _ in range(16):
        living.append([ring(100) for _ in range(500)])
    print(Link.alive)

core.process.run(main)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) <= 500_000, "of 800,000; 150,000 of them live"

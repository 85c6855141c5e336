"""The commands that measure, as the extra `bench` installs what they need."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks.processes import ROOT
from benchmarks.series import Gathering

WITHOUT_THE_TESTS_EXTRA = """
import runpy, sys
sys.modules |= dict.fromkeys(["hypothesis", "pyte", "pytest", "pytest_asyncio", "tqdm"])
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("module", ["benchmarks", "benchmarks.chaos", "benchmarks.scaling"])
def test_who_measures_needs_nothing_of_the_tests_extra(module: str) -> None:
    """They start the tests' servers, and with these comes no pytest."""
    command = [sys.executable, "-c", WITHOUT_THE_TESTS_EXTRA, module, "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: python -m {module} ")


SLEEPER = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # nohup and a shell's & have them ignored
signal.signal(signal.SIGHUP, signal.SIG_DFL)
from benchmarks.__main__ import KINDS, main
def measure(bench, *, quick, say):
    with bench.running("a sleeper", ["sleep", "600"]) as program:
        print(program.process.pid, bench.folder, flush=True)
        program.process.wait()
KINDS["start"] = measure
main()
"""


@pytest.mark.skipif(not hasattr(signal, "SIGHUP") or not Path("/proc").exists(), reason="needs Linux")
@pytest.mark.parametrize(
    "name", ["SIGINT", *(pytest.param(name, marks=pytest.mark.slow) for name in ("SIGTERM", "SIGHUP"))]
)
def test_what_was_started_ends_with_who_measures(name: str) -> None:
    """By Ctrl-C, by a time-out of CI, by a terminal that closes: no process, folder or traceback is left."""
    command = [sys.executable, "-c", SLEEPER, "start", "--dry"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        pid, folder = process.stdout.readline().split()
        process.send_signal(signal.Signals[name])
        _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (130, "benchmarks: broken off\n")
    assert not Path("/proc", pid).exists()
    assert not Path(folder).exists()


def test_figures_that_cannot_be_kept_are_told_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a checkout of somebody else's: a run may have taken twenty minutes."""
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    gathering = Gathering()
    gathering.add(0.25, command="sd-b64 serve", metric="first answer s")
    monkeypatch.setattr(command, "RESULTS", in_the_way / "results")
    monkeypatch.setitem(command.KINDS, "start", lambda *words, **options: (gathering, []))
    monkeypatch.setattr(sys, "argv", ["benchmarks", "start"])
    with pytest.raises(SystemExit, match=r"^benchmarks: nothing is kept: .*results"):
        command.main()
    assert "the first answer" in capsys.readouterr().out

"""What is imported at the start."""

import subprocess
import sys

from benchmarks.processes import ROOT
from benchmarks.start import MODULES


def test_the_imports_of_serve_are_those_of_what_it_serves() -> None:
    """`sd-b64` itself imports next to nothing until it knows the command."""
    code = f"import sys, {MODULES['sd-b64 serve']}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"httpserver.server", "wsserver.server", "engine.server", "core"} <= set(done.stdout.split())

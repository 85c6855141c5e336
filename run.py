"""The README's two commands: `python3 run.py [ARGS]` and `python3 run.py test [ARGS]`.

Makes `.venv`, installs the project into it when its files or Python changed, prints each command that it
runs, and becomes `sd-b64 ARGS` (`serve`) or pytest. Standard library only; old Pythons can read it too.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(HERE, ".venv")
BIN = os.path.join(VENV, "Scripts" if os.name == "nt" else "bin", "")
STAMP = os.path.join(VENV, "installed.txt")


def main(args):
    if sys.version_info < (3, 11):
        sys.exit("sd-b64 needs Python 3.11 or newer; this one is " + sys.version.split()[0])
    testing = args[:1] == ["test"]
    try:
        install(testing)
    except (subprocess.CalledProcessError, KeyboardInterrupt) as error:
        return getattr(error, "returncode", 130)  # Ctrl-C has none
    return become([BIN + "pytest"] + args[1:] if testing else [BIN + "sd-b64"] + (args or ["serve"]))


def install(testing):
    """Install what is missing; the stamp says for which Python, where, and for which files that was done."""
    names = "requirements.txt", "requirements-build.txt", "pyproject.toml"
    files = "".join(read(os.path.join(HERE, name)) for name in names)
    python = ascii(sys.version.split()[0] + " at " + sys.base_prefix + " for " + VENV)
    state = python + "\n" + hashlib.sha256(files.encode()).hexdigest() + "\n"
    done, uv = read(STAMP), shutil.which("uv")
    if done.startswith(state) and (done.endswith("test") or not testing):
        return
    if not done.startswith(python):
        make_venv(uv)
    pip = [uv, "pip", "install", "--python", VENV] if uv else [BIN + "python", "-m", "pip", "install", "-q"]
    with open(STAMP, "w", 1) as file:
        file.write(python + "\n")  # on the disk now: what is cut off is not whole, whatever it was before
        call(pip + ["--require-hashes", "-r", names[0], "-r", names[1]])
        call(pip + ["--no-build-isolation", "--editable", ".[test]" if testing else "."])
        file.write(state.partition("\n")[2] + ("test" if testing else ""))


def make_venv(uv):
    if not uv and subprocess.call([sys.executable, "-c", "import ensurepip,venv"], stderr=subprocess.DEVNULL):
        sys.exit("this Python makes no virtual environments; on Debian or Ubuntu: apt install python3-venv")
    plain = [sys.executable, "-m", "venv", "--clear", VENV]
    call([uv, "venv", "--clear", "--seed", "--python", sys.executable, VENV] if uv else plain)


def read(path):
    return open(path).read() if os.path.exists(path) else ""


def call(command):
    sys.stderr.write("+ " + " ".join(command) + "\n")
    subprocess.check_call(command, cwd=HERE)


def become(command):
    """Hand over; Windows has no exec: there wait, and leave Ctrl-C to the command."""
    sys.stderr.write("+ " + " ".join(command) + "\n")
    if command[1:2] in (["imagine"], ["status"]):  # they save where they are called
        os.environ["SD_B64_DOTENV"] = os.path.join(HERE, ".env")
    else:
        os.chdir(HERE)
    if os.name != "nt":
        os.execv(command[0], command)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return subprocess.call(command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

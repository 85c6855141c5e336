"""The command line of `sd-b64`: what may be asked for, and the help that tells of it.

Pure, but for the version, which is looked up once it is asked for.
"""

from argparse import Action, ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from math import isfinite, nan
from typing import NoReturn

from cli.exit_codes import EXIT_CODES, MEANINGS, USAGE

PATIENCE = 900.0
"""Seconds: as long as a server keeps a finished picture for the one who comes back (RESULT_TTL)."""

_EXIT_CODES = "exit codes:\n" + "\n".join(f"  {code:<4} {meaning}" for code, meaning in MEANINGS.items())
_SERVER = """\
the server:
  --server or SD_B64_URL names it, --key or SD_B64_KEY (or a file, SD_B64_KEY_FILE) holds its API key.
  Otherwise it is the one on this machine, with HTTP_PORT and API_KEY read as `sd-b64 serve` reads them.
"""
_SERVE = """\
settings:
  are environment variables, or lines of a file .env in the current folder. Some of them (all: .env.example):

  SD_BACKENDS=http://192.168.1.20:7860   the painting servers, comma-separated
  HTTP_HOST=0.0.0.0                      let other machines in, who need an API_KEY
  HTTP_PORT=5000                         the port of HTTP; the websocket's is WS_PORT
  API_KEY=...                            what callers have to send
  REDIS_URL=redis://127.0.0.1:6379/0     a Valkey, by which several processes share one queue
  DISCORD_TOKEN=...                      start the Discord bot, too
"""
_IMAGINE = """\
examples:
  sd-b64 imagine "a monkey with a hat"
  sd-b64 imagine "a monkey with a hat" -o out.png --steps 30 --seed 7
  sd-b64 imagine "a monkey with a hat" -n 4 -o monkeys/
  sd-b64 imagine "a monkey with a hat" -o - | display

"""


class Parser(ArgumentParser):
    """One whose errors are a line with its code, as all errors of a client are; so are its commands'."""

    def error(self, message: str) -> NoReturn:
        """End the program."""
        line = " ".join(message.splitlines())  # words that it does not know are quoted as they came
        self.exit(EXIT_CODES[USAGE], f"sd-b64: {USAGE}: {line}; see `{self.prog} --help`\n")


class Version(Action):
    """Tells the version of the installed package."""

    def __call__(self, parser: ArgumentParser, *_: object) -> NoReturn:
        """End the program."""
        from importlib.metadata import PackageNotFoundError, version  # longer to load than all of this

        try:
            print("sd-b64-api", version("sd-b64-api"))
        except PackageNotFoundError:  # `python3 -m cli` needs no more than requirements.txt
            print("sd-b64-api, not installed as a package, so no version is known")
        parser.exit()


def parser() -> ArgumentParser:
    """All commands and their options."""
    top = Parser(prog="sd-b64", description="The front door to Stable Diffusion.")
    top.add_argument("--version", action=Version, nargs=0, help="show the version and exit")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    commands.add_parser(
        "serve",
        help="start everything in one process: HTTP, websocket, a painter if needed",
        description="Start HTTP, the websocket and, if no server is named or found, the demo painter. "
        "Ctrl-C stops it: pictures being painted are finished first.",
        epilog=_SERVE,
        formatter_class=RawDescriptionHelpFormatter,
    )
    _add_imagine(
        commands.add_parser(
            "imagine",
            help="have a picture painted by a server, and save it",
            description="Have a picture painted by a server, and save it. Ctrl-C cancels the job.",
            epilog=_IMAGINE + _SERVER + "\n" + _EXIT_CODES,
            formatter_class=RawDescriptionHelpFormatter,
        )
    )
    commands.add_parser("health", help="in a container: whether its program is well (exit code 0 or 1)")
    _add_status(
        commands.add_parser(
            "status",
            help="show what waits and runs at a server, and how its backends are",
            description="Show what waits and runs at a server, and how its backends are.",
            epilog=_SERVER + "\n" + _EXIT_CODES,
            formatter_class=RawDescriptionHelpFormatter,
        )
    )
    return top


def _add_imagine(command: ArgumentParser) -> None:
    command.add_argument("prompt", type=_text, metavar="PROMPT", help="what to paint")
    command.add_argument(
        "-o",
        "--output",
        type=_path,
        metavar="PATH",
        help="file (replaced if it exists; several pictures: out-1.png, out-2.png ...), folder, or - for "
        "standard output; without it the prompt and the seed make a new name, and no file is replaced",
    )
    command.add_argument("--steps", type=int, metavar="N", help="more take longer (server's default: 20)")
    command.add_argument("--seed", type=int, metavar="N", help="the same seed paints the same picture again")
    command.add_argument("--width", type=int, metavar="PIXELS", help="a multiple of 8 (512)")
    command.add_argument("--height", type=int, metavar="PIXELS", help="a multiple of 8 (512)")
    command.add_argument("--negative-prompt", type=_text, metavar="TEXT", help="what should not be seen")
    command.add_argument("--cfg-scale", type=_number, metavar="X", help="how close to the prompt (7)")
    command.add_argument("--sampler-name", type=_text, metavar="NAME", help="one of the server's samplers")
    command.add_argument("--model", type=_text, metavar="NAME", help="one of the server's models")
    command.add_argument(
        *("-n", "--count", "--batch-size"),
        dest="batch_size",
        type=_count,
        metavar="N",
        help="how many pictures (1)",
    )
    command.add_argument("--json", action="store_true", help="print one line of JSON for each picture")
    command.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors and file names")
    command.add_argument(
        "--patience",
        type=_seconds,
        default=PATIENCE,
        metavar="SECONDS",
        help=f"how long to try again when the server is lost while the job is there ({PATIENCE:g})",
    )
    _add_server(command)


def _add_status(command: ArgumentParser) -> None:
    command.add_argument("--watch", action="store_true", help="go on, once a second, until Ctrl-C")
    command.add_argument("--json", action="store_true", help="one line of JSON, as GET /status answers")
    _add_server(command)


def _add_server(command: ArgumentParser) -> None:
    command.add_argument(
        "--server", metavar="URL", help="where the server is (http://127.0.0.1:5000, or HTTP_PORT)"
    )
    command.add_argument("--key", metavar="KEY", help="its API key; SD_B64_KEY does not show in `ps`")


def _text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:  # Python keeps what it cannot read as halves of characters
        raise ArgumentTypeError(f"{text!r} is no text in the encoding of this terminal (LC_ALL)") from None
    return text


def _path(text: str) -> str:
    """Where pictures go. By its other names standard output would be a file, replaced and told of."""
    return "-" if text in {"/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"} else text


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = nan
    if not isfinite(number):
        raise ArgumentTypeError(f"{text!r} is not a number")
    return number


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is not a number of pictures")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ArgumentTypeError(f"{text!r} is not a number of seconds")
    return seconds

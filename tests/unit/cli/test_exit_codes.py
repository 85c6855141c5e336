"""What a script is told."""

import re
from argparse import ArgumentParser
from pathlib import Path

import pytest

from cli.arguments import parser
from cli.exit_codes import EXIT_CODES, MEANINGS
from cli.failures import Failure
from core.environment import load
from core.errors import ERRORS
from core.settings import KNOWN

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_error_of_a_server_has_its_exit_code() -> None:
    """A new code has to be given one on purpose; meanwhile it is 1."""
    assert set(ERRORS) <= set(EXIT_CODES)
    assert Failure("of_tomorrow", "").exit_code == 1


def test_every_exit_code_has_a_meaning() -> None:
    assert set(EXIT_CODES.values()) | {0} == set(MEANINGS)


def test_the_readme_and_the_help_tell_them() -> None:
    """In the same words."""
    rows = re.findall(r"^\| `(\d+)` \| (.*) \|$", README, flags=re.MULTILINE)
    assert {int(code): meaning for code, meaning in rows} == MEANINGS
    shown = commands()["imagine"].format_help()
    assert all(f"{code:<4} {meaning}" in shown for code, meaning in MEANINGS.items())


def test_the_readme_names_every_option() -> None:
    """Of all commands, but for --help."""
    for name, command in commands().items():
        options = {option for action in command._actions for option in action.option_strings[-1:]}
        told = set(re.findall(r"`(--?[\w-]+)", README))
        missing = options - told - {"--help"}
        assert missing == set(), name


def test_the_help_of_serve_names_settings_that_can_be_read() -> None:
    shown = dict(re.findall(r"^  ([A-Z_]+)=(\S+)", commands()["serve"].format_help(), flags=re.MULTILINE))
    assert {"SD_BACKENDS", "HTTP_HOST", "API_KEY", "REDIS_URL"} <= shown.keys() <= set(KNOWN)
    load(shown, dotenv=None)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["imagine"], "PROMPT"),
        (["imagine", "a", "--steps", "many"], "--steps"),
        (["imagine", "a", "-n", "0"], "'0' is not a number of pictures"),
        (["imagine", "a", "--patience", "-1"], "'-1' is not a number of seconds"),
        (["imagine", "a", "--patience", "nan"], "'nan' is not a number of seconds"),
        (["imagine", "a", "--cfg-scale", "nan"], "'nan' is not a number"),
        (["imagine", "a", "--cfg-scale", "much"], "'much' is not a number"),
        (["imagine", "\udcff"], "PROMPT: '\\udcff' is no text in the encoding of this terminal"),
        (["imagine", "a", "one\ntwo"], "unrecognized arguments: one two"),
        (["paint"], "invalid choice"),
        ([], "COMMAND"),
    ],
)
def test_a_wrong_command_line_is_exit_code_2(
    words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With one line that names what is wrong, and bears the code."""
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(words)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("sd-b64: usage: ")
    assert complaint in line


def commands() -> dict[str, ArgumentParser]:
    (subparsers,) = (action for action in parser()._actions if action.dest == "command")
    found = subparsers.choices
    assert isinstance(found, dict)
    return found

"""The words of the project: what README, `.env.example`, CHANGELOG and the docs say is what the code does."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from typing import Any, cast, get_args

import discord
import pytest
from dotenv import dotenv_values

import wsserver.messages
from bot.client import NEEDED
from cli.greeting import Served, greeting
from core.environment import load
from core.errors import ERRORS, InvalidRequest, UnknownModel
from core.events import Cancelled, Completed, Event, Failed, Image, Progress, Queued, Started
from core.offers import Catalog, Offer
from core.request import FIELDS, ImageRequest, Limits
from core.settings import SETTINGS, Settings
from core.status import BackendStatus, Status
from core.wire import (
    STATES,
    STATUSES,
    catalog_words,
    event_words,
    image_message,
    images_answer,
    status_words,
)
from httpserver.messages import OPTIONS
from httpserver.server import init_app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/scaling.md",
    *(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")),
)
CHANGES = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
PAINTED = Completed((Image(b"AA==", "png", 7),), "gpu:7860", 1.0, "alpha", "Euler", 512, 512, 20)
EVENTS: tuple[Event, ...] = (
    Queued(3, 12.5, 2),
    Started("gpu:7860", 2),
    Progress(0.5, 10, 20, 4.0, b"AA==", estimated=True),
    PAINTED,
    Failed("queue_full", "full", 5.0),
    Cancelled(),
)
PRIVATE = {
    "a path of somebody's machine": (  # but for the owner of the web UI in a double's traceback
        r"(?<![\w.\]])(?:/(?:home|Users)/(?!owner/)\w|/root/|/work/)|[A-Z]:\\Users"
    ),
    "a package index": (
        r"--(?:extra-)?index-url|\bindex_url|"
        r"https?://[^\s/]*(?:pypi|npmjs|registry|nexus|artifactory|devpi|mirror)"
    ),
}
PRIVATE_FILES = {"tests/unit/test_docs.py"}
"""The one file that has to say what is looked for."""


def test_the_settings_table_is_that_of_the_code() -> None:
    """Names, defaults and meanings in the README's table are those of core.settings.SETTINGS, in order."""
    table = [f"| {' | '.join(row)} |" for row in _table(README, "| Variable |")]
    assert table == [
        f"| `{item.name.upper()}` | {_default_cell(item.default)} | {item.metadata['about']} |"
        for item in SETTINGS
    ]


def test_the_env_example_holds_every_setting_with_its_default(tmp_path: Path) -> None:
    """Each stands there with its line, commented out; with all comments taken off nothing changes."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    _, _, settings = text.partition("\n\n# --- ")[0].partition("\n\n")
    wanted = [
        f"# {item.metadata['about']}\n#{item.name.upper()}={_default(item.default)}\n" for item in SETTINGS
    ]
    assert settings.split("\n\n") == [entry.rstrip("\n") for entry in wanted]
    assert not dotenv_values(ROOT / ".env.example"), "all of it is commented out"
    taken_off = tmp_path / "env"
    taken_off.write_text(re.sub(r"^#(?=\w)", "", text, flags=re.MULTILINE), encoding="utf-8")
    chosen = load({}, taken_off)
    assert all(getattr(chosen, item.name) == item.default for item in SETTINGS)


def test_the_env_example_names_what_may_come_from_a_file() -> None:
    head = (ROOT / ".env.example").read_text(encoding="utf-8").partition("\n\n")[0]
    secrets = {item.name.upper() for item in SETTINGS if item.metadata["secret"]}
    assert secrets == {word for word in re.findall(r"[A-Z_]{6,}", head) if not word.endswith("_FILE")}


def test_a_key_with_special_characters_is_written_as_the_docs_say(tmp_path: Path) -> None:
    """Compose reads that line in the same way, see tests/compose/test_settings.py."""
    for text in (README, (ROOT / ".env.example").read_text(encoding="utf-8")):
        (line,) = re.findall(r"API_KEY='.*?'", text)
        (tmp_path / "env").write_text(line, encoding="utf-8")
        assert load({}, tmp_path / "env").api_key == "$uper #9"


def test_the_readme_tells_of_the_storm_what_was_measured() -> None:
    table = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    workers, front_ends = re.findall(r"(\d+) workers, (\d+) front ends, Valkey twice", table)[0]
    kills = int(workers) + int(front_ends) + 2
    (jobs,) = re.findall(r"delivered, each its own \| ([\d,]+);", table)
    assert re.search(rf"{jobs} jobs went through\s+{kills} kills without one lost", README)


def test_every_error_code_has_its_row() -> None:
    """The README lists the codes of core.errors, each with httpserver's status, and whether to try again."""
    rows = {code.strip("`"): (int(status), again) for code, status, _, again in _table(README, "| Code |")}
    assert {code: status for code, (status, _) in rows.items()} == {code: STATUSES[code] for code in ERRORS}
    again = {code for code, (_, word) in rows.items() if word == "yes"}
    assert again == {code for code, error in ERRORS.items() if error.retry_after is not None}


def test_the_parameters_are_those_that_are_read() -> None:
    """Every one with its default; none that is refused."""
    rows = {name.strip("`"): default for name, default, _ in _table(README, "| Parameter |")}
    assert set(rows) == {"input", *FIELDS, *OPTIONS}
    request = ImageRequest(prompt="a monkey with a hat")
    for name in FIELDS:
        default = getattr(request, name)
        if isinstance(default, (int, float)):
            assert rows[name] == f"`{default:g}`"


async def test_the_requests_are_the_routes() -> None:
    """The README's table of requests names every route but those of the page's files."""
    app = init_app(cast(Any, None), Settings())
    routes = {
        f"{route.method} {route.resource.canonical}"
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    rows = {re.sub(r"[`?].*", "", row[0].strip("`")) for row in _table(README, "| Request |")}
    assert rows == routes - {"GET /static/{name}"}


def test_the_websocket_messages_are_those_of_the_wire() -> None:
    """Every type that core.wire writes has its row, and every field of it is named there."""
    assert {type(event) for event in EVENTS} == set(STATES)
    rows = {row[0].strip("`"): row[1] for row in _table(README, "| Type |")}
    told = dict(_told(event) for event in EVENTS)
    assert set(rows) == set(told)
    for kind, fields in told.items():
        assert set(re.findall(r"`([\w-]+)`", rows[kind])) == fields - {"type", "id"}, kind


def test_what_a_client_writer_is_told_of_answers() -> None:
    """Each field of an answer of `/text`, each state of a job and each field of `/status` is named."""
    clients, operating = (
        (ROOT / "docs" / page).read_text(encoding="utf-8") for page in ("clients.md", "operating.md")
    )
    two = Completed(PAINTED.images * 2, "gpu:7860", 1.0, "alpha", "Euler", 512, 512, 20)
    answer = json.loads(b"".join(images_answer(two, "1")))
    limits = catalog_words(Catalog(()), Limits())["limits"]
    assert [word for word in (*answer, *STATES.values(), *limits) if f"`{word}`" not in clients] == []
    backend = BackendStatus(Offer("gpu:7860", usable=True), painting=False)
    status = status_words(Status(0, 0, 0, 0, 0, waiting_by_caller=(), workers=1, backends=(backend,)))
    assert [word for word in (*status, *status["backends"][0]) if f"`{word}`" not in operating] == []


def test_what_the_bot_asks_for_where_it_is_invited() -> None:
    """The permissions of its invitation, and no other, stand in the page for those who run it."""
    page = (ROOT / "docs" / "discord.md").read_text(encoding="utf-8")
    (told,) = re.findall(r"The invitation asks for (.*?), and for\s+nothing else", page, re.DOTALL)
    words = re.split(r",\s+|\s+and\s+", told.lower().replace("view channels", "view channel"))
    assert discord.Permissions(**{"_".join(word.split()): True for word in words}) == NEEDED


def test_what_a_client_sends_is_understood() -> None:
    """The messages of the README's table are read as they stand, and there is one of every kind."""
    messages = [row[0].strip("`") for row in _table(README, "| Message |")]
    kinds = {type(wsserver.messages.parse(wsserver.messages.read(text), Limits())) for text in messages}
    assert kinds == set(get_args(wsserver.messages.Command))


def test_what_the_start_says() -> None:
    """The lines that the README prints are lines that `serve` prints on a machine without a server."""
    demo = BackendStatus(Offer("127.0.0.1:7861", usable=True, demo=True), painting=False)
    status = Status(0, 0, 0, 0, 0, waiting_by_caller=(), workers=1, backends=(demo,))
    said = greeting(Served(Settings(), 5000, 8765, status, "")).splitlines()
    (shown,) = _blocks(README, "text")
    assert [line for line in shown.splitlines() if line not in said] == []


@pytest.mark.parametrize("page", PAGES)
def test_links_and_paths_lead_somewhere(page: str) -> None:
    """Every relative link, every `folder/file` of this tree, and every #heading exists.

    What is in `.venv/` is made by the installation, and has other names on Windows.
    """
    text = (ROOT / page).read_text(encoding="utf-8")
    folder = (ROOT / page).parent
    links = re.findall(r"\]\((?!https?:)([^)\s]*)\)", text)
    missing = [link for link in links if not (folder / link.partition("#")[0]).exists()]
    paths = re.findall(r"(?<=`)([\w.-]+(?:/[\w.-]+)*/[\w.-]*)(?=`)", text)
    missing += [path for path in paths if not path.startswith(".venv/") and not (ROOT / path).exists()]
    for target, heading in re.findall(r"\]\(([^)\s#]*)#([^)\s]+)\)", text):
        if not target.startswith("http") and heading not in _anchors(
            (folder / target) if target else ROOT / page
        ):
            missing.append(f"{target}#{heading}")
    assert missing == []


def test_every_example_is_mentioned() -> None:
    """Whoever reads the README finds all clients."""
    examples = {path.name for path in (ROOT / "examples").iterdir() if path.is_file()}
    assert [name for name in sorted(examples) if f"examples/{name}" not in README] == []


def test_a_program_says_what_has_to_be_installed_for_it() -> None:
    """Whoever runs one of the README or of examples/ by itself has nothing but Python yet."""
    programs = _blocks(README, "python")
    programs += [path.read_text(encoding="utf-8") for path in (ROOT / "examples").glob("*.py")]
    for program in programs:
        imported = set(re.findall(r"^(?:import|from) (\w+)", program, flags=re.MULTILINE))
        told = {name for names in re.findall(r"# pip install (.*)", program) for name in names.split()}
        assert imported - sys.stdlib_module_names == told, program


def test_code_in_the_pages_can_be_read() -> None:
    """Python blocks compile; bash finds no fault in the shell's."""
    shell = ""
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        for number, block in enumerate(_blocks(text, "python")):
            compile(block, f"{page}, Python block {number}", "exec")
        shell += "\n".join(_blocks(text, "bash"))
    if bash := shutil.which("bash"):
        checked = subprocess.run([bash, "-n"], input=shell, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr


def test_the_service_of_systemd_is_not_killed_while_it_stops() -> None:
    """It has longer than what is painted may take then; and a wrong setting (exit 2) is not tried again.

    All else is, for ever: systemd gives up only after five starts within ten seconds.
    """
    (text,) = _blocks((ROOT / "docs" / "scaling.md").read_text(encoding="utf-8"), "ini")
    unit = ConfigParser()
    unit.read_string(text)
    assert unit.getfloat("Service", "TimeoutStopSec") > Settings().shutdown_grace
    assert unit["Service"]["RestartPreventExitStatus"] == "2"
    assert 4 * unit.getfloat("Service", "RestartSec") > 10


def test_the_changelog_has_its_shape() -> None:
    """Keep a Changelog: newest first, dated or unreleased, known sections, none of them empty."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert text.startswith("# Changelog\n")
    assert "keepachangelog.com" in text
    headings = re.findall(r"^## (.*)$", text, flags=re.MULTILINE)
    shape = re.compile(r"\[Unreleased\]|\[(\d+)\.(\d+)\.(\d+)\] - (?:\d{4}-\d\d-\d\d|Unreleased)")
    versions = [match for heading in headings if (match := shape.fullmatch(heading))]
    assert len(versions) == len(headings)
    assert any(f"[{project['version']}]" in heading for heading in headings)
    numbers = [tuple(map(int, version.groups())) for version in versions if version[1]]
    assert numbers == sorted(set(numbers), reverse=True)
    sections = re.findall(r"^### (.*)\n\n(.*)$", text, flags=re.MULTILINE)
    assert {name for name, _ in sections} <= CHANGES
    assert all(first.startswith("- ") for _, first in sections)


def test_nothing_of_one_machine_is_in_the_tree() -> None:
    """No path of somebody's home and no package index of somebody's network in any file of the project."""
    found = []
    for name in _files():
        try:
            text = (ROOT / name).read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError):
            continue  # a picture, or a file that is about to be removed
        for what, pattern in PRIVATE.items():
            found += [f"{name}: {what}: {match[0]}" for match in re.finditer(pattern, text)]
    assert found == []


def _table(text: str, head: str) -> Iterator[list[str]]:
    """The rows of the table that starts with this head, as cells."""
    lines = iter(text.splitlines())
    assert any(line.startswith(head) for line in lines), f"no table {head}"
    next(lines)
    for line in lines:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in line.strip("|").split("|")]


def _blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def _told(event: Event) -> tuple[str, set[str]]:
    """The type and the fields of the message that tells of this event."""
    if isinstance(event, Completed):
        words = json.loads(b"".join(image_message(event, 0, "1")))
    else:
        words = event_words(event, "1")
    if isinstance(event, Failed):
        for error in (UnknownModel("gamma", ["alpha"]), InvalidRequest("", field="steps")):
            words |= json.loads(wsserver.messages.error_message(error, refused=True))
    return words["type"], set(words)


def _anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _default(value: object) -> str:
    """A default as one writes it in the environment."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value in ((), "") else str(value)


def _default_cell(value: object) -> str:
    return f"`{_default(value)}`" if _default(value) else "empty"


def _files() -> list[str]:
    """What git tracks or would; skipped where this is no checkout."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    command = [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in listed.split("\0") if name and name not in PRIVATE_FILES]

"""The environment and the file `.env`, to settings.

What the environment says counts before what the file says. A value that cannot be used is a
`SettingsError` that names the variable.
"""

import re
from collections.abc import Container, Iterator, Mapping
from io import StringIO
from pathlib import Path
from stat import S_ISREG
from typing import Any

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from core.settings import KNOWN, SECRET_FILES, SETTINGS, Settings, SettingsError
from core.text_files import text_of

SET = re.compile(r"^(?:(?:export|set)\s+|\$env:)", re.IGNORECASE)
"""What sets a variable in a shell: Unix's, Windows' command line, and PowerShell."""
ALIKE = 0.85
"""How alike two names are, of 1, when one is the other misspelt. Those of docker-compose.yml are not."""


def load(
    environ: Mapping[str, str],
    dotenv: Path | None = Path(".env"),
    *,
    names: Container[str] | None = None,
) -> Settings:
    """Read the settings from `environ`, and what it leaves out from the file `dotenv`; `names`: these alone.

    Raises SettingsError for a value that cannot be used and for a secret's file that cannot be read.
    """
    values = _written(dotenv, names) | dict(environ)
    chosen: dict[str, Any] = {}
    for item in SETTINGS:
        name = item.name.upper()
        if names is not None and name not in names:
            continue
        text = _value(name, values, secret=item.metadata["secret"])
        if text is None or (not text.strip() and not item.metadata["may_be_empty"]):
            continue  # compose passes unset variables on as empty ones
        try:
            chosen[item.name] = item.metadata["read"](text)
        except ValueError as error:
            raise SettingsError(name, str(error)) from None
    return Settings(**chosen, given=frozenset(name.upper() for name in chosen))


def misspelt(dotenv: Path = Path(".env")) -> list[str]:
    """A line for each name in the file that is no setting, and looks as if it was meant for one.

    Raises SettingsError for a file that cannot be read.
    """
    strange = [name for name in _written(dotenv) if name not in KNOWN]
    if not strange:
        return []
    from difflib import get_close_matches  # few need it, and it takes a while to load

    meant = {name: get_close_matches(name.upper(), KNOWN, 1, ALIKE) for name in strange}
    return [f"{dotenv}: {name} is no setting; {close[0]}?" for name, close in meant.items() if close]


def _written(dotenv: Path | None, names: Container[str] | None = None) -> dict[str, str]:
    try:
        if not dotenv or not S_ISREG(dotenv.stat().st_mode):
            return {}
        text = text_of(dotenv)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise SettingsError(str(dotenv), f"cannot be read: {error}") from None
    for name in _unreadable(text):
        if names is None or name in names:  # a key that is passed over would open what it was meant to close
            wanted = f"{name}=VALUE is wanted, in a pair of quotes or without any"
            raise SettingsError(name, f"its line in {dotenv} cannot be read: {wanted}")
    return {
        # A path there is meant from there on.
        name: str(dotenv.parent / value) if value and name in SECRET_FILES else value
        for name, value in (dotenv_values(stream=StringIO(text)) | _literal(text)).items()
        if value is not None
    }


def _literal(text: str) -> dict[str, str | None]:
    """The values in single quotes, to the letter: python-dotenv takes ${...} there for a variable, too."""
    lines = {line.key: line for line in parse_stream(StringIO(text)) if line.key}  # the last of each name
    return {name: line.value for name, line in lines.items() if re.match(r"[^=]*=\s*'", line.original.string)}


def _unreadable(text: str) -> Iterator[str]:
    """The settings on lines that python-dotenv passes over; an open quote takes further lines with it."""
    for statement in parse_stream(StringIO(text)):
        if statement.error or (statement.key or "").startswith("$"):
            for line in statement.original.string.splitlines():
                name = SET.sub("", line.strip())
                yield from (known for known in KNOWN if re.match(rf"{known}\b", name))


def _value(name: str, values: Mapping[str, str], *, secret: bool) -> str | None:
    path = values.get(f"{name}_FILE", "") if secret else ""
    if not path:
        return values.get(name)
    if values.get(name):
        raise SettingsError(name, f"set either {name} or {name}_FILE, not both")
    try:
        text = text_of(Path(path)).strip()
    except (OSError, ValueError) as error:
        raise SettingsError(f"{name}_FILE", f"cannot be read: {error}") from None
    if not text:  # an empty secret would open what it was meant to close
        raise SettingsError(f"{name}_FILE", f"{path} is empty")
    return text

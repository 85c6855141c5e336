"""The environment and the file `.env`: which of them counts, secrets in files, lines that cannot be read."""

import re
import sys
from pathlib import Path

import pytest
from dotenv import dotenv_values

from core.environment import load, misspelt
from core.settings import Settings, SettingsError


def read(**environ: str) -> Settings:
    return load(environ, dotenv=None)


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("hunter2\n")
    assert read(API_KEY_FILE=str(secret)).api_key == "hunter2"
    secret.write_text("hunter2\n", encoding="utf-8-sig")  # as PowerShell and Notepad write it
    assert read(API_KEY_FILE=str(secret)).api_key == "hunter2"
    assert read(API_KEY_FILE="").api_key == ""


def test_a_secret_given_twice_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^API_KEY: set either API_KEY or API_KEY_FILE, not both"):
        read(API_KEY="x", API_KEY_FILE=str(tmp_path / "key"))


def test_a_secret_file_that_is_missing_or_empty_or_no_text_fails_loudly(tmp_path: Path) -> None:
    """An empty one above all: without a key the door would stand open."""
    missing, empty, binary = tmp_path / "missing", tmp_path / "empty", tmp_path / "binary"
    empty.write_text(" \n")
    binary.write_bytes(b"\xff\xfe")
    for path in (missing, empty, binary, tmp_path):
        with pytest.raises(SettingsError, match=r"^API_KEY_FILE: "):
            read(API_KEY_FILE=str(path))


def test_only_secrets_are_read_from_files(tmp_path: Path) -> None:
    assert read(HTTP_PORT_FILE=str(tmp_path / "missing")) == Settings()


def test_what_the_environment_leaves_out_comes_from_the_file(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_bytes('\ufeffHTTP_PORT=8000\nWS_PORT=8001\nNAKED\nAPI_KEY="über"\n'.encode())
    settings = load({"WS_PORT": "9001", "API_KEY": ""}, dotenv)

    assert settings.http_port == 8000, "a byte order mark, as Windows writes one, is no part of a name"
    assert settings.ws_port == 9001
    assert settings.api_key == "", "an empty variable takes back what the file says"
    assert load({}, tmp_path / "missing") == Settings()


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("API_KEY='${nothing}'", "${nothing}"),
        ("# a\n\nexport API_KEY = 'a${b}c'  # d", "a${b}c"),
        ("API_KEY='$uper #9'", "$uper #9"),
        ("b=B\nAPI_KEY=a${b}c", "aBc"),
        ("API_KEY='${b}'\nAPI_KEY=c", "c"),
    ],
)
def test_what_stands_in_single_quotes_is_meant_to_the_letter(tmp_path: Path, line: str, key: str) -> None:
    """As Docker Compose reads the same file. What was taken for a variable would be empty: no key at all."""
    (tmp_path / ".env").write_text(line)
    assert load({}, tmp_path / ".env").api_key == key


@pytest.mark.parametrize(
    "line",
    [
        *(
            'API_KEY="s3cret',
            "API_KEY='s3cret",
            "  export API_KEY: s3cret",
            'API_KEY="s3cret" x',
            "API_KEY s3cret",
            "set API_KEY=s3cret",
            "$env:API_KEY='s3cret'",
            "$Env:API_KEY = s3cret",
        ),
        'GREETING="hello\nAPI_KEY=s3cret\nNAME="us"',
    ],
)
def test_a_line_of_the_file_that_cannot_be_read_is_an_error_where_it_is_a_setting(
    tmp_path: Path, line: str
) -> None:
    """A service whose key was passed over would be open to all."""
    dotenv = tmp_path / ".env"
    dotenv.write_text(f"HTTP_PORT=8000\r\n{line}\nWS_PORT=8001")
    with pytest.raises(SettingsError, match=r"^API_KEY: its line in .* cannot be read") as failed:
        load({}, dotenv)
    assert "s3cret" not in str(failed.value)
    assert load({}, dotenv, names={"HTTP_PORT"}).http_port == 8000, "whoever needs no key goes on"
    dotenv.write_text(line.replace("API_KEY", "OTHERS"))
    assert load({}, dotenv) == Settings()


def test_a_path_in_the_file_is_meant_from_there_on(tmp_path: Path) -> None:
    """As the file may lie in another folder than the one where a program works."""
    (tmp_path / ".env").write_text("API_KEY_FILE=secrets/key\nREDIS_URL_FILE=\n")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "key").write_text("hunter2\n")
    assert load({}, tmp_path / ".env").api_key == "hunter2"
    (tmp_path / ".env").write_text(f"API_KEY_FILE={tmp_path / 'secrets' / 'key'}\n")
    assert load({}, tmp_path / ".env").api_key == "hunter2"


def test_a_name_in_the_file_that_is_almost_a_setting_is_told_and_its_value_is_not(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("MAX_STEP=3\nAPIKEY=s3cret\nAPI_KEYFILE=/key\nALLOW_HOSTS=a.example\nws_port=1\n")
    assert misspelt(dotenv) == [
        f"{dotenv}: MAX_STEP is no setting; MAX_STEPS?",
        f"{dotenv}: APIKEY is no setting; API_KEY?",
        f"{dotenv}: API_KEYFILE is no setting; API_KEY_FILE?",
        f"{dotenv}: ALLOW_HOSTS is no setting; ALLOWED_HOSTS?",
        f"{dotenv}: ws_port is no setting; WS_PORT?",
    ]


def test_settings_and_what_others_read_from_the_file_are_not_taken_for_misspelt(tmp_path: Path) -> None:
    """Such as docker-compose.yml, what was added to it, and other programs."""
    example = (Path(__file__).parents[3] / ".env.example").read_text(encoding="utf-8")
    dotenv = tmp_path / ".env"
    dotenv.write_text(re.sub(r"^#(?=\w)", "", example, flags=re.MULTILINE), encoding="utf-8")
    assert "VALKEY_MAXMEMORY" in dotenv_values(dotenv)
    assert misspelt(dotenv) == []
    dotenv.write_text(
        "API_KEY_FILE=/key\nVALKEY_PASSWORD=x\nCOMPOSE_PROFILES=discord\nSD_B64_URL=x\nTZ=UTC\n"
    )
    assert misspelt(dotenv) == []
    assert misspelt(tmp_path / "missing") == []


def test_a_file_that_is_no_text_is_an_error_that_names_it(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    for text in b"HTTP_PORT=\xff", b"HTTP_PORT=8000\n" + "API_KEY=key\n".encode("utf-16-le"):
        dotenv.write_bytes(text)
        with pytest.raises(
            SettingsError, match=r"\.env: cannot be read: it is not in UTF-8; save it as that"
        ):
            load({}, dotenv)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows says that it is not there")
def test_a_file_that_may_not_be_looked_for_is_an_error_that_names_it() -> None:
    """As in a folder of somebody else's; a name that is too long is refused to root as well."""
    dotenv = Path("x" * 300)
    for read in (lambda: load({}, dotenv), lambda: misspelt(dotenv)):
        with pytest.raises(SettingsError, match=f"^{dotenv}: cannot be read: "):
            read()
    assert load({}, Path("no folder/.env")) == load({}, Path(__file__) / ".env") == Settings()

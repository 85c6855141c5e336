"""Where the server is, and which key opens it."""

import socket
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from cli.address import Address, find_server
from cli.failures import Failure


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_without_a_word_it_is_the_one_that_serve_starts_here() -> None:
    """Port, host and key are read as `serve` reads them, the file `.env` included."""
    assert find_server(None, None, {}) == Address(URL("http://127.0.0.1:5000"), is_guess=True)
    assert find_server(None, None, {"HTTP_PORT": "5001", "HTTP_HOST": "0.0.0.0"}).url == URL(
        "http://127.0.0.1:5001"
    )
    assert find_server(None, None, {"HTTP_PORT": "0"}) == Address(URL("http://127.0.0.1:5000"), is_guess=True)
    assert not find_server(None, None, {"HTTP_PORT": "5000"}).is_guess
    assert not find_server("http://127.0.0.1:5000", None, {}).is_guess
    Path(".env").write_text("HTTP_PORT=5002\nAPI_KEY=ours\n", encoding="utf-8")
    assert find_server(None, None, {}) == Address(URL("http://127.0.0.1:5002"), "ours")


def test_from_run_py_it_is_the_one_whose_settings_are_beside_that(tmp_path: Path) -> None:
    """Clients work where they are called, which may be another folder, with a `.env` of something else."""
    (tmp_path / "checkout").mkdir()
    (tmp_path / "checkout" / ".env").write_text("HTTP_PORT=5002\n", encoding="utf-8")
    Path(".env").write_text("HTTP_PORT=3000\n", encoding="utf-8")
    assert find_server(None, None, {"SD_B64_DOTENV": "checkout/.env"}).url == URL("http://127.0.0.1:5002")


def test_the_option_wins_over_the_variable() -> None:
    environ = {"SD_B64_URL": "http://variable:1", "SD_B64_KEY": "of the variable"}
    assert find_server(None, None, environ) == Address(URL("http://variable:1"), "of the variable")
    assert find_server("https://option/sd/", "of the option", environ) == Address(
        URL("https://option/sd"), "of the option"
    )


def test_the_key_of_this_machine_goes_to_no_other() -> None:
    """API_KEY belongs to the server here."""
    environ = {"API_KEY": "ours"}
    assert find_server("http://localhost:5000", None, environ).key == "ours"
    assert find_server("http://127.0.0.1:5000", None, environ).key == "ours"
    assert find_server("http://192.168.1.20:5000", None, environ).key == ""
    assert find_server("http://localhost.evil.example", None, environ).key == ""


@pytest.mark.parametrize("host", ["attacker.example", "203.0.113.1", "2001:db8::1", "a..b"])
@pytest.mark.parametrize("environ", [{}, {"SD_B64_KEY": "mine"}])
def test_a_file_that_lies_here_sends_no_key_to_another_machine(
    monkeypatch: pytest.MonkeyPatch, host: str, environ: dict[str, str]
) -> None:
    """Whoever wants a server elsewhere names it."""
    look_up = resolving(monkeypatch, "attacker.example", "203.0.113.1")
    Path(".env").write_text(f"HTTP_HOST={host}\nAPI_KEY=ours\n", encoding="utf-8")
    with pytest.raises(Failure, match=f"HTTP_HOST: {host!r} is not .* by --server") as failed:
        find_server(None, None, environ)
    assert failed.value.exit_code == 2
    assert find_server("http://far:5000", "its own", environ) == Address(URL("http://far:5000"), "its own")
    assert set(look_up) <= {host}


@pytest.mark.parametrize(
    ("host", "asked"),
    [
        ("localhost", "localhost"),
        ("::1", "[::1]"),
        ("::", "[::1]"),
        ("0.0.0.0", "127.0.0.1"),
        ("painter", "127.0.0.1"),
    ],
)
def test_a_host_of_this_machine_is_asked_with_its_key(
    monkeypatch: pytest.MonkeyPatch, host: str, asked: str
) -> None:
    """A name by the address that it was found at: that one is here, also if the name moves on."""
    resolving(monkeypatch, "painter", "127.0.0.1")
    found = find_server(None, None, {"HTTP_HOST": host, "API_KEY": "ours"})
    assert found == Address(URL(f"http://{asked}:5000"), "ours", is_guess=True)


def resolving(monkeypatch: pytest.MonkeyPatch, name: str, address: str) -> list[str]:
    """Have this name lead there; the hosts that are looked up."""
    look_up, asked = socket.getaddrinfo, list[str]()

    def found(host: str, *wanted: Any, **flags: Any) -> Any:
        asked.append(host)
        return look_up(address if host == name else host, *wanted, **flags)

    monkeypatch.setattr(socket, "getaddrinfo", found)
    return asked


def test_a_key_may_come_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("of the file\n", encoding="utf-8")
    assert find_server("http://a", None, {"SD_B64_KEY_FILE": str(secret)}).key == "of the file"
    secret.write_text("of Windows' Notepad\n", encoding="utf-8-sig")
    assert find_server("http://a", None, {"SD_B64_KEY_FILE": str(secret)}).key == "of Windows' Notepad"
    with pytest.raises(Failure, match="SD_B64_KEY_FILE: cannot be read"):
        find_server("http://a", None, {"SD_B64_KEY_FILE": str(tmp_path / "none")})


def test_a_key_is_not_shown() -> None:
    assert "secret" not in repr(Address(URL("http://a"), "secret"))


def test_a_key_that_no_header_can_hold_is_a_usage_error() -> None:
    with pytest.raises(Failure, match="cannot be sent") as failed:
        find_server("http://a", "one\ntwo", {})
    assert "one" not in str(failed.value)
    assert failed.value.exit_code == 2


@pytest.mark.parametrize(
    "text",
    [
        *("127.0.0.1:5000", "ftp://a", "http://", "http://a:port", "http://a/?x=1", "a", "http://a..b"),
        "http://a/#gallery",
    ],
)
def test_what_is_no_server_is_a_usage_error(text: str) -> None:
    with pytest.raises(Failure, match="is no server") as failed:
        find_server(text, None, {})
    assert failed.value.exit_code == 2


def test_a_wrong_setting_of_the_server_here_is_told_as_by_serve() -> None:
    with pytest.raises(Failure, match="HTTP_PORT: a whole number") as failed:
        find_server(None, None, {"HTTP_PORT": "many"})
    assert failed.value.exit_code == 2
    assert find_server("http://far:5000", None, {"HTTP_PORT": "many"}).url.host == "far"


def test_a_wrong_setting_of_the_server_here_is_nothing_to_who_names_another_port() -> None:
    assert find_server("http://127.0.0.1:5001", None, {"HTTP_PORT": "http"}).url.port == 5001


def test_settings_of_the_server_that_a_client_does_not_need_keep_nobody_from_asking() -> None:
    """They may be for containers, with paths that are there alone."""
    environ = {"DISCORD_TOKEN_FILE": "/run/secrets/none", "REDIS_URL": "nonsense", "API_KEY": "ours"}
    assert find_server(None, None, environ).key == "ours"
    environ = {"API_KEY_FILE": "/run/secrets/none"}
    for server in ("http://127.0.0.1:5000", None):
        assert find_server(server, "given", environ).key == "given"


@pytest.mark.parametrize(
    "text", ["user:secret@host:5000", "http://user:1/secret@host:5000", "http://user:1#secret@host:5000"]
)
def test_a_password_in_an_address_is_not_shown(text: str) -> None:
    """Nor is what stands before it taken for a server, where a sign in it ends the host's part."""
    with pytest.raises(Failure, match="'host:5000' is no server"):
        find_server(text, None, {})


def test_an_address_may_end_as_a_browser_shows_it() -> None:
    for end in ("/", "/#", "/?"):
        assert str(find_server(f"http://host:5000{end}", None, {}).url) == "http://host:5000"


def test_an_address_with_a_user_and_a_key_are_too_much() -> None:
    """Both would stand in the same header."""
    assert find_server("http://user:secret@host", None, {}).url.user == "user"
    for login in ("user:secret", "user", ":secret"):
        with pytest.raises(Failure, match="only one can be sent") as failed:
            find_server(f"http://{login}@host", "key", {})
        assert failed.value.exit_code == 2


def test_a_link_s_own_address_is_asked_with_its_scope(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it the system knows no way there."""
    index, name = socket.if_nameindex()[0]
    address = ("fe80::1", 0, 0, index)
    found = [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", address)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(socket.socket, "bind", lambda *_: None)
    assert find_server(None, None, {"HTTP_HOST": f"fe80::1%{name}"}).url.host == f"fe80::1%{name}"


def test_a_scope_may_be_written_as_the_standard_has_it() -> None:
    """RFC 6874 wants %25 between address and link, and curl takes both; whoever looks it up wants %."""
    for sign in ("%", "%25"):
        assert find_server(f"http://[fe80::1{sign}eth0]:5000", None, {}).url.raw_host == "fe80::1%eth0"

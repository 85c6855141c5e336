"""Who may come in: no foreign page, no foreign name, no wrong key; and a caller nobody can pretend to be."""

import tracemalloc
from collections.abc import Sequence
from typing import Any

import pytest

from core.access import Access, Headers, check_exposure
from core.errors import Forbidden, Unauthorized
from core.settings import Settings, SettingsError
from core.variables import read_names


def access(**settings: Any) -> Access:
    return Access(Settings(**settings))


def headers(**values: str | Sequence[str]) -> Headers:
    """`headers(Sec_Fetch_Site="none")`; a list for a header that comes more than once."""
    found = {
        name.replace("_", "-"): [value] if isinstance(value, str) else value for name, value in values.items()
    }
    return lambda name: found.get(name, ())


# --- Host and Origin


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:5000", "app.localhost", "127.0.0.1:5000", "192.168.1.4", "[::1]:5000"]
)
def test_loopback_names_and_addresses_are_our_own(host: str) -> None:
    access().check_browser(headers(Host=host))


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example:5000", "", "[::1", "a b", "127.0.0.1.x"]
)
def test_a_foreign_host_name_is_refused_and_the_setting_named(host: str) -> None:
    """A page's owner may let the name of that page resolve to 127.0.0.1."""
    with pytest.raises(Forbidden, match="ALLOWED_HOSTS"):
        access().check_browser(headers(Host=host))


@pytest.mark.parametrize("host", ["teacher-pc:5640", "0.0.0.0:5640"])
def test_the_words_that_refuse_a_host_name_it_as_it_may_be_listed(host: str) -> None:
    """Without its port: with it, ALLOWED_HOSTS is refused at the start."""
    browser = headers(Host=host, User_Agent="Mozilla/5.0")
    with pytest.raises(Forbidden) as refused:
        access().check_browser(browser)
    name = refused.value.message.split("'")[1]
    access(allowed_hosts=read_names(name)).check_browser(browser)


def test_every_host_of_a_request_is_judged() -> None:
    with pytest.raises(Forbidden):
        access().check_browser(headers(Host=["localhost", "evil.example"]))


def test_what_is_too_long_for_a_name_is_refused_at_once() -> None:
    """Out of order, so many accents would take minutes to be sorted, and nobody else be served meanwhile."""
    long = "a" + "\u0301\u0327" * 150_000
    with pytest.raises(Forbidden, match="ALLOWED_HOSTS"):
        access().check_browser(headers(Host=long))
    with pytest.raises(Forbidden, match="ALLOWED_ORIGINS"):
        access().check_browser(headers(Host="localhost", Origin=f"http://{long}"))


def test_what_strangers_send_is_not_kept() -> None:
    """Not for long, that is: else they could fill the memory without a key."""
    ours = access()
    tracemalloc.start()
    try:
        for number in range(1000):
            with pytest.raises(Forbidden):
                ours.check_browser(headers(Host=f"{number}{'a' * 8000}"))
        assert tracemalloc.get_traced_memory()[0] < 8_000_000
    finally:
        tracemalloc.stop()


def test_the_names_that_the_owner_gave_this_machine_are_our_own() -> None:
    """It greets with them, and its own health check and client ask there."""
    own = access(http_host="GPUbox", ws_host="wsbox")
    for host in ("gpubox:5000", "WSBOX:8765"):
        own.check_browser(headers(Host=host))


def test_a_listed_host_name_may_come_in() -> None:
    access(allowed_hosts=("Gallery.example",)).check_browser(headers(Host="gallery.EXAMPLE:443"))


@pytest.mark.parametrize(
    "origin", ["http://localhost:5000", "http://localhost:8765", "HTTP://LOCALHOST:5000"]
)
def test_our_own_page_may_call_also_from_the_port_of_http(origin: str) -> None:
    access(http_port=5000).check_browser(headers(Host="localhost:8765", Origin=origin))


def test_behind_a_proxy_with_tls_the_page_has_the_default_port() -> None:
    ours = access(allowed_hosts=("gallery.example",))
    ours.check_browser(headers(Host="gallery.example", Origin="https://gallery.example"))


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://localhost:3000",
        "http://localhost.evil.example:5000",
        "null",
        "",
        "http://[::1",
        "http://localhost:port",
        "localhost:5000",
    ],
)
def test_a_foreign_page_is_refused_and_the_setting_named(origin: str) -> None:
    with pytest.raises(Forbidden, match="ALLOWED_ORIGINS"):
        access().check_browser(headers(Host="localhost:5000", Origin=origin))


def test_a_page_without_a_host_to_compare_it_with_is_foreign() -> None:
    with pytest.raises(Forbidden):
        access().check_browser(headers(Origin="http://localhost:5000"))


def test_a_listed_page_may_call() -> None:
    ours = access(allowed_origins=("https://Gallery.example/",))
    ours.check_browser(headers(Host="localhost", Origin="https://gallery.example"))
    ours.check_browser(
        headers(Host="localhost", Origin="https://gallery.example", Sec_Fetch_Site="cross-site")
    )


@pytest.mark.parametrize("origin", ["http://localhost/", "http://localhost:80", "HTTP://LocalHost"])
def test_a_program_may_write_a_listed_origin_in_its_own_way(origin: str) -> None:
    """As the websocket of Go does, which sends what it was given."""
    ours = access(allowed_origins=("http://localhost",))
    ours.check_browser(headers(Host="127.0.0.1:8765", Origin=origin))
    for other in ("https://localhost", "http://localhost:81"):
        with pytest.raises(Forbidden):
            ours.check_browser(headers(Host="127.0.0.1:8765", Origin=other))


def test_a_page_out_of_a_file_is_not_told_to_list_what_cannot_be_listed() -> None:
    with pytest.raises(Forbidden, match="open it over http"):
        access().check_browser(headers(Host="localhost:5000", Origin="null"))


def test_another_sites_page_may_link_to_us_and_nothing_more() -> None:
    ours = access()
    picture = headers(Host="localhost", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors")
    frame = headers(
        Host="localhost", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate", Sec_Fetch_Dest="iframe"
    )
    link = headers(
        Host="localhost", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate", Sec_Fetch_Dest="document"
    )
    ours.check_browser(link)
    for foreign in (picture, frame):
        with pytest.raises(Forbidden, match="ALLOWED_ORIGINS"):
            ours.check_browser(foreign)


def test_a_program_sends_none_of_these_headers() -> None:
    access().check_browser(headers(Host="localhost:5000"))


# --- the key


def test_without_a_key_nobody_needs_one() -> None:
    ours = access()
    ours.check_key(headers())
    assert not ours.needs_key
    assert not ours.accepts(""), "no key is not a key that fits"


@pytest.mark.parametrize("value", ["Bearer secret", "bearer   secret ", "BEARER secret"])
def test_who_brings_the_key_comes_in(value: str) -> None:
    access(api_key="secret").check_key(headers(Authorization=value))


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_key_comes_in_as_its_client_writes_letters(encoding: str) -> None:
    """curl writes UTF-8, fetch and Python's libraries Latin-1."""
    value = "Bearer schlüssel".encode(encoding).decode("utf-8", "surrogateescape")
    access(api_key="schlüssel").check_key(headers(Authorization=value))


@pytest.mark.parametrize("value", ["Bearer ?", "Bearer \udcff", "Bearer "])
def test_a_letter_that_latin_1_has_not_is_no_other_one(value: str) -> None:
    with pytest.raises(Unauthorized):
        access(api_key="🐒").check_key(headers(Authorization=value))
    access(api_key="🐒").check_key(headers(Authorization="Bearer 🐒"))


@pytest.mark.parametrize(
    "value", ["", "secret", "Bearer", "Bearer secre", "Basic secret", "Bearer \udcff\xe9"]
)
def test_no_key_or_a_wrong_one_is_refused(value: str) -> None:
    ours = access(api_key="secret")
    assert ours.needs_key
    with pytest.raises(Unauthorized) as refused:
        ours.check_key(headers(Authorization=value) if value else headers())
    assert "secret" not in refused.value.message
    assert "missing or wrong" in refused.value.message, "who has sent one looks at it once more"


# --- the caller


async def name_of(ours: Access, peer: str, **values: str | Sequence[str]) -> str:
    return (await ours.visitor(headers(**values), peer)).caller.name


@pytest.mark.parametrize(
    ("peer", "name"),
    [
        ("203.0.113.7", "ip:203.0.113.7"),
        ("::ffff:203.0.113.7", "ip:203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "ip:2001:db8:1:2::/64"),
        ("fe80::1%eth0", "ip:fe80::/64"),
        ("", "ip:unknown"),
    ],
)
async def test_a_caller_is_an_address_or_the_network_that_one_person_has(peer: str, name: str) -> None:
    assert await name_of(access(), peer) == name


async def test_what_a_stranger_says_of_itself_is_not_believed() -> None:
    visitor = await access(trusted_proxies=("10.0.0.0/8",)).visitor(
        headers(X_Forwarded_For="10.0.0.9", X_Request_ID="mine"), "203.0.113.7"
    )
    assert visitor.caller.name == "ip:203.0.113.7"
    assert visitor.request_id is None


@pytest.mark.parametrize(
    ("chain", "name"),
    [
        ("203.0.113.7", "ip:203.0.113.7"),
        ("1.2.3.4, 203.0.113.7", "ip:203.0.113.7"),
        ("1.2.3.4, 203.0.113.7, 10.0.0.2", "ip:203.0.113.7"),
        (["1.2.3.4", "203.0.113.7"], "ip:203.0.113.7"),
        ("203.0.113.7:51234", "ip:203.0.113.7"),
        ("[2001:db8::1]:51234", "ip:2001:db8::/64"),
        ("1.2.3.4, nonsense", "ip:10.0.0.1"),
        ("", "ip:10.0.0.1"),
        ("10.0.0.3, 10.0.0.2", "ip:10.0.0.3"),
    ],
)
async def test_of_what_a_proxy_reports_the_right_most_stranger_counts(chain: str, name: str) -> None:
    ours = access(trusted_proxies=("10.0.0.0/8",))
    assert await name_of(ours, "10.0.0.1", X_Forwarded_For=chain) == name


async def test_the_owner_of_a_proxy_that_is_not_listed_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """All its clients are one caller, in one turn: nothing else would show."""
    ours = access(trusted_proxies=["10.0.0.2"])
    for peer in ("10.0.0.2", "10.0.0.1", "10.0.0.1"):
        await ours.visitor(headers(X_Forwarded_For="203.0.113.7"), peer)
    (line,) = caplog.messages
    assert line.startswith("what 10.0.0.1 reports of its clients (X-Forwarded-For) is not believed")
    assert "TRUSTED_PROXIES" in line


async def test_the_request_id_of_a_trusted_proxy_is_passed_on_unless_it_is_empty() -> None:
    ours = access(trusted_proxies=("127.0.0.1",))
    assert (await ours.visitor(headers(X_Request_ID="abc"), "127.0.0.1")).request_id == "abc"
    assert (await ours.visitor(headers(X_Request_ID=""), "127.0.0.1")).request_id is None
    assert (await ours.visitor(headers(), "127.0.0.1")).request_id is None


# --- exposure


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.9.9.9"])
def test_loopback_needs_no_key(host: str) -> None:
    check_exposure(Settings(), "HTTP_HOST", host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "gpu.local", ""])
def test_beyond_loopback_a_key_is_needed_or_a_word_that_none_is(host: str) -> None:
    with pytest.raises(SettingsError, match=r"^HTTP_HOST: .*API_KEY.*ALLOW_ANONYMOUS"):
        check_exposure(Settings(), "HTTP_HOST", host)
    check_exposure(Settings(api_key="x"), "HTTP_HOST", host)
    check_exposure(Settings(allow_anonymous=True), "HTTP_HOST", host)


def test_in_a_container_the_address_counts_on_which_it_is_published() -> None:
    check_exposure(Settings(bind="127.0.0.1"), "HTTP_HOST", "0.0.0.0")
    with pytest.raises(SettingsError, match=r"^BIND: 0\.0\.0\.0"):
        check_exposure(Settings(bind="0.0.0.0"), "HTTP_HOST", "127.0.0.1")


def test_a_key_protects_nothing_that_asks_for_none() -> None:
    """The built-in engine, as A1111 itself: whoever reaches it paints, and breaks off what others paint."""
    keyed = Settings(api_key="x")
    with pytest.raises(
        SettingsError, match=r"^ENGINE_HOST: 0\.0\.0\.0 can be .*: set ALLOW_ANONYMOUS=true to"
    ):
        check_exposure(keyed, "ENGINE_HOST", "0.0.0.0", asks_key=False)
    check_exposure(keyed, "ENGINE_HOST", "127.0.0.1", asks_key=False)
    check_exposure(Settings(allow_anonymous=True), "ENGINE_HOST", "0.0.0.0", asks_key=False)
    check_exposure(Settings(bind="127.0.0.1"), "ENGINE_HOST", "0.0.0.0", asks_key=False)


def test_what_listens_on_loopback_in_a_container_is_published_nowhere() -> None:
    """`serve` there, with its ports and a key: its engine is no way in."""
    published = Settings(api_key="x", bind="0.0.0.0")
    check_exposure(published, "ENGINE_HOST", "127.0.0.1", asks_key=False)
    with pytest.raises(SettingsError, match=r"^BIND: 0\.0\.0\.0 can be reached"):
        check_exposure(published, "ENGINE_HOST", "0.0.0.0", asks_key=False)


@pytest.mark.parametrize(
    "host", ["0.0.0.0:5000", "[::]:5000", "[::ffff:7f00:1]:5000", "[0:0:0:0:0:ffff:127.0.0.1]:5000"]
)
def test_a_foreign_page_cannot_use_the_address_that_browsers_do_not_mark(host: str) -> None:
    """It reaches loopback, and an image of a page asks there with neither Origin nor Sec-Fetch-Site."""
    browser = {"Host": host, "User_Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101"}
    with pytest.raises(Forbidden, match="say 127"):
        access(http_host="0.0.0.0").check_browser(headers(**browser))
    access(http_host="0.0.0.0").check_browser(headers(Host=host, User_Agent="curl/8.5"))
    name = host.removesuffix(":5000").strip("[]")
    access(allowed_hosts=(name,)).check_browser(headers(**browser))

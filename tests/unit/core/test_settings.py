"""Settings: what each variable may say, and errors that name it and never a secret."""

import traceback
from typing import Any

import pytest

from core.environment import load
from core.settings import SETTINGS, Settings, SettingsError
from core.variables import BackendAddress


def read(**environ: str) -> Settings:
    return load(environ, dotenv=None)


def test_without_an_environment_the_defaults_hold() -> None:
    assert read() == Settings()


GOOD = [
    ("HTTP_PORT", " 8080 ", 8080),
    ("ENGINE_STEP_SECONDS", "0.25", 0.25),
    ("JOB_TIMEOUT", "1e3", 1000.0),
    ("HTTP_HOST", "[::1]", "::1"),
    ("HTTP_HOST", "fe80::1%eth0", "fe80::1%eth0"),
    ("ALLOW_ANONYMOUS", "Yes", True),
    ("ALLOW_ANONYMOUS", "off", False),
    ("ALLOWED_HOSTS", "a.example, b.example,,", ("a.example", "b.example")),
    ("ALLOWED_HOSTS", "bücher.example", ("xn--bcher-kva.example",)),
    (
        "ALLOWED_ORIGINS",
        "https://a.example, HTTP://B.example:8080/",
        ("https://a.example", "http://b.example:8080"),
    ),
    ("ALLOWED_ORIGINS", "https://a.example:443,http://[::1]:80", ("https://a.example", "http://[::1]")),
    ("ALLOWED_ORIGINS", "https://bücher.example", ("https://xn--bcher-kva.example",)),
    ("API_KEY", " secret\n", "secret"),
    ("PROMPT_FILE", "", ""),
    ("TRUSTED_PROXIES", "nginx,, 10.0.0.1/8,::1", ("nginx", "10.0.0.1/8", "::1")),
    ("SD_BACKENDS", "http://Gpu", (BackendAddress("http://gpu:80"),)),
    ("SD_BACKENDS", "https://gpu/sd/,", (BackendAddress("https://gpu:443/sd"),)),
    (
        "SD_BACKENDS",
        "http://me:p%40ss@gpu:7860, http://[::1]:7861",
        (BackendAddress("http://gpu:7860", "me", "p@ss"), BackendAddress("http://[::1]:7861")),
    ),
    ("DISCORD_BLOCKED_WORDS", "foo bar, baz", ("foo bar", "baz")),
    ("SD_BACKENDS", "http://me:1;2@gpu", (BackendAddress("http://gpu:80", "me", "1;2"),)),
    ("SD_BACKENDS", "http://me:2024%2Fx@gpu/sd", (BackendAddress("http://gpu:80/sd", "me", "2024/x"),)),
]


@pytest.mark.parametrize(("variable", "text", "value"), GOOD)
def test_a_value_is_read(variable: str, text: str, value: Any) -> None:
    settings = read(**{variable: text})
    assert getattr(settings, variable.lower()) == value
    assert variable in settings.given


BAD = [
    ("HTTP_PORT", "http", "a whole number from 0 to 65535 is wanted"),
    ("HTTP_PORT", "65536", "a whole number"),
    ("MAX_QUEUE", "0", "a whole number from 1"),
    ("REDIS_URL", "redis://valkey?foo=bar", "behind its ? may stand db, username, password"),
    ("REDIS_URL", "redis://valkey?decode_responses=true", "behind its ? may stand db"),
    ("REDIS_URL", "redis://valkey?ssl_cert_reqs=none", "and ssl_... with rediss://"),
    ("REDIS_URL", "unix:///run/valkey.sock?socket_timeout=5", "behind its ? may stand db"),
    ("MODEL_SLACK", "-1", "cost units from 0 to 1e+06 are wanted"),
    ("LEASE_TTL", "nan", "seconds from 0.05"),
    ("RESULT_TTL", "inf", "seconds from 1"),
    ("JOB_TIMEOUT", "ten", "seconds"),
    ("ALLOW_ANONYMOUS", "maybe", "true or false is wanted"),
    ("HTTP_HOST", "http://localhost", "one host name or address is wanted"),
    ("HTTP_HOST", "0.0.0.0:5000", "one host name or address is wanted, without scheme and port"),
    ("WS_HOST", "[::]:8765", "one host name or address is wanted, without scheme and port"),
    ("HTTP_HOST", "0.0.0.0,::", "one host name or address is wanted"),
    ("HTTP_HOST", "*", "such as 127.0.0.1 or 0.0.0.0"),
    ("ALLOWED_ORIGINS", "gallery.example", "such as https://gallery.example; 'gallery.example' is none"),
    ("ALLOWED_ORIGINS", "https://a.example,localhost:3000", "'localhost:3000' is none"),
    ("ALLOWED_ORIGINS", "*", "'*' is none"),
    ("ALLOWED_ORIGINS", "https://*.example", "is none"),
    ("ALLOWED_ORIGINS", "null", "is none"),
    ("ALLOWED_ORIGINS", "https://a.example/page", "is none"),
    ("ALLOWED_ORIGINS", "https://a.example:port", "is none"),
    ("ALLOWED_ORIGINS", "https://", "is none"),
    ("ALLOWED_HOSTS", "https://a.example", "host names are wanted, without scheme and port"),
    ("ALLOWED_HOSTS", "a.example:5000", "host names are wanted"),
    ("ALLOWED_HOSTS", "*", "host names are wanted"),
    ("ALLOWED_HOSTS", "a..example", "host names are wanted"),
    ("ALLOWED_HOSTS", "a.example;b.example", "separate them by commas, not by ;"),
    ("ALLOWED_ORIGINS", "https://a.example;b.example", "separate them by commas"),
    ("DISCORD_BLOCKED_WORDS", "foo bar;baz", "separate them by commas"),
    ("DISCORD_API_BASE", "discord.example/api", "an address is wanted that begins with https://"),
    ("DISCORD_API_BASE", "https://discord..example", "an address is wanted that begins with https://"),
    ("DISCORD_API_BASE", "https://[", "an address is wanted that begins with https://"),
    ("DISCORD_GATEWAY_URL", "ws://127.0.0.1:port", "an address is wanted that begins with wss://"),
    ("DISCORD_GATEWAY_URL", "ws://127.0.0.1:99999", "an address is wanted that begins with wss://"),
    ("TRUSTED_PROXIES", "nginx,10.0.0.0/99", "'10.0.0.0/99' is no address, network or host name"),
    ("TRUSTED_PROXIES", "300.1.1.1", "'300.1.1.1' is no address, network or host name"),
    ("TRUSTED_PROXIES", "nginx:80", "'nginx:80' is no address"),
    ("TRUSTED_PROXIES", "http://nginx", "'http://nginx' is no address"),
    ("TRUSTED_PROXIES", "ng..inx", "'ng..inx' is no address"),
    ("SD_BACKENDS", "gpu:7860", "such as http://127.0.0.1:7860"),
    ("SD_BACKENDS", "http://gpu,http://gpu:80", "names the same server twice"),
    ("SD_BACKENDS", "http://localhost:7860,http://127.0.0.1:7860", "names the same server twice"),
    ("SD_BACKENDS", "http://0.0.0.0:7860/,http://[::1]:7860", "names the same server twice"),
    ("SD_BACKENDS", "http://gpu:7860, 10.0.0.2:7860", "http://127.0.0.1:7860; so number 2 of the 2 is wrong"),
    ("SD_BACKENDS", "http://gpu:99999", "comma-separated addresses"),
    ("SD_BACKENDS", "http://gpu:0", "comma-separated addresses"),
    ("SD_BACKENDS", "http://gpu..lan:7860", "comma-separated addresses"),
    ("SD_BACKENDS", f"http://{'x' * 64}:7860", "comma-separated addresses"),
    ("SD_BACKENDS", "http://gpu/?x=1", "comma-separated addresses"),
    ("SD_BACKENDS", "http://gpu http://other", "comma-separated addresses"),
    ("SD_BACKENDS", "http://admin:2024/hunter2@gpu:7860", "write / in a password as %2F"),
    ("SD_BACKENDS", "http://admin:hunter2/x@gpu:7860", "write / in a password as %2F"),
]


@pytest.mark.parametrize(("variable", "text", "problem"), BAD)
def test_a_value_that_cannot_be_used_is_an_error_in_one_line_that_names_the_variable(
    variable: str, text: str, problem: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        read(**{variable: text})
    assert refused.value.variable == variable
    assert str(refused.value).startswith(f"{variable}: ")
    assert problem in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        *["redis://valkey", "redis://me:p%40%2Fss@[::1]:6379/15", "redis://valkey:6379/?db=2"],
        *["rediss://valkey/0?ssl_ca_certs=/ca.crt&ssl_cert_reqs=none", "unix:///valkey.sock?password=p@ss"],
    ],
)
def test_the_shared_queue_has_an_address(url: str) -> None:
    assert read(REDIS_URL=f" {url} ").redis_url == url


@pytest.mark.parametrize(
    "url",
    [
        *["valkey:6379", "http://valkey:6379", "redis:valkey:6379", "redis:/valkey:6379/2", "redis:///2"],
        *["redis://:6379", "redis://my..valkey:6379", "redis://my valkey", "redis://valkey:0"],
        *["redis://valkey:99999", "redis://valkey/abc", "redis://valkey/0/1", "redis://valkey/0#x"],
        *["unix://run/valkey.sock", "unix://"],
    ],
)
def test_the_shared_queue_is_never_another_one_than_the_address_says(url: str) -> None:
    """redis-py takes its defaults for what it cannot read: this machine, port 6379, database 0."""
    with pytest.raises(SettingsError, match=r"^REDIS_URL: an address such as redis://127\.0\.0\.1:6379/0 "):
        read(REDIS_URL=url)


@pytest.mark.parametrize("sign", ["/", "?", "#"])
@pytest.mark.parametrize(
    ("variable", "url"),
    [("REDIS_URL", "redis://me:12%shunter2@valkey:6379/0"), ("SD_BACKENDS", "http://me:12%sx@gpu")],
)
def test_a_sign_that_ends_the_host_in_the_middle_of_a_password_is_refused(
    variable: str, url: str, sign: str
) -> None:
    """Else the user would be the host, the first digits of the password its port, and both would be told."""
    with pytest.raises(SettingsError, match=rf"^{variable}: an @ comes after a /, \? or #; write / in a"):
        read(**{variable: url % sign})


@pytest.mark.parametrize("variable", [item.name.upper() for item in SETTINGS])
def test_an_empty_variable_is_one_that_is_not_set(variable: str) -> None:
    """Compose passes unset variables on as empty ones. Only PROMPT_FILE means something when empty."""
    settings = read(**{variable: " "})
    if variable != "PROMPT_FILE":
        assert settings == Settings()


def test_each_setting_says_what_it_is_for() -> None:
    assert all(item.metadata["about"] for item in SETTINGS)


def test_the_name_of_a_backend_may_be_shown_and_its_credentials_never_are() -> None:
    settings = read(SD_BACKENDS="http://me:hunter2@gpu:7860/sd,http://[::1]:1", API_KEY="hunter3")
    assert [backend.name for backend in settings.sd_backends] == ["gpu:7860/sd", "[::1]:1"]
    for shown in (repr(settings), str(settings), repr(settings.sd_backends)):
        assert "hunter" not in shown


def test_an_address_of_the_api_names_its_server() -> None:
    """It is what stands in the browser, or in a line of curl that was tried before."""
    settings = read(SD_BACKENDS="http://gpu:7860/sdapi/v1,http://gpu/sd/sdapi/v1/")
    assert [backend.url for backend in settings.sd_backends] == ["http://gpu:7860", "http://gpu:80/sd"]


@pytest.mark.parametrize("sign", ["%", "%25"])
def test_a_link_s_own_address_is_looked_up_with_its_scope(sign: str) -> None:
    """RFC 6874 wants %25 between address and link, and curl takes both; whoever looks it up wants %."""
    settings = read(SD_BACKENDS=f"http://[fe80::1{sign}eth0]:7860")
    assert [backend.url for backend in settings.sd_backends] == ["http://[fe80::1%eth0]:7860"]


@pytest.mark.parametrize(
    "address",
    [
        *["http://me:hunter2@gpu:port", "http://me:hunt#er2@gpu", "me:hunter2@gpu", "http://me:hunter2/x@g"],
        "http://me:2024/hunter2@gpu:7860",
    ],
)
def test_an_address_that_cannot_be_read_shows_no_password(address: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read(SD_BACKENDS=address)
    assert "hunt" not in "".join(traceback.format_exception(refused.value))


def test_limits_and_backends_of_a_deployment() -> None:
    settings = read(MAX_PROMPT="10", MAX_BATCH="2").with_backends(BackendAddress("http://gpu:7860"))
    assert (settings.limits.max_prompt, settings.limits.max_batch) == (10, 2)
    assert [backend.name for backend in settings.sd_backends] == ["gpu:7860"]

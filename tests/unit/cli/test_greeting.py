"""What `serve` says when it is ready."""

from collections.abc import Sequence
from dataclasses import replace

from cli.greeting import Served, greeting
from core import BackendAddress, BackendStatus, Settings, Status
from core.offers import Offer

DEMO = Offer("127.0.0.1:7861", usable=True, demo=True)
GPU = Offer("gpu:7860", usable=True, models=("alpha",), loaded="alpha")
GONE = Offer("10.0.0.2:7860", usable=False, problem="not reached")


def said(
    *offers: Offer,
    note: str = "",
    named: Sequence[str] = (),
    own_address: str = "",
    contained: bool = False,
    curl: str = "curl",
    **settings: object,
) -> str:
    backends = tuple(BackendStatus(offer, painting=False) for offer in offers)
    status = Status(0, 0, 0, 0, 0, waiting_by_caller=(), workers=1, backends=backends)
    chosen = Settings(**settings)  # type: ignore[arg-type]
    served = Served(chosen, 5000, 8765, status, note, named, own_address, contained)
    return greeting(served, curl=curl)


def test_a_link_to_click_and_a_command_lead_to_the_first_picture() -> None:
    """The command runs in every shell: cmd.exe knows no single quotes."""
    picture = "http://127.0.0.1:5000/image?input=a%20monkey%20with%20a%20hat"
    lines = said(DEMO).splitlines()
    assert f"  click      {picture}" in lines
    assert f'  or         curl -fsS "{picture}" -o monkey.png' in lines


def test_who_lets_others_in_is_told_what_they_type() -> None:
    """The other links lead each machine to itself."""
    line = "  others     http://192.168.1.5:5000/\n"
    assert line in said(GPU, own_address="192.168.1.5", http_host="0.0.0.0")
    assert line in said(GPU, own_address="192.168.1.5", http_host="::")
    assert "others" not in said(GPU, own_address="192.168.1.5")
    assert "others" not in said(GPU, http_host="0.0.0.0")


def test_the_command_bears_the_name_that_its_program_has_there() -> None:
    """Windows' own PowerShell has another one by the name of curl."""
    assert '  or         curl.exe -fsS "http' in said(DEMO, curl="curl.exe")


def test_where_a_key_is_needed_link_and_command_are_such_that_lead_there() -> None:
    """The page asks for the key; in the command one writes it. The key itself is shown to nobody."""
    text = said(DEMO, api_key="s3cret")
    assert "  click      http://127.0.0.1:5000/  (it asks for the API_KEY)\n" in text
    assert 'curl -fsS -H "Authorization: Bearer YOUR_KEY" "http://127.0.0.1:5000/image?' in text
    assert "s3cret" not in text


def test_every_server_is_shown_with_its_model_or_with_what_is_wrong() -> None:
    """Real servers need no word about where to get some."""
    assert said(GPU, GONE).splitlines()[3:5] == [
        "  paints     gpu:7860, model alpha",
        "             10.0.0.2:7860: not reached",
    ]
    assert "For real pictures" not in said(GPU, GONE)
    assert "SD_BACKENDS=http://" in said(DEMO)


def test_only_where_none_is_named_and_no_queue_is_shared_a_real_server_is_found() -> None:
    """Elsewhere whoever starts one on that port waits for it in vain."""
    found, name_it = "on port 7860 it is found, also later", "SD_BACKENDS=http://127.0.0.1:7860 (several: "
    assert found in said(DEMO)
    for elsewhere in (
        said(DEMO, redis_url="redis://valkey"),
        said(DEMO, sd_backends=(BackendAddress("http://127.0.0.1:7861"),)),
    ):
        assert found not in elsewhere
        assert name_it in elsewhere


def test_the_demo_painter_bears_its_address_where_it_is_not_the_only_server() -> None:
    """As when several are named, or others are on the shared queue."""
    demo = "the built-in demo painter (it invents pictures; it is not a diffusion model)"
    assert said(DEMO, note="on the shared queue").splitlines()[3] == f"  paints     {demo}"
    assert said(DEMO, replace(DEMO, backend="engine:7861")).splitlines()[3:5] == [
        f"  paints     127.0.0.1:7861, {demo}",
        f"             engine:7861, {demo}",
    ]
    assert said(DEMO, named=("slow:7860",)).splitlines()[3:5] == [
        f"  paints     127.0.0.1:7861, {demo}",
        "             slow:7860: not looked at yet",
    ]


def test_in_a_container_the_way_to_a_server_outside_is_another_one() -> None:
    """There 127.0.0.1 is the container itself, and no .env is read."""
    text = said(DEMO, contained=True)
    assert "  -e SD_BACKENDS=http://host.docker.internal:7860 --add-host host.docker.internal:host-" in text
    assert ".env" not in text
    assert "For real pictures" not in said(GPU, contained=True)


def test_a_server_that_is_named_is_shown_although_nobody_has_looked_at_it_yet() -> None:
    """As on a shared queue, where another worker may have it, or where it takes long to answer."""
    assert said(GPU, note="on the shared queue", named=("gpu:7860", "slow:7860")).splitlines()[3:6] == [
        "  paints     gpu:7860, model alpha",
        "             slow:7860: not looked at yet",
        "             on the shared queue",
    ]


def test_whoever_can_come_in_from_outside_is_said() -> None:
    assert "to close it set API_KEY" in said(GPU, http_host="0.0.0.0", allow_anonymous=True)
    assert "to close it set API_KEY" not in said(GPU, http_host="0.0.0.0", api_key="k")
    assert "to close it set API_KEY" not in said(GPU)

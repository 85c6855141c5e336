"""A status as a table."""

import io

import pytest
from rich.console import Console

from cli.failures import Failure
from cli.messages import Backend, Own, Status
from cli.status_table import Fitted, lost, table

GPU = Backend("gpu:7860", "painting", None, ["alpha [0123]", "beta"], "alpha [0123]", 2.04)
GONE = Backend("10.0.0.2:7860", "down", "not reached: no route to host")
BUSY = Status(2, 1, 3, [GPU, GONE], Own(1, 0))


def drawn(status: Status, *, lines: bool = False, width: int = 200) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, highlight=False).print(table("http://a:5000", status, lines=lines))
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())


def test_counts_and_a_row_for_each_backend() -> None:
    """Names of models are no markup, whatever brackets stand in them."""
    assert drawn(BUSY) == (
        "http://a:5000  2 waiting, 1 running, 3 callers (yours: 1 waiting, 0 running)\n"
        "\n"
        "Backend        State                                Model         s/picture  Other models\n"
        "gpu:7860       painting                             alpha [0123]        2.0  beta\n"
        "10.0.0.2:7860  down: not reached: no route to host\n"
        "\n"
        "s/picture: seconds for one of 512x512 in 20 steps, as measured"
    )


def test_a_long_list_of_models_is_cut() -> None:
    status = Status(0, 0, 1, [Backend("a", "idle", models=[f"m{number}" for number in range(20)])])
    assert "m6, m7 and 12 more" in drawn(status)
    assert "1 caller (" in drawn(status)


def test_on_a_shared_queue_it_tells_which_worker_has_each_backend() -> None:
    owned = Backend("gpu:7860", "idle", models=["m"], loaded="m", owner="host-7-ab")
    said = drawn(Status(9, 0, 3, [owned, GONE], waiting_by_caller=[7, 1, 1], workers=2)).splitlines()
    assert said[1:3] == ["waiting by caller: 7, 1, 1", "2 workers"]
    assert said[4].split() == ["Backend", "State", "Model", "s/picture", "Worker"]
    assert said[5].split() == ["gpu:7860", "idle", "m", "host-7-ab"]


def test_a_single_model_needs_no_further_column() -> None:
    assert "Other models" not in drawn(Status(0, 0, 0, [Backend("a", "idle", models=["m"], loaded="m")]))


def test_words_of_a_server_do_not_steer_the_terminal() -> None:
    assert "\x1b" not in drawn(Status(0, 0, 0, [Backend("a\x1b[2J", "down", "b\x1bc", ["d\x1be"], "f\x1bg")]))


AWAY = Failure("unreachable", "http://a:5000 is not reached")
NAMES = [f"a-model-with-quite-a-long-name-{number}.safetensors [0123456789]" for number in range(6)]
MANY = [Backend(f"gpu-{number}.example.com:7860", "idle", None, NAMES, NAMES[0], 2.0) for number in range(4)]
MANY += [
    Backend(f"gpu-{number}.example.com:7860", "down", "not reached: no answer") for number in range(4, 28)
]


def fitted(
    backends: list[Backend], height: int, *, width: int = 80, failure: Failure | None = None
) -> list[str]:
    """The lines in a terminal of this size."""
    stream = io.StringIO()
    console = Console(file=stream, width=width, height=height, highlight=False)
    console.print(Fitted("http://a:5000", Status(2, 1, 3, backends, Own(1, 0)), failure))
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def test_what_fits_is_shown_as_it_is_in_a_high_terminal() -> None:
    """To the last line."""
    whole = fitted([GPU, GONE], 100)
    assert fitted([GPU, GONE], len(whole)) == whole
    assert whole == [line.rstrip() for line in drawn(BUSY, lines=True, width=80).splitlines()]


def test_in_a_low_terminal_a_backend_is_one_line() -> None:
    """Names are cut instead of folded; nothing is left out that has room."""
    assert len(fitted(MANY[:6], 100)) > 12
    said = fitted(MANY[:6], 12)
    assert said[0].startswith("http://a:5000  2 waiting, 1 running, 3 callers")
    assert said[1].split() == ["Backend", "State", "Model", "s/picture"]
    assert [line.split()[0] for line in said[2:]] == [backend.name for backend in MANY[:6]]
    assert said[2].split()[1::2] == ["idle", "2.0"]
    assert said[2].split()[2].endswith("…")


@pytest.mark.parametrize("width", [20, 80, 200])
@pytest.mark.parametrize("failure", [None, AWAY])
@pytest.mark.parametrize("height", [2, 3, 8, 32, 38])
def test_it_is_never_higher_than_the_terminal(height: int, width: int, failure: Failure | None) -> None:
    """What is left out is counted, so that every backend is somewhere."""
    said = fitted(MANY, height, width=width, failure=failure)
    assert len(said) <= height
    assert max(map(len, said)) <= width
    shown = sum(line.startswith("gpu") for line in said)
    if shown < len(MANY):
        assert said[-1].startswith(f"and {len(MANY) - shown} more, ")


def test_what_is_left_out_is_told_with_how_many_of_it_are_down() -> None:
    assert fitted(MANY, 6)[-1] == "and 25 more, 24 of them down"
    assert fitted(MANY[:4], 5)[-1] == "and 2 more"


def test_a_lost_server_is_said_above_what_was_known_last() -> None:
    """Below it would be the first that is cut off, and what is left would look as if it were so."""
    line = "unreachable: http://a:5000 is not reached; looking for it"
    assert lost(AWAY).plain == line
    assert fitted([GPU], 100, failure=AWAY) == [line, "", *fitted([GPU], 100)]
    assert fitted(MANY, 7, failure=AWAY) == [line, *fitted(MANY, 6)]

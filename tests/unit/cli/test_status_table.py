"""A status as a table."""

import io

from rich.console import Console

from cli.failures import Failure
from cli.messages import Backend, Own, Status
from cli.status_table import lost, table

GPU = Backend("gpu:7860", "painting", None, ["alpha [0123]", "beta"], "alpha [0123]", 2.04)
GONE = Backend("10.0.0.2:7860", "down", "not reached: no route to host")
BUSY = Status(2, 1, 3, [GPU, GONE], Own(1, 0))


def drawn(status: Status, *, lines: bool = False) -> str:
    stream = io.StringIO()
    Console(file=stream, width=200, highlight=False).print(table("http://a:5000", status, lines=lines))
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


def test_a_lost_server_is_said_below_what_was_known_last() -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=200)
    failure = Failure("unreachable", "http://a is not reached")
    console.print(lost("http://a", None, failure))
    assert stream.getvalue() == "unreachable: http://a is not reached; looking for it\n"
    console.print(lost("http://a", BUSY, failure))
    assert "gpu:7860" in stream.getvalue()

"""Health: each failure in a row lets a backend rest twice as long, up to a bound; a picture mends all."""

from core.worker.health import FIRST_REST, LONGEST_REST, Health


def test_a_backend_that_never_failed_does_not_rest() -> None:
    assert Health().rests_until < 0


def test_each_failure_in_a_row_doubles_the_rest_up_to_the_longest() -> None:
    health = Health()
    rests = []
    for _ in range(100):
        health.failed(now=50.0)
        rests.append(health.rests_until - 50.0)
    assert rests[:3] == [FIRST_REST, 2 * FIRST_REST, 4 * FIRST_REST]
    assert rests == sorted(rests)
    assert rests[-1] == LONGEST_REST


def test_a_picture_lets_the_rests_begin_anew() -> None:
    health = Health()
    for _ in range(9):
        health.failed(now=0.0)
    health.succeeded()
    assert health.rests_until < 0
    health.failed(now=100.0)
    assert health.rests_until == 100.0 + FIRST_REST


def test_what_asks_for_a_longer_rest_gets_it() -> None:
    health = Health()
    health.failed(now=50.0, least=60.0)
    assert health.rests_until == 50.0 + 60.0
    health.failed(now=200.0, least=0.1)
    assert health.rests_until == 200.0 + 2 * FIRST_REST

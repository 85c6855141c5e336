"""What every home of Coordination promises."""

import asyncio

from core.coordination import Coordination
from tests.unit.core.coordination.homes import Home


async def test_of_all_who_claim_a_name_one_gets_it_once(coordination: Coordination) -> None:
    answers = await asyncio.gather(*(coordination.claim("x", f"replica {n}", ttl=60) for n in range(20)))
    assert sum(answers) == 1
    winner = f"replica {answers.index(True)}"
    assert await coordination.claim("x", winner, ttl=60), "its answer may have been lost: it asks again"
    assert await coordination.claim("y", "replica 7", ttl=60)


async def test_a_claim_is_forgotten_after_its_time(coordination: Coordination, home: Home) -> None:
    assert await coordination.claim("x", "a", ttl=30)
    assert not await coordination.claim("x", "b", ttl=30)
    await home.pass_time(40)
    assert await coordination.claim("x", "b", ttl=30)


async def test_asking_again_does_not_prolong_a_claim(coordination: Coordination, home: Home) -> None:
    assert await coordination.claim("x", "a", ttl=50)
    await home.pass_time(30)
    assert await coordination.claim("x", "a", ttl=50)
    await home.pass_time(30)
    assert await coordination.claim("x", "b", ttl=50)


async def test_a_lease_is_its_owners_for_as_long_as_it_is_renewed(
    coordination: Coordination, home: Home
) -> None:
    assert await coordination.hold("x", "a", ttl=50)
    for _ in range(2):
        await home.pass_time(30)
        assert await coordination.hold("x", "a", ttl=50)
    assert not await coordination.hold("x", "b", ttl=50)
    await home.pass_time(60)
    assert await coordination.hold("x", "b", ttl=50)
    assert not await coordination.hold("x", "a", ttl=50)


async def test_a_lease_is_released_by_its_owner_alone(coordination: Coordination) -> None:
    assert await coordination.hold("x", "a", ttl=60)
    await coordination.release("x", "b")
    assert not await coordination.hold("x", "b", ttl=60)
    await coordination.release("x", "a")
    await coordination.release("x", "a")
    assert await coordination.hold("x", "b", ttl=60)


async def test_a_value_lives_for_its_time_and_is_replaced(coordination: Coordination, home: Home) -> None:
    assert await coordination.get("job", "1") is None
    await coordination.put("job", "1", b"first\0\xff", ttl=30)
    assert await coordination.get("job", "1") == b"first\0\xff"
    await coordination.put("job", "1", b"second", ttl=50)
    await home.pass_time(40)
    assert await coordination.get("job", "1") == b"second"
    await home.pass_time(20)
    assert await coordination.get("job", "1") is None
    assert await coordination.names("job") == []


async def test_values_are_found_by_their_kind_the_first_to_end_first(coordination: Coordination) -> None:
    await coordination.put("job", "late", b"", ttl=90)
    await coordination.put("job", "early", b"", ttl=60)
    await coordination.put("tree", "early", b"", ttl=60)
    assert await coordination.names("job") == ["early", "late"]
    await coordination.delete("job", "early")
    await coordination.delete("job", "early")
    assert await coordination.names("job") == ["late"]
    assert await coordination.names("tree") == ["early"]


async def test_values_that_end_at_once_are_found_in_the_order_in_which_they_were_stored(
    coordination: Coordination,
) -> None:
    """So of a burst everybody sees the same ones first; one that is stored again is the last."""
    names = [f"{number:03}" for number in range(200, 0, -1)]
    for name in names:
        await coordination.put("job", name, b"", ttl=60)
    await coordination.put("job", "100", b"", ttl=60)
    names.remove("100")
    assert await coordination.names("job") == [*names, "100"]


async def test_what_is_over_does_not_pile_up(coordination: Coordination, home: Home) -> None:
    for number in range(200):
        await coordination.claim(f"claim {number}", "a", ttl=20)
        await coordination.put("job", str(number), b"", ttl=20)
    await home.pass_time(40)
    assert await coordination.names("job") == []
    assert await coordination.claim("claim 7", "b", ttl=20)

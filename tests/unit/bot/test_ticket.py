"""What is stored of a job, so that any replica can deliver it."""

import msgspec
import pytest

from bot.ticket import Ticket, decode, encode, fields_of, own_names
from core import ImageRequest

REQUEST = ImageRequest(prompt="a monkey", seed=7, model="alpha", cfg_scale=6.5)


def test_a_ticket_comes_back_as_it_was_stored() -> None:
    ticket = Ticket("ab" * 16, 175928847299117063, 1, "token", 5, 0, 9, "de", True, 1000, fields_of(REQUEST))
    assert decode(encode(ticket)) == ticket
    assert ticket.request == REQUEST
    assert ticket.name == "5:0:175928847299117063"
    assert len(ticket.nonce) <= 25
    assert ticket.asked_at == 1462015105.796  # the example of Discord's documentation
    assert ticket.forgotten_at == ticket.asked_at + 24 * 3600


def test_a_ticket_that_asks_for_what_is_not_known_is_one_of_another_version() -> None:
    ticket = Ticket("ab" * 16, 7, 1, "token", 5, 0, 9, "de", True, 1000, {"prompt": "a", "style": "oil"})
    with pytest.raises(msgspec.DecodeError, match="not known: style"):
        decode(encode(ticket))


def test_ones_own_jobs_in_order_of_time() -> None:
    assert own_names(["1:0:30", "12:0:1", "1:7:4"], 1) == ["1:7:4", "1:0:30"]

"""A1111's words, in and out, without a socket."""

import json
from typing import Any

import pytest

from engine.wire import (
    MAX_SIDE,
    Invalid,
    UnknownSampler,
    body_parts,
    info,
    models,
    parameters,
    read_order,
    sampler,
    samplers,
)


def faults(body: object) -> list[dict[str, Any]]:
    with pytest.raises(Invalid) as caught:
        read_order(body, 5)
    return caught.value.detail()


def test_an_empty_request_gets_a1111s_defaults() -> None:
    task = read_order({}, 5).task
    assert (task.steps, task.width, task.height, task.cfg_scale, task.seed) == (50, 512, 512, 7.0, 5)
    assert task.sampler == "Euler"


def test_null_is_a_field_that_is_not_there() -> None:
    assert read_order({"steps": None, "prompt": None}, 5).task == read_order({}, 5).task


def test_every_fault_is_told_at_once_with_its_place() -> None:
    told = faults({"prompt": 5, "steps": "many", "width": 1, "batch_size": True})
    assert {tuple(fault["loc"]) for fault in told} == {
        ("body", name) for name in ("prompt", "steps", "width", "batch_size")
    }
    assert all(fault["msg"] and fault["type"] for fault in told)


@pytest.mark.parametrize(
    "body",
    [
        [], "x", None, {"steps": 0}, {"steps": 10_001}, {"steps": 1.5}, {"height": MAX_SIDE + 8},
        {"seed": -2}, {"cfg_scale": float("nan")}, {"seed": float("inf")}, {"send_images": "yes"},
        {"force_task_id": 3}, {"width": 4096, "height": 4096, "batch_size": 8, "n_iter": 2},
    ],
)  # fmt: skip
def test_what_cannot_be_painted_is_invalid(body: object) -> None:
    assert faults(body)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"width": 16_384, "height": 16_384}, "width"),
        ({"width": 2048, "height": 2048, "batch_size": 40}, "batch_size"),
        ({"width": 2048, "height": 2048, "batch_size": 20, "n_iter": 2}, "n_iter"),
    ],
)
def test_what_is_too_much_is_told_of_what_was_asked_for(body: dict[str, int], field: str) -> None:
    """Beyond the default limits a person may read it, who never heard of `n_iter`."""
    assert [fault["loc"] for fault in faults(body)] == [["body", field]]


def test_a_whole_number_may_be_written_with_a_point() -> None:
    assert read_order({"steps": 20.0}, 5).task.steps == 20


def test_a_number_may_come_as_a_text_as_forms_and_shells_send_it() -> None:
    """A1111 reads it; what is no number is no number in a text, too."""
    task = read_order({"steps": "20", "width": "640.0", "cfg_scale": "7.5", "seed": "4294967297"}, 5).task
    assert (task.steps, task.width, task.cfg_scale, task.seed) == (20, 640, 7.5, 4_294_967_297)
    assert parameters(read_order({"seed": "7"}, 5))["seed"] == 7
    for odd in ("", "1.5", "nan", "inf", "1" * 5000):
        assert faults({"steps": odd})


def test_sizes_are_cut_to_multiples_of_eight_like_a_latent() -> None:
    task = read_order({"width": 517, "height": 500}, 5).task
    assert (task.width, task.height) == (512, 496)


def test_a_sampler_may_bear_its_scheduler_and_must_exist() -> None:
    assert sampler("DPM++ 2M Karras") == "DPM++ 2M"
    with pytest.raises(UnknownSampler):
        sampler("Magic")
    assert read_order({"sampler_index": "Heun"}, 5).task.sampler == "Heun"


def test_seeds_count_up_over_batches_and_iterations() -> None:
    order = read_order({"seed": 10, "batch_size": 2, "n_iter": 2}, 5)
    assert [[task.seed for task in order.tasks(i)] for i in (0, 1)] == [[10, 11], [12, 13]]


def test_the_body_is_the_json_that_json_would_write() -> None:
    order = read_order({"prompt": 'a "monkey"', "styles": ["x"], "force_task_id": "t"}, 5)
    text = info(order, order.tasks(0), ["text"], "20260101000000")
    for images in ([], [b"AAAA"], [b"AAAA", b"BBBB"]):
        body = json.loads(b"".join(body_parts(images, parameters(order), text)))
        assert body["images"] == [image.decode() for image in images]
        assert body["parameters"]["prompt"] == 'a "monkey"'
        assert body["parameters"]["styles"] == ["x"]
        assert json.loads(body["info"])["all_seeds"] == [5]


def test_the_lists_say_what_the_engine_is() -> None:
    assert models()[0]["model_name"] == "demo painter, not a diffusion model"
    assert "Euler a" in [entry["name"] for entry in samplers()]

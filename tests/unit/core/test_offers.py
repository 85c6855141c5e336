"""Offers: what a backend accepts, and the exact name of what a person names loosely."""

import pytest

from core.offers import Catalog, Kind, Offer, kind_of
from core.request import ImageRequest

XL = "sdxl/dreamshaper_v8.safetensors [879db523c3]"


def catalog(*models: str, samplers: tuple[str, ...] = ()) -> Catalog:
    return Catalog((Offer("gpu:1", usable=True, models=models, samplers=samplers),))


@pytest.mark.parametrize(
    "name",
    [XL, "dreamshaper_v8", "DreamShaper_v8.safetensors", "sdxl/dreamshaper_v8", "sdxl\\dreamshaper_v8.ckpt"],
)
def test_a_model_is_found_by_its_title_its_file_or_its_bare_name(name: str) -> None:
    assert catalog(XL, "anime.ckpt").model_named(name) == XL


@pytest.mark.parametrize("name", ["xl/anime.safetensors [0123456789]", "xl\\Anime", "XL_anime"])
def test_a_model_in_a_folder_is_found_by_its_title(name: str) -> None:
    """A1111 offers it with the folder in its name, and shows it as a path."""
    assert catalog("xl_anime", "v1_anime").model_named(name) == "xl_anime"


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("sd [xl]/beta.safetensors [0123456789]", "beta"),
        ("sd [xl]/beta.safetensors [0123456789]", "sd [xl]/beta"),
        ("Ka\u0308fer.sft", "k\u00e4fer"),
        ("old.pt", "Old"),
    ],
)
def test_a_model_is_found_by_all_that_is_its_name(model: str, name: str) -> None:
    """Brackets that hold no hash are; how an accent is written, and which ending a file has, are not."""
    assert catalog("sd [v1]/x.safetensors", model).model_named(name) == model


def test_a_model_that_nobody_has_is_not_found() -> None:
    assert catalog(XL).model_named("dreamshaper") is None


def test_a_loose_name_that_fits_two_models_fits_none() -> None:
    two = catalog("a/anime.safetensors", "b/anime.safetensors")
    assert two.model_named("anime") is None
    assert two.model_named("b/anime.safetensors") == "b/anime.safetensors"


def test_a_sampler_is_found_in_whatever_case() -> None:
    assert catalog(samplers=("Euler a", "DPM++ 2M")).sampler_named("euler A") == "Euler a"
    assert catalog(samplers=("Euler a",)).sampler_named("Euler") is None


def test_what_a_backend_accepts_and_has_loaded() -> None:
    offer = Offer("gpu:1", usable=True, models=("anime", "photo"), samplers=("Euler",), loaded="anime")
    assert offer.accepts(Kind())
    assert offer.accepts(Kind("photo", "Euler"))
    assert not offer.accepts(Kind("sketch"))
    assert not offer.accepts(Kind("photo", "DDIM"))
    assert Offer("gpu:2", usable=True).accepts(Kind("", "DDIM")), "a server that tells none may have any"
    assert offer.has_loaded(Kind())
    assert offer.has_loaded(Kind("anime"))
    assert not offer.has_loaded(Kind("photo"))


def test_a_catalog_holds_each_name_once_and_none_of_servers_that_are_down() -> None:
    all_offers = Catalog(
        (
            Offer("gpu:1", usable=True, models=("anime", "photo"), samplers=("Euler",)),
            Offer("gpu:2", usable=True, models=("photo",), samplers=("DDIM", "Euler")),
            Offer("gpu:3", usable=False, models=("sketch",)),
        )
    )
    assert all_offers.models == ("anime", "photo")
    assert all_offers.samplers == ("Euler", "DDIM")
    assert all_offers.model_named("sketch") == "sketch", "it may come back: no_backend is then the answer"


def test_the_demo_paints_only_where_nothing_else_does() -> None:
    demo, real = Offer("demo", usable=True, demo=True), Offer("gpu:1", usable=True)
    assert Catalog((demo,)).demo
    assert not Catalog((demo, real)).demo
    assert not Catalog(()).demo


def test_a_request_demands_its_model_and_sampler() -> None:
    assert kind_of(ImageRequest(prompt="x")) == Kind()
    assert kind_of(ImageRequest(prompt="x", model="m", sampler_name="s")) == Kind("m", "s")

"""Events: what is logged of one never holds a picture."""

from core.events import Completed, Image, Progress


def test_a_picture_is_shown_by_its_size_alone() -> None:
    image = Image(memoryview(b"iVBORw0KGgo" * 1000), "png", 7, "a cat")
    completed = Completed((image,), "gpu:1", 1.5, None, None, 512, 512, 20)
    assert "Image(<11000 bytes>, 'png', 7, 'a cat')" in repr(completed)
    assert len(repr(completed)) < 300


def test_so_is_a_preview() -> None:
    assert repr(Progress(0.5, 10, 20, 1.5, b"x" * 5000)).endswith("preview=<5000 bytes>)")
    assert repr(Progress(0.5, 10, 20, 1.5)).endswith("preview=None)")

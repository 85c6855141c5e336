"""Events: the one stream that tells a job's life, shown by every front end in its own way.

`Queued` (again with each change), `Started`, `Progress` (fractions rise within one attempt), then exactly
one End. `Queued` may come once more, with the next attempt, when a server or a worker died.

They are msgspec's Structs and no dataclasses, as most of what is made anew for each picture: a frozen
dataclass takes several times as long to make.
"""

from msgspec import Struct

from core.errors import ERRORS, Internal, InvalidRequest, SdError


class Queued(Struct, frozen=True):
    """Waiting: jobs ahead that compete for the same backends, seconds until the picture if known (in
    hundredths, as they are shown)."""

    position: int
    eta: float | None
    attempt: int = 1


class Started(Struct, frozen=True):
    """A backend took the job."""

    backend: str
    attempt: int = 1


class Progress(Struct, frozen=True):
    """Painting: fraction 0-1, the step of steps, seconds until the picture if known.

    `preview` is base64 of a picture as the server made it, for those who asked for previews.
    `estimated`: the server tells no progress, so this is by time alone.
    """

    fraction: float
    step: int
    steps: int
    eta: float | None
    preview: bytes | None = None
    estimated: bool = False

    def __repr__(self) -> str:
        shown = None if self.preview is None else f"<{len(self.preview)} bytes>"
        return f"Progress({self.fraction}, {self.step}/{self.steps}, eta={self.eta}, preview={shown})"


class Image(Struct, frozen=True):
    """One picture: the base64 bytes as they came, never decoded on their way."""

    base64: bytes | memoryview
    format: str
    """`png`, `jpeg` or `webp`."""
    seed: int | None
    infotext: str = ""
    """A1111's text of all parameters, as in the PNG's own `parameters` chunk."""

    def __repr__(self) -> str:
        return f"Image(<{len(self.base64)} bytes>, {self.format!r}, {self.seed}, {self.infotext!r})"


class Completed(Struct, frozen=True, weakref=True):
    """The pictures, at least one, and what is known of how they were painted."""

    images: tuple[Image, ...]
    backend: str
    seconds: float
    """How long the painting took."""
    model: str | None
    sampler_name: str | None
    width: int
    height: int
    steps: int

    @property
    def size(self) -> int:
        """Bytes that the pictures hold."""
        return sum(len(image.base64) for image in self.images)


class Failed(Struct, frozen=True):
    """The job ended without a picture; the words of an SdError."""

    code: str
    message: str
    retry_after: float | None = None
    field: str | None = None
    """The parameter that the server refused."""

    @classmethod
    def of(cls, error: SdError) -> "Failed":
        """The event that tells of this error."""
        return cls(error.code, error.message, error.retry_after, getattr(error, "field", None))

    def as_error(self) -> SdError:
        """The error that this event tells of, for front ends that answer once."""
        error = SdError.__new__(ERRORS.get(self.code, Internal))
        SdError.__init__(error, self.message, retry_after=self.retry_after)
        if isinstance(error, InvalidRequest):
            error.field = self.field
        return error


class Cancelled(Struct, frozen=True):
    """The job was cancelled; there will be no picture."""


End = Completed | Failed | Cancelled
"""After one of these nothing follows."""
Event = Queued | Started | Progress | End
"""Everything that can be said of a job."""

"""The core: a prompt goes in, events and pictures come out, from however many GPUs there are.

Front ends import these names, and HTTP and the websocket `core.wire`; only `cli` goes deeper.
"""

from core.access import Access, Headers, Visitor, check_exposure
from core.backends.a1111 import FROM_CONTAINERS, USUAL, Found, discover, open_session
from core.caller import Caller
from core.connect import connect, is_heard, work
from core.coordination import Coordination
from core.errors import (
    ERRORS,
    LOCAL_ENDS,
    BackendError,
    Expired,
    Forbidden,
    Internal,
    InvalidRequest,
    JobCancelled,
    JobTimeout,
    NoBackend,
    NotFound,
    QueueFull,
    QueueUnavailable,
    RateLimited,
    SdError,
    ShuttingDown,
    TooManyJobs,
    Unauthorized,
    UnknownModel,
)
from core.events import Cancelled, Completed, End, Event, Failed, Image, Progress, Queued, Started
from core.gateway import Gateway
from core.listening import BACKLOG, listening, reachable
from core.offers import Catalog
from core.process import announce, cut_off_by_signal, forget_output, open_output, run, stop_signal
from core.request import (
    FIELDS,
    LARGEST_CFG_SCALE,
    LARGEST_SEED,
    SMALLEST_SIDE,
    ImageRequest,
    Limits,
    parse_flag,
    parse_request,
)
from core.settings import Settings, SettingsError
from core.stall import Stall, notice_vanished, write_together
from core.status import BackendStatus, Status
from core.variables import BackendAddress
from core.watch import Watch

__all__ = [
    "BACKLOG",
    "ERRORS",
    "FIELDS",
    "FROM_CONTAINERS",
    "LARGEST_CFG_SCALE",
    "LARGEST_SEED",
    "LOCAL_ENDS",
    "SMALLEST_SIDE",
    "USUAL",
    "Access",
    "BackendAddress",
    "BackendError",
    "BackendStatus",
    "Caller",
    "Cancelled",
    "Catalog",
    "Completed",
    "Coordination",
    "End",
    "Event",
    "Expired",
    "Failed",
    "Forbidden",
    "Found",
    "Gateway",
    "Headers",
    "Image",
    "ImageRequest",
    "Internal",
    "InvalidRequest",
    "JobCancelled",
    "JobTimeout",
    "Limits",
    "NoBackend",
    "NotFound",
    "Progress",
    "QueueFull",
    "QueueUnavailable",
    "Queued",
    "RateLimited",
    "SdError",
    "Settings",
    "SettingsError",
    "ShuttingDown",
    "Stall",
    "Started",
    "Status",
    "TooManyJobs",
    "Unauthorized",
    "UnknownModel",
    "Visitor",
    "Watch",
    "announce",
    "check_exposure",
    "connect",
    "cut_off_by_signal",
    "discover",
    "forget_output",
    "is_heard",
    "listening",
    "notice_vanished",
    "open_output",
    "open_session",
    "parse_flag",
    "parse_request",
    "reachable",
    "run",
    "stop_signal",
    "work",
    "write_together",
]

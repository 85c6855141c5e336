"""`sd-b64 imagine`: a prompt goes to a server, its pictures come into files."""

import asyncio
import json
import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cli import picture_files
from cli.address import find_server
from cli.display import Display, choose_display
from cli.exit_codes import INCOMPLETE, INTERRUPTED, UNWRITABLE, USAGE
from cli.failures import Failure
from cli.job import Job
from cli.messages import Picture
from cli.picture_files import STANDARD_OUTPUT
from cli.server import Server, reach
from cli.stopping import begun, done_before
from cli.words import summary
from core import FIELDS, cut_off_by_signal, forget_output, stop_signal

ID_SECONDS = 3.0
"""How long a cancel waits for the id of a job that is just being submitted."""


async def imagine(options: Namespace) -> int:
    """Have it painted and save it. Raises Failure."""
    count = options.batch_size or 1
    _check(options, count)
    display = choose_display(sys.stderr, quiet=options.quiet)
    address = find_server(options.server, options.key, os.environ)  # a name server may hold it up
    async with stop_signal() as stop, reach(address) as server:
        job = Job(server, _wanted(options), told=display.told, lost=display.lost, patience=options.patience)
        pictures = await _painted(job, display, stop)
        try:
            with cut_off_by_signal():  # a pipe that nobody reads blocks the loop; no job is left to cancel
                _save(options, pictures, count)
        except KeyboardInterrupt:
            raise _still_there(Failure(INTERRUPTED, "saving was cut off"), server, pictures) from None
        except Failure as failure:
            raise _still_there(failure, server, pictures) from failure
    display.done(summary(pictures, of=count))
    if len(pictures) < count:
        raise Failure(INCOMPLETE, f"the server painted {len(pictures)} of {count} pictures")
    return 0


def _check(options: Namespace, count: int) -> None:
    """Refuse what cannot work before anything is painted. Raises Failure."""
    picture_files.check(options.output, count, on_terminal=sys.stdout.isatty())
    if options.json and options.output == STANDARD_OUTPUT:
        raise Failure(USAGE, "--json and -o - both want standard output")
    if options.output == STANDARD_OUTPUT and sys.__stdout__ is None:  # what we have instead leads nowhere
        raise Failure(UNWRITABLE, "standard output is closed")


async def _painted(job: Job, display: Display, stop: asyncio.Event) -> Sequence[Picture]:
    """The pictures. Raises Failure, also when a signal ends the job."""
    async with begun(job.pictures()) as painting:
        with display:
            if await done_before(painting, stop):
                return painting.result()
        # The display is gone by now: a second signal ends the process at once, and leaves no bar behind.
        if job.unsure:
            await done_before(painting, job.submitted, within=ID_SECONDS)
    # Nothing submits it again by now, so this is the last word.
    try:
        painted = await job.cancel()
    except Failure as failure:
        name = f"job {job.id}" if job.id else "the job"
        raise Failure(INTERRUPTED, f"{name} may go on, its server was not told: {failure}") from failure
    if painted is not None:
        told = f"the picture was painted by then; the server keeps it for a while: {painted}"
        raise Failure(INTERRUPTED, told)
    raise Failure(INTERRUPTED, "the job is cancelled")


def _wanted(options: Namespace) -> dict[str, Any]:
    """The body of the request: what was given; for the rest the server has its defaults."""
    given = {name: getattr(options, name) for name in FIELDS}
    return {"input": options.prompt, **{name: value for name, value in given.items() if value is not None}}


def _save(options: Namespace, pictures: Sequence[Picture], count: int) -> None:
    """Write the pictures where they are wanted, and tell standard output their names. Raises Failure."""
    if options.output == STANDARD_OUTPUT:
        picture_files.write_out(pictures[0])
        return
    saved: list[Path] = []
    try:
        # One by one: those that are there are told also where another one fails.
        saved.extend(picture_files.save(options.output, options.prompt, pictures, of=count))
    finally:
        _tell(saved, pictures, as_json=options.json)


def _tell(paths: Sequence[Path], pictures: Sequence[Picture], *, as_json: bool) -> None:
    """Tell standard output where the first of the pictures lie. Raises Failure, which tells it as well."""
    try:
        for path, picture in zip(paths, pictures, strict=False):
            print(json.dumps(_told(path, picture)) if as_json else path, flush=True)
    except BrokenPipeError:  # nobody reads the names any more, and the pictures are there
        forget_output()
    except OSError as error:
        forget_output()
        saved = ", ".join(map(str, paths))
        raise Failure(UNWRITABLE, f"standard output: {error.strerror}; saved as {saved}") from error


def _told(path: Path, picture: Picture) -> dict[str, Any]:
    """What `--json` says of a picture."""
    names = [name for name in picture.__struct_fields__ if name != "file"]
    return {"file": str(path), **{name: getattr(picture, name) for name in names}}


def _still_there(failure: Failure, server: Server, pictures: Sequence[Picture]) -> Failure:
    """The same failure to write, and where the pictures can be had nevertheless."""
    last = len(pictures) - 1
    others = "" if last == 0 else " (and 1)" if last == 1 else f" (and 1 to {last})"
    where = f"{server.name}/jobs/{pictures[0].id}/images/0{others}"
    return Failure(failure.code, f"{failure.message}; the server keeps what it painted for a while: {where}")

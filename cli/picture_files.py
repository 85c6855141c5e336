"""Where pictures go: names for them, and files that are whole or not there.

The bytes are the server's, untouched: the parameters that a PNG carries stay in it.
"""

import os
import re
import select
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from unicodedata import category, normalize

from cli.exit_codes import UNWRITABLE, USAGE
from cli.failures import Failure
from cli.messages import Picture
from core import forget_output

LONGEST_NAME = 40
"""Characters of the prompt in a file's name: within 255 bytes in any script."""
MARKS = {"Mn", "Mc"}
"""Unicode's categories of signs that stand on, under or beside a letter and are none themselves."""
STANDARD_OUTPUT = "-"
FORMATS = {"png", "jpeg", "webp"}
"""Those that a server of ours tells of; the ending of any other file is `bin`."""


def check(output: str | None, count: int, *, on_terminal: bool) -> None:
    """Refuse what cannot work before anything is painted; make a folder that is missing. Raises Failure."""
    if output == "":  # as of a variable that is not set: who names a file looks for it there
        raise Failure(USAGE, "-o: the name is empty")
    if output == STANDARD_OUTPUT:
        if count > 1:
            raise Failure(USAGE, f"-o -: {count} pictures do not fit into one stream; name a file or folder")
        if on_terminal:
            raise Failure(USAGE, "-o -: a picture is nothing for a terminal; send it to a file or a program")
        return
    try:
        _check_path(output, count)
    except OSError as error:  # a name that is too long, a folder that may not be entered
        raise Failure(USAGE, f"-o {output or _folder(output)}: {error.strerror}") from None


def save(output: str | None, prompt: str, pictures: Sequence[Picture], *, of: int = 1) -> Iterator[Path]:
    """Write the pictures, of so many that were asked for, into files; the path of each once it is there.

    Raises Failure.
    """
    if output is None or _is_folder(output):
        for picture in pictures:
            yield _save_new(_folder(output), new_name(prompt, picture), picture.file)
        return
    paths = numbered(Path(output), max(of, len(pictures)))[: len(pictures)]
    for path, picture in zip(paths, pictures, strict=True):
        _save(path, picture.file)
        yield path


def write_out(picture: Picture) -> None:
    """Write a picture to standard output, all of it. Raises Failure."""
    number, rest = sys.stdout.fileno(), memoryview(picture.file)
    try:
        while rest:  # a full disk, a signal or a pipe that does not wait may have it take only a part
            try:
                rest = rest[os.write(number, rest) :]
            except BlockingIOError:  # such a pipe is full: its reader is slow
                select.select((), (number,), ())
    except OSError as error:
        forget_output()
        raise Failure(UNWRITABLE, f"standard output: {error.strerror}") from error


def numbered(path: Path, count: int) -> list[Path]:
    """One path for each picture: the path itself, or with -1, -2 ... before its ending."""
    if count == 1:
        return [path]
    return [path.with_name(f"{path.stem}-{number}{path.suffix}") for number in range(1, count + 1)]


def new_name(prompt: str, picture: Picture) -> str:
    """A name that tells what it is: the prompt's words and the seed."""
    words = "-".join(_words(prompt))[:LONGEST_NAME].strip("-")
    # What the server chose has no say in where the file comes to lie.
    number = re.sub(r"[^A-Za-z0-9]", "", picture.id)[:LONGEST_NAME] if picture.seed is None else picture.seed
    return f"{words or 'picture'}-{number}.{picture.format if picture.format in FORMATS else 'bin'}"


def _words(prompt: str) -> list[str]:
    """The prompt's words in small letters; a letter keeps its marks, which Hindi and Thai are written with.

    Marks of other signs go with these: those of emoji cannot be seen.
    """
    text = normalize("NFC", prompt.lower())
    return [text[slice(*word.span())] for word in re.finditer("(?:am*|1)+", "".join(map(_sort, text)))]


def _sort(sign: str) -> str:
    """Which sort of sign it is, as a letter: of words, of numbers, a mark, or none of these."""
    if sign.isalpha():
        return "a"
    if sign.isalnum():
        return "1"
    return "m" if category(sign) in MARKS else " "


def _check_path(output: str | None, count: int) -> None:
    """Refuse a path that no picture can come to. Raises Failure, or the OSError of what was tried."""
    if output is not None and _is_special(Path(output)):
        if count > 1:  # there are no others beside it that bear numbers
            raise Failure(USAGE, f"-o {output}: {count} pictures do not fit there; name a file or folder")
        return
    folder = _folder(output)
    if output is not None and count == 1 and os.path.islink(output):  # several bear other names
        folder = _folder(os.path.realpath(output))
    if output is not None and _is_folder(output):
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise Failure(USAGE, f"-o {output}: no folder can be made there: {error.strerror}") from None
    if not folder.is_dir():
        raise Failure(USAGE, f"-o {output}: there is no folder {folder}")
    if not os.access(folder, os.W_OK):
        raise Failure(USAGE, f"-o {output or folder}: no file can be written in {folder}")
    if output is not None and not _is_folder(output):
        with suppress(FileNotFoundError):
            numbered_again(Path(output), count).stat()  # the longest of their names


def _is_folder(output: str) -> bool:
    return output.endswith(("/", os.sep)) or os.path.isdir(output)


def _folder(output: str | None) -> Path:
    if output is None:
        return Path()
    return Path(output) if _is_folder(output) else Path(output).parent


def _is_special(path: Path) -> bool:
    """A pipe or a device, such as /dev/null: it is written to, and not replaced."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _save(path: Path, data: bytes) -> None:
    """Write a file, or replace it in one step."""
    target = Path(os.path.realpath(path))  # where a link leads to, so that the link stays
    try:
        if _is_special(path):
            path.write_bytes(data)
            return
        part = target.with_name(f".{uuid.uuid4().hex}.part")
        try:
            _write(part, data, _rights(target))
            part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise Failure(UNWRITABLE, f"{path} cannot be written: {error.strerror}") from error


def _rights(path: Path) -> os.stat_result | None:
    """Whose the file is that is replaced, and who may read it; None where there is none.

    And on Windows, where the folder says who may.
    """
    try:
        return None if os.name == "nt" else path.stat()
    except FileNotFoundError:
        return None


def _write(path: Path, data: bytes, rights: os.stat_result | None) -> None:
    """Write a new file, with these rights or those of new files: at no moment can others read it.

    All by its descriptor: in a folder of somebody else's, the name may lead elsewhere a moment later.
    """
    mode = 0o666 if rights is None else rights.st_mode & 0o777
    first = mode if rights is None else mode & 0o700
    with open(path, "xb", opener=lambda name, flags: os.open(name, flags, first)) as file:
        if rights is not None:
            try:
                os.fchown(file.fileno(), -1, rights.st_gid)
            except OSError:  # we are not in that group: for the old file ours was one of the others
                mode &= 0o707 | (mode & 0o007) << 3
            with suppress(OSError):  # root alone can give it to somebody else
                os.fchown(file.fileno(), rights.st_uid, -1)
            with suppress(OSError):  # not every file system has such rights
                os.fchmod(file.fileno(), mode)  # what the umask took is given again
        file.write(data)


def _save_new(folder: Path, name: str, data: bytes) -> Path:
    """Write a file under this name, or with -2, -3 ... where there is one already."""
    for number in range(1, 10_000):
        path = numbered_again(folder / name, number)
        try:
            path.touch(exist_ok=False)  # takes the name, also from another client that wants it now
        except FileExistsError:
            continue
        except OSError as error:
            raise Failure(UNWRITABLE, f"{path} cannot be written: {error.strerror}") from error
        try:
            _save(path, data)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path
    raise Failure(UNWRITABLE, f"{folder / name} and thousands like it exist already")


def numbered_again(path: Path, number: int) -> Path:
    """The path itself first, then with -2, -3 ... before its ending."""
    return path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")

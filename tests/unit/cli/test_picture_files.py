"""Names of pictures, and files that are whole or not there."""

import errno
import os
import sys
import tracemalloc
from pathlib import Path

import pytest

from cli import picture_files
from cli.failures import Failure
from cli.messages import Picture
from cli.picture_files import check, new_name, numbered

SEVEN = Picture("id1", b"seven", 0, 2, 7)
EIGHT = Picture("id1", b"eight", 1, 2, 8)


def save(output: str | None, prompt: str, pictures: list[Picture], *, of: int = 1) -> list[Path]:
    return list(picture_files.save(output, prompt, pictures, of=of))


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("a monkey with a hat", "a-monkey-with-a-hat-7.png"),
        ('"../../etc/passwd"', "etc-passwd-7.png"),
        ("Ein Äffchen, mit_Hut!", "ein-äffchen-mit-hut-7.png"),
        ("帽子をかぶった猿", "帽子をかぶった猿-7.png"),
        ("हिन्दी में बंदर", "हिन्दी-में-बंदर-7.png"),
        ("ลิงใส่หมวก ที่นี่", "ลิงใส่หมวก-ที่นี่-7.png"),
        ("A\u0308ffchen", "äffchen-7.png"),
        ("\u0301a \u2764\ufe0f 1\ufe0f\u20e3 cat", "a-1-cat-7.png"),
        ("...", "picture-7.png"),
        ("word " * 50, "word-word-word-word-word-word-word-word-7.png"),
        ("con", "con-7.png"),
    ],
)
def test_a_name_tells_the_prompt_and_the_seed(prompt: str, name: str) -> None:
    assert new_name(prompt, SEVEN) == name


def test_where_no_seed_is_known_the_job_s_id_stands() -> None:
    """And the ending is the picture's own."""
    assert new_name("a", Picture("id1", b"", 0, 1, None, "webp")) == "a-id1.webp"


def test_a_server_has_no_say_in_where_its_picture_comes_to_lie() -> None:
    hostile = "/../../../x.bat\x1b[31m\0"
    assert new_name("a", Picture("id1", b"", 0, 1, 7, hostile)) == "a-7.bin"
    assert new_name("a", Picture(hostile, b"", 0, 1, None)) == "a-xbat31m.png"
    assert len(new_name("a", Picture("x" * 5000, b"", 0, 1, None))) < 50


@pytest.mark.parametrize("letter", ["猿", "🐒", "a", "ä", "ที่", "𑄇𑄳"])
def test_no_name_is_too_long_for_a_file(letter: str) -> None:
    """255 bytes is what file systems take."""
    assert len(os.fsencode(new_name(letter * 500, SEVEN))) < 240


def test_several_pictures_count_from_1() -> None:
    assert [str(path) for path in numbered(Path("a/out.png"), 2)] == [
        str(Path("a/out-1.png")),
        str(Path("a/out-2.png")),
    ]
    assert numbered(Path("out"), 1) == [Path("out")]


def test_fewer_pictures_than_were_asked_for_bear_the_numbers_they_were_promised() -> None:
    """A script finds them where it looks, and the file without a number stays as it is."""
    assert save("out.png", "a", [SEVEN], of=3) == [Path("out-1.png")]
    assert save("out.png", "a", [SEVEN, EIGHT], of=1) == [Path("out-1.png"), Path("out-2.png")]


def test_a_named_file_is_replaced() -> None:
    """As cp, curl and others do it."""
    Path("out.png").write_bytes(b"old")
    assert save("out.png", "a", [SEVEN]) == [Path("out.png")]
    assert Path("out.png").read_bytes() == b"seven"
    assert os.listdir() == ["out.png"], "nothing is left beside it"


def test_a_new_name_replaces_nothing() -> None:
    """The same prompt and seed again get a number."""
    for name in ("a-7.png", "a-7-2.png", "a-7-3.png"):
        assert save(None, "a", [SEVEN]) == [Path(name)]


def test_a_folder_gets_new_names() -> None:
    Path("there").mkdir()
    assert save("there", "a", [SEVEN, EIGHT]) == [Path("there/a-7.png"), Path("there/a-8.png")]
    assert save("there/", "a", [SEVEN]) == [Path("there/a-7-2.png")]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither")
def test_pipes_and_links_stay_what_they_are() -> None:
    """A link's target is replaced; /dev/null is written to."""
    Path("target.png").write_bytes(b"old")
    Path("link.png").symlink_to("target.png")
    save("link.png", "a", [SEVEN])
    assert Path("link.png").is_symlink()
    assert Path("target.png").read_bytes() == b"seven"
    check("/dev/null", 1, on_terminal=False)
    save("/dev/null", "a", [SEVEN])
    assert not Path("/dev/null").is_file()


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="there are no such names here")
def test_a_pipe_that_has_no_name_is_written_to() -> None:
    """As of `-o >(program)`."""
    reads, writes = os.pipe()
    try:
        check(f"/dev/fd/{writes}", 1, on_terminal=False)
        save(f"/dev/fd/{writes}", "a", [SEVEN])
        assert os.read(reads, 100) == b"seven"
    finally:
        os.close(reads)
        os.close(writes)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no umask")
def test_a_file_has_the_rights_that_new_files_have() -> None:
    """And not those of a secret temporary file."""
    before = os.umask(0o022)
    try:
        save("out.png", "a", [SEVEN])
    finally:
        os.umask(before)
    assert Path("out.png").stat().st_mode & 0o777 == 0o644


@pytest.mark.skipif(sys.platform == "win32", reason="there the folder says who may read it")
@pytest.mark.parametrize("mode", [0o600, 0o664, 0o444], ids=oct)
def test_a_file_that_is_replaced_keeps_its_rights(mode: int) -> None:
    """Who hides a picture hides the next one, too, whatever new files are like."""
    Path("out.png").write_bytes(b"old")
    Path("out.png").chmod(mode)
    before = os.umask(0o022)
    try:
        save("out.png", "a", [SEVEN])
    finally:
        os.umask(before)
    assert Path("out.png").read_bytes() == b"seven"
    assert Path("out.png").stat().st_mode & 0o777 == mode


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root gives files away")
def test_a_file_that_root_replaces_stays_with_its_owner() -> None:
    """Else its owner could not read it any more."""
    Path("out.png").write_bytes(b"old")
    os.chown("out.png", 1234, 1235)
    Path("out.png").chmod(0o600)
    save("out.png", "a", [SEVEN])
    now = Path("out.png").stat()
    assert (now.st_uid, now.st_gid, now.st_mode & 0o777) == (1234, 1235, 0o600)


@pytest.mark.skipif(sys.platform == "win32", reason="there the folder says who may read it")
@pytest.mark.parametrize(("old", "new"), [(0o660, 0o600), (0o644, 0o644)], ids=oct)
def test_a_group_that_we_are_not_in_hands_its_rights_to_none_of_ours(
    old: int, new: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new file is of our own group, which may what all others might."""
    Path("out.png").write_bytes(b"old")
    Path("out.png").chmod(old)

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "fchown", refuse)
    save("out.png", "a", [SEVEN])
    assert Path("out.png").stat().st_mode & 0o777 == new


def test_what_cannot_be_written_is_a_failure_and_leaves_nothing() -> None:
    Path("file").write_bytes(b"")
    for output in ("file/out.png", "none/out.png"):
        with pytest.raises(Failure, match="cannot be written") as failed:
            save(output, "a", [SEVEN])
        assert failed.value.exit_code == 1
    assert os.listdir() == ["file"]


@pytest.mark.parametrize("output", ["out.png", None])
def test_what_a_signal_cuts_off_leaves_nothing(output: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a picture under another name nor an empty file that bears its name."""

    def interrupt(path: Path, target: Path) -> None:
        assert path.read_bytes() == b"seven"
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save(output, "a", [SEVEN])
    assert os.listdir() == []


@pytest.mark.parametrize(
    ("output", "count", "terminal", "complaint"),
    [
        ("none/out.png", 1, False, "there is no folder"),
        ("none/deeper/", 1, False, "no folder can be made there"),
        ("", 1, False, "-o: the name is empty"),
        ("-", 2, False, "2 pictures do not fit into one stream"),
        ("-", 1, True, "a picture is nothing for a terminal"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_painted(
    output: str, count: int, terminal: bool, complaint: str
) -> None:
    with pytest.raises(Failure, match=complaint) as failed:
        check(output, count, on_terminal=terminal)
    assert failed.value.exit_code == 2


@pytest.mark.skipif(sys.platform == "win32", reason="links are the administrator's there")
@pytest.mark.parametrize("folder", ["none", "file"])
def test_a_link_to_where_nothing_can_be_written_is_refused_before_anything_is_painted(folder: str) -> None:
    """The picture is written where it leads to."""
    Path("file").write_bytes(b"")
    Path("link.png").symlink_to(f"{folder}/out.png")
    with pytest.raises(Failure, match=f"-o link.png: there is no folder .*{folder}$") as failed:
        check("link.png", 1, on_terminal=False)
    assert failed.value.exit_code == 2


def test_how_many_pictures_there_may_be_is_the_servers_word() -> None:
    """No name is kept for each of them before it has said so: a few zeros too many would fill the memory."""
    tracemalloc.start()
    try:
        check("out.png", 100_000, on_terminal=False)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither")
def test_several_pictures_do_not_fit_into_a_device_or_a_pipe() -> None:
    """Else root, as in a container, would find /dev/null-1 there."""
    os.mkfifo("pipe")
    Path("link").symlink_to("pipe")
    for output in ("/dev/null", "pipe", "link"):
        check(output, 1, on_terminal=False)
        with pytest.raises(Failure, match=f"-o {output}: 2 pictures do not fit there") as failed:
            check(output, 2, on_terminal=False)
        assert failed.value.exit_code == 2


@pytest.mark.skipif(sys.platform == "win32", reason="there it has no such words")
@pytest.mark.parametrize(("length", "count"), [(260, 1), (250, 2)])
def test_a_name_that_is_too_long_is_a_wrong_command_line(length: int, count: int) -> None:
    """Also one that becomes so by the numbers of several pictures."""
    with pytest.raises(Failure, match=r"-o x+\.png: .*too long") as failed:
        check("x" * length + ".png", count, on_terminal=False)
    assert failed.value.exit_code == 2


def test_a_folder_that_may_not_be_entered_is_a_wrong_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python asks whether a file is there with an error, which is no fault of standard output."""
    looked = Path.stat

    def refuse(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if path.parent.name == "private":
            raise PermissionError(errno.EACCES, "Permission denied")
        return looked(path, follow_symlinks=follow_symlinks)  # root, as in a container, is refused nothing

    Path("private").mkdir()
    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(Failure, match=r"-o private/x\.png: Permission denied") as failed:
        check("private/x.png", 1, on_terminal=False)
    assert failed.value.exit_code == 2


def test_what_can_work_is_not_refused() -> None:
    for output in (None, "out.png", "./out.png", ".", "-"):
        check(output, 1, on_terminal=False)

"""What an upload's lines are taken for, without a server."""

import stat
from pathlib import Path

import pytest

from service.deletion_requests.spool import InvalidUploadError, Spool

SECRET = "sid-SECRET"


def spooled(folder: Path, *parts: bytes) -> tuple[list[bytes], int, str]:
    """The lines that would be copied, how many they are, and their digest."""
    with Spool(folder) as spool:
        for part in parts:
            spool.add(part)
        spool.end()
        return b"".join(spool.blocks()).splitlines(keepends=True), spool.total, spool.sha256


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(b"a\nb\n", id="\\n"),
        pytest.param(b"a\nb", id="no last line break"),
        pytest.param(b"a\r\nb\r\n", id="\\r\\n"),
        pytest.param(b"a\r\nb\r", id="cut within the last line break"),
        pytest.param(b"\xef\xbb\xbfa\nb\n", id="byte order mark"),
    ],
)
def test_lines_are_the_same_however_they_end(tmp_path: Path, given: bytes) -> None:
    assert spooled(tmp_path, given) == spooled(tmp_path, b"a\nb\n")
    assert spooled(tmp_path, given)[:2] == ([b"a\n", b"b\n"], 2)


def test_a_body_may_be_cut_anywhere(tmp_path: Path) -> None:
    body = "é\r\n\U0001f600x\n\\N\tz\n".encode() * 3
    whole = spooled(tmp_path, body)

    for cut in range(len(body)):
        assert spooled(tmp_path, body[:cut], body[cut:]) == whole
    assert spooled(tmp_path, *(bytes([byte]) for byte in body)) == whole


def test_other_lines_have_another_digest(tmp_path: Path) -> None:
    bodies = (b"a\nb\n", b"b\na\n", b"ab\n", b"a\nb\nb\n")
    assert len({spooled(tmp_path, body)[2] for body in bodies}) == len(bodies)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        pytest.param(b"\n", "is empty", id="empty"),
        pytest.param(b"\r\n", "is empty", id="empty with \\r\\n"),
        pytest.param(SECRET.encode() + b"x" * 246 + b"\n", "255 characters", id="256 characters"),
        pytest.param(SECRET.encode() + b"\x00\n", "NUL", id="NUL"),
        pytest.param(SECRET.encode() + b"\rx\n", "carriage return", id="\\r within a line"),
        pytest.param(SECRET.encode() + b"\xff\n", "UTF-8", id="a byte that is never UTF-8"),
        pytest.param(SECRET.encode() + b"\xed\xa0\x80\n", "UTF-8", id="half a surrogate pair"),
        pytest.param(SECRET.encode() + b"\xc0\xaf\n", "UTF-8", id="overlong"),
        pytest.param(SECRET.encode() + b"\xc3", "UTF-8", id="cut within a character"),
        pytest.param(SECRET.encode() * 1000, "255 characters", id="a line without an end"),
    ],
)
@pytest.mark.parametrize("before", [0, 2])
def test_a_line_that_is_no_id_is_told_by_its_number_only(
    tmp_path: Path, bad: bytes, says: str, before: int
) -> None:
    for parts in ([b"ok\n" * before + bad], [b"ok\n" * before, bad]):
        with pytest.raises(InvalidUploadError, match=says) as caught:
            spooled(tmp_path, *parts)
        assert f"Line {before + 1} " in str(caught.value)
        assert caught.value.facts == {"line": before + 1}
        assert SECRET not in str(caught.value)
        assert caught.value.__context__ is None


def test_the_longest_ids_are_taken(tmp_path: Path) -> None:
    ids = ["x" * 255, "\U0001f600" * 255, "é" * 255]
    lines, total, _ = spooled(tmp_path, "\r\n".join(ids).encode())
    assert (total, [line.decode().strip() for line in lines]) == (3, ids)


@pytest.mark.parametrize("nothing", [b"", b"\xef\xbb\xbf"])
def test_an_upload_without_a_line_is_refused(tmp_path: Path, nothing: bytes) -> None:
    with pytest.raises(InvalidUploadError):
        spooled(tmp_path, nothing)


def test_the_file_has_no_name_and_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    with Spool(tmp_path / "new" / "uploads") as spool:
        spool.add(b"a\n")
        assert list((tmp_path / "new" / "uploads").iterdir()) == []
        opened = Path(f"/proc/self/fd/{spool._file.fileno()}")
        assert stat.S_IMODE(opened.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "new" / "uploads").stat().st_mode) == 0o700

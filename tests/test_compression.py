"""Compressed content, whole and damaged."""

from __future__ import annotations

import gzip
import io
import random
import zlib
from pathlib import Path

import pytest

from pipeline.forms.compression import Damaged, at_once, opened
from pipeline.zstd import zstd

_CONTENT = b"".join(b"line %d of some content\n" % (n * n) for n in range(120))
_CHECKED = {zstd.CompressionParameter.checksum_flag: 1}


def _inflate(data: bytes | Path, size: int = 1 << 20) -> tuple[bytes, str, str | None]:
    """Content, compression and damage of some bytes or a file."""
    stream, compression = opened(io.BytesIO(data) if isinstance(data, bytes) else data)
    content, damage = b"", None
    try:
        while piece := stream.read(size):
            assert len(piece) <= size
            content += piece
    except Damaged as error:
        damage = str(error)
        with pytest.raises(Damaged):
            stream.read(size)
    stream.close()
    return content, compression, damage


_SKIPPABLE = b"\x53\x2a\x4d\x18\x05\0\0\0hello"
_PARTS = (_CONTENT[:900], b"", _CONTENT[900:])
_PACKED = {
    "gz": gzip.compress(_CONTENT, mtime=0),
    "gz members": b"".join(map(gzip.compress, _PARTS)),
    "gz padded": b"".join(gzip.compress(part) + b"\0" * 700 for part in _PARTS),
    "gz stored": gzip.compress(_CONTENT, 0),
    "zst": zstd.compress(_CONTENT),
    "zst checked": zstd.compress(_CONTENT, options=_CHECKED),
    "zst frames": b"".join(map(zstd.compress, _PARTS)),
    "zst skippable": _SKIPPABLE + zstd.compress(_CONTENT) + _SKIPPABLE,
}


@pytest.mark.parametrize("kind", _PACKED)
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_compressed(kind: str, size: int, tmp_path: Path) -> None:
    """Compressed content is read whole, all members and frames, in files and in streams."""
    assert _inflate(_PACKED[kind], size) == (_CONTENT, kind.split()[0], None)
    path = tmp_path / "misnamed.txt"
    path.write_bytes(_PACKED[kind])
    assert _inflate(path, size) == (_CONTENT, kind.split()[0], None)


@pytest.mark.parametrize("content", [b"", b"{", b"{}\n", b"\x1f\x8b", _CONTENT])
def test_uncompressed(content: bytes, tmp_path: Path) -> None:
    """What is not compressed passes unchanged, whatever the name of the file says."""
    path = tmp_path / "misnamed.gz"
    path.write_bytes(content)
    assert _inflate(path, 5) == _inflate(content, 5) == (content, "none", None)
    stream, _ = opened(path)
    buffer = bytearray(5_000)
    got = 0
    while more := stream.readinto(memoryview(buffer)[got:]):  # type: ignore[attr-defined]
        got += more
    assert bytes(buffer[:got]) == content


@pytest.mark.parametrize("kind", ["gz", "gz members", "gz stored"])
def test_truncated_gzip(kind: str) -> None:
    """Cut off anywhere, gzip data gives all that can be got out of it, then says so."""
    packed = _PACKED[kind]
    for size in range(3, len(packed)):
        content, _, damage = _inflate(packed[:size])
        expected, rest = b"", packed[:size]
        whole = True
        while rest:
            member = zlib.decompressobj(31)
            expected += member.decompress(rest)
            rest, whole = member.unused_data, member.eof
        assert content == expected
        assert (damage is None) == whole


@pytest.mark.parametrize("kind", ["zst", "zst checked", "zst frames", "zst skippable"])
def test_truncated_zstd(kind: str) -> None:
    """Cut off anywhere, zstd data gives every whole block before, then says so."""
    packed = _PACKED[kind]
    for size in range(4, len(packed)):
        content, _, damage = _inflate(packed[:size])
        assert _CONTENT.startswith(content)
        if damage is None:  # at the border of two frames
            assert zstd.decompress(packed[:size]) == content
        else:
            frame, first = zstd.ZstdDecompressor(), 0
            for byte in packed[:size]:
                first += 0 if frame.eof else len(frame.decompress(bytes([byte])))
            assert len(content) >= first


def test_truncated_large_zstd() -> None:
    """Of a zstd file cut off in a late block all the blocks before are read."""
    content = b"".join(b"%d, " % (n * 7919 % 100_003) for n in range(200_000))
    packed = zstd.compress(content)
    found, _, damage = _inflate(packed[: len(packed) - 9])
    assert damage and len(content) - len(found) <= 128 << 10 and content.startswith(found)


@pytest.mark.parametrize("kind", ["gz", "zst checked"])
def test_corrupt(kind: str) -> None:
    """A flipped bit is told, after what came before it, or does no harm at all."""
    packed = _PACKED[kind]
    told = 0
    for at in range(4, len(packed)):
        flipped = bytearray(packed)
        flipped[at] ^= 0x10
        content, _, damage = _inflate(bytes(flipped))
        told += damage is not None
        assert damage or content == _CONTENT
        assert damage is None or "\n" not in damage
    assert told > 0.9 * (len(packed) - 10)


def test_corrupt_late() -> None:
    """All that stands before a corrupt place is read: the damage costs no whole step."""
    content = b"".join(b"%d, " % (n * 7919 % 100_003) for n in range(200_000))
    packed = bytearray(gzip.compress(content))
    half = len(packed) // 2
    packed[half:] = random.Random(1).randbytes(len(packed) - half)
    reference = zlib.decompressobj(31)
    expected = reference.decompress(packed[:half])
    with pytest.raises(zlib.error):
        for at in range(half, len(packed)):
            expected += reference.decompress(packed[at : at + 1])
    found, _, damage = _inflate(bytes(packed))
    assert damage and found == expected and len(found) > len(content) // 3


@pytest.mark.parametrize("kind", ["gz", "zst"])
@pytest.mark.parametrize("tail", [b"x", b"{}\n", b"\x1f", b"\x28", _CONTENT])
def test_trailing_bytes(kind: str, tail: bytes) -> None:
    """Something else behind compressed data is damage, told after the data."""
    content, _, damage = _inflate(_PACKED[kind] + tail)
    assert content == _CONTENT and damage


def test_bomb() -> None:
    """Content is unpacked as it is asked for, however much a small file holds."""
    for packed in (gzip.compress(bytes(200 << 20), 9), zstd.compress(bytes(200 << 20))):
        stream, _ = opened(io.BytesIO(packed))
        assert stream.read(1 << 20) == bytes(1 << 20)
        inner = stream._rest  # type: ignore[attr-defined]
        assert len(inner) <= 1 << 20


@pytest.mark.parametrize("kind", _PACKED)
def test_at_once_as_piece_by_piece(kind: str) -> None:
    """One sound member or frame is read in one step; all that is odd is left to the careful way."""
    data, size = _PACKED[kind], len(_CONTENT)
    plain = kind in ("gz", "gz stored", "zst", "zst checked")
    assert at_once(data, size) == ((_CONTENT, kind.split()[0]) if plain else None)
    for odd in (data[:-1], data + b"x", data[: len(data) // 2], b"x" + data):
        assert at_once(odd, size) is None
    assert at_once(data, size - 1) is None
    if kind != "zst":  # a frame without a check sum may be another one, and sound
        spoilt = bytearray(data)
        spoilt[-5] ^= 1
        assert at_once(bytes(spoilt), size) is None

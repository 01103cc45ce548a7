"""Damaged files print nothing; other messages on standard error are still written."""

from __future__ import annotations

import ctypes
import io
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image
from support.odd_pictures import file_of
from torchvision.io import ImageReadMode

from nsfwcaps import c_messages, pictures
from nsfwcaps.c_messages import can_silence, silenced
from nsfwcaps.encoders.picture_jpeg import plain_jpeg

pytestmark = pytest.mark.skipif(not can_silence(), reason="only glibc's stream can be replaced")

Captured = pytest.CaptureFixture[str]


def photograph(**options: int) -> bytes:
    coarse = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return file_of(Image.fromarray(coarse).resize((320, 240)), "JPEG", **options)


def damaged(data: bytes) -> Iterator[bytes]:
    """Cut off at several places, with and without an end mark, and with changed bytes."""
    scan = data.index(b"\xff\xda") + 14
    for keep in (scan + 1, scan + 9, len(data) // 2, len(data) - 9, len(data) - 2, len(data) - 1):
        yield data[:keep]
        yield data[:keep] + b"\xff\xd9"
    random = np.random.default_rng(1)
    for _ in range(60):
        changed = bytearray(data)
        changed[random.integers(scan, len(data) - 2)] ^= 1 << random.integers(8)
        yield bytes(changed)
    middle = (scan + len(data)) // 2
    yield data[:middle] + b"\xff\xd3" + data[middle:]
    yield data[:middle] + bytes(500) + data[middle + 500 :]
    yield data + b"trailing"


def torchvisions(data: bytes) -> None:
    file = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    torch.ops.image.decode_jpeg(file, ImageReadMode.RGB.value, False)


def test_libjpeg_prints_of_damage_unless_silenced(capfd: Captured) -> None:
    data = photograph()
    cut = data[: len(data) // 2] + b"\xff\xd9"
    plain_jpeg(cut)
    assert capfd.readouterr().err == ""
    torchvisions(cut)
    assert capfd.readouterr().err == "Corrupt JPEG data: premature end of data segment\n"


@pytest.mark.parametrize("options", [{}, {"progressive": 1}, {"restart_marker_blocks": 4}], ids=str)
def test_damaged_files_print_nothing_and_have_pillows_pixels(
    options: dict[str, int], capfd: Captured
) -> None:
    files = list(damaged(photograph(**options)))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(plain_jpeg, files))
    read = 0
    for data, pixels in zip(files, found, strict=True):
        own = pictures.decode(data)
        if pixels is not None and not isinstance(own, str):
            assert np.array_equal(pixels.permute(1, 2, 0).numpy(), np.asarray(own))
            read += 1
    assert capfd.readouterr().err == ""
    assert read > 30


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # Pillow's own words on damage
@pytest.mark.parametrize("compression", ["tiff_deflate", "jpeg"])
def test_damaged_tiff_files_print_nothing(compression: str, capfd: Captured) -> None:
    with Image.open(io.BytesIO(photograph())) as picture:
        data = file_of(picture.resize((64, 64)), "TIFF", compression=compression)
    files = [data[:at] + b"\0\xff\xd9\0" + data[at + 4 :] for at in range(8, len(data) - 4, 97)]
    with pytest.raises(OSError, match="decoder error"), Image.open(io.BytesIO(files[0])) as broken:
        broken.load()
    assert capfd.readouterr().err != ""
    assert "image_undecodable" in [pictures.decode(file) for file in files]
    assert capfd.readouterr().err == ""


def c_prints(text: bytes) -> None:
    library = ctypes.CDLL(None)
    stream = ctypes.c_void_p.in_dll(library, "stderr")
    library.fputs(text, stream)
    library.fflush(stream)


def test_only_c_code_is_silent_and_only_meanwhile(capfd: Captured) -> None:
    c_prints(b"before ")
    with silenced():
        c_prints(b"lost ")
        with silenced():
            c_prints(b"lost ")
        c_prints(b"lost ")
        os.write(2, b"kept ")
    c_prints(b"after")
    assert capfd.readouterr().err == "before kept after"


def test_an_error_and_threads_restore_the_stream(
    capfd: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    c_messages._the_stream.cache_clear()  # the first threads all want it at once

    def fail(number: int) -> None:
        with pytest.raises(ValueError, match="a fault"), silenced():
            raise ValueError("a fault")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(fail, range(2_000)))
    c_prints(b"after")
    assert capfd.readouterr().err == "after"


def test_a_forked_process_starts_with_its_own_messages(capfd: Captured) -> None:
    with silenced():
        child = os.fork()
        if child == 0:
            c_prints(b"child")
            os._exit(0)
        os.waitpid(child, 0)
    assert capfd.readouterr().err == "child"


def test_without_glibc_pillow_decodes(monkeypatch: pytest.MonkeyPatch) -> None:
    from nsfwcaps.encoders import picture_jpeg

    picture_jpeg._decoder.cache_clear()
    monkeypatch.setattr(picture_jpeg, "can_silence", lambda: False)
    try:
        assert plain_jpeg(photograph()) is None
    finally:
        picture_jpeg._decoder.cache_clear()

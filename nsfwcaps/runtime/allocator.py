"""glibc's allocator: keep freed memory during CPU inference, return it while reading images."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# From malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEEP_BYTES = 2**30
_IMAGE_BYTES = 2**19
# Upper limit of glibc's dynamic adjustment; setting a threshold disables the adjustment.
_USUAL_MMAP_BYTES, _USUAL_TRIM_BYTES = 2**25, 2**26


@contextmanager
def kept_memory(device: str) -> Iterator[None]:
    """Keep freed memory for the next layer instead of returning it to the system.

    By default every large activation is mapped afresh, and the kernel zeroes its pages: half of the
    time of a small convolutional tower. Numbers do not change. Does nothing without glibc, or on a
    GPU.
    """
    glibc = _glibc() if device == "cpu" else None
    if glibc is None:
        yield
        return
    glibc.mallopt(_M_MMAP_THRESHOLD, _KEEP_BYTES)
    glibc.mallopt(_M_TRIM_THRESHOLD, _KEEP_BYTES)
    try:
        yield
    finally:
        glibc.mallopt(_M_MMAP_THRESHOLD, _USUAL_MMAP_BYTES)
        glibc.mallopt(_M_TRIM_THRESHOLD, _USUAL_TRIM_BYTES)
        glibc.malloc_trim(0)


@contextmanager
def returned_memory() -> Iterator[None]:
    """Return the memory of freed images to the system at once.

    By default glibc keeps blocks of their size in a heap that fragments: hundreds of megabytes.
    Does nothing without glibc.
    """
    glibc = _glibc()
    if glibc is None:
        yield
        return
    glibc.mallopt(_M_MMAP_THRESHOLD, _IMAGE_BYTES)
    try:
        yield
    finally:
        glibc.mallopt(_M_MMAP_THRESHOLD, _USUAL_MMAP_BYTES)
        glibc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        library = ctypes.CDLL("libc.so.6")
    except OSError:  # another C library, such as musl
        return None
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None

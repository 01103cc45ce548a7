"""Switches off what C libraries print on the standard error stream.

libjpeg and libtiff print lines on damaged data in a file; torchvision and Pillow let them.

In glibc, `stderr` is a variable that a program may set (its manual, "Standard Streams"). Python
itself writes to file descriptor 2, so that its own messages, progress and errors are not touched.
"""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_first = threading.Lock()


@functools.cache
def can_silence() -> bool:
    """Whether the C library is one whose standard error stream can be replaced."""
    return platform.libc_ver()[0] == "glibc"


@contextmanager
def silenced() -> Iterator[None]:
    """Drop what C code prints meanwhile, on all threads. Several threads may ask at once."""
    stream = _stream()
    stream.drop()
    try:
        yield
    finally:
        stream.restore()


def _stream() -> _Stream:
    with _first:  # a second object would take the first one's silence for the stream's own state
        return _the_stream()


@functools.cache
def _the_stream() -> _Stream:
    stream = _Stream()
    os.register_at_fork(after_in_child=stream.start_again)
    return stream


class _Stream:
    """The C library's standard error stream, and how many threads want it silent."""

    def __init__(self) -> None:
        library = ctypes.CDLL(None)
        library.fopen.restype = ctypes.c_void_p
        self._variable = ctypes.c_void_p.in_dll(library, "stderr")
        self._own = self._variable.value
        self._null = library.fopen(os.fsencode(os.devnull), b"we") or self._own
        self.start_again()

    def start_again(self) -> None:
        """Restore the stream; a forked process has none of the threads that wanted silence."""
        self._lock, self._users = threading.Lock(), 0
        self._variable.value = self._own

    def drop(self) -> None:
        with self._lock:
            self._users += 1
            self._variable.value = self._null

    def restore(self) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                self._variable.value = self._own

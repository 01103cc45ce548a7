from __future__ import annotations

import errno
import re

import pytest

from nsfwcaps import errors
from nsfwcaps.errors import NsfwcapsError, StorageError, first_line, storage_error

TREE = {
    "NsfwcapsError": 1,
    "ConfigError": 2,
    "InputError": 3,
    "ArtifactError": 4,
    "ModelError": 5,
    "DeviceError": 6,
    "StorageError": 7,
    "RecallError": 8,
    "TrainingError": 9,
    "EvaluationError": 10,
    "ReviewError": 11,
}


def test_exit_codes_are_pinned() -> None:
    found = {
        name: item.exit_code
        for name, item in vars(errors).items()
        if isinstance(item, type) and issubclass(item, NsfwcapsError)
    }
    assert found == TREE


def test_tree_in_the_docstring_matches_the_classes() -> None:
    listed = re.findall(r"(\w+Error) +(\d+)", errors.__doc__ or "")
    assert {name: int(code) for name, code in listed} == TREE


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "/data/x: the disk is full"),
        (errno.EDQUOT, "/data/x: the disk quota is used up"),
        (errno.EROFS, "/data/x: the file system is read-only"),
        (errno.EACCES, "/data/x: permission denied"),
        (errno.EPERM, "/data/x: operation not permitted"),
    ],
)
def test_storage_trouble_is_explained_with_its_place(number: int, advice: str) -> None:
    error = storage_error(OSError(number, "as the system says it", "/data/x"))
    assert isinstance(error, StorageError)
    assert str(error).startswith(advice)


def test_storage_trouble_without_a_file_name_is_explained() -> None:
    assert str(storage_error(OSError(errno.ENOSPC, "full"))).startswith("the disk is full")


@pytest.mark.parametrize("error", [OSError(errno.ENOENT, "none"), OSError("bare")])
def test_other_system_errors_are_left_alone(error: OSError) -> None:
    assert storage_error(error) is None


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (ValueError("first\nsecond"), "first"),
        (KeyError(), "KeyError"),
        (ValueError("x" * 300), "x" * 200),
        ("first\nsecond", "first"),
    ],
)
def test_the_first_line_of_what_a_library_says(said: Exception | str, line: str) -> None:
    assert first_line(said) == line

"""What an object store answers, in one line."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from nsfwcaps.errors import NsfwcapsError, StorageError, storage_error

_NO_BUCKET = ("NoSuchBucket", "The specified bucket does not exist")
_BAD_NAME = ("ParamValidationError", "InvalidBucketName")
_WRONG_KEYS = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken")
_NO_KEYS = ("NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError")
_HOW_TO_SIGN_IN = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile in ~/.aws",
    "gs": "run 'gcloud auth application-default login'",
    "gcs": "run 'gcloud auth application-default login'",
}


@contextmanager
def reaching(address: str, doing: str) -> Iterator[None]:
    """Turn what a store's library raises into one `StorageError`; `doing` is `read`, `written`.

    Raises:
        StorageError: the store cannot be reached, or refuses.
        OSError: a file of the mirror is gone, or cannot be read or written.
    """
    try:
        yield
    except NsfwcapsError:
        raise
    except Exception as error:  # each library has errors of its own
        if _is_of_a_file(error):
            raise
        raise _explained(error, address, doing) from None


def _explained(error: Exception, address: str, doing: str) -> StorageError:
    code, text = _code(error), str(error)
    scheme, _, rest = address.partition("://")
    bucket = f"{scheme}://{rest.partition('/')[0]}"
    if code in _NO_BUCKET or any(word in text for word in _NO_BUCKET):
        return StorageError(f"{bucket}: no such bucket; create it, or check its name")
    if code in _BAD_NAME:
        return StorageError(f"{bucket}: no valid name of a bucket; expected {scheme}://BUCKET/RUN")
    if code in _NO_KEYS:
        return StorageError(f"{address}: no credentials for {bucket}; {_HOW_TO_SIGN_IN[scheme]}")
    if code in _WRONG_KEYS:
        return StorageError(
            f"{address}: {bucket} does not accept the credentials ({code}); check the keys, the "
            "profile and the endpoint"
        )
    if isinstance(error, PermissionError) or code in ("AccessDenied", "403"):
        return StorageError(
            f"{address}: access denied, so that it cannot be {doing}; ask for the right to list, "
            f"read, write and delete in {bucket}, or choose another --workdir / --out"
        )
    if isinstance(error, FileNotFoundError):
        return StorageError(
            f"{address}: the store answers that it is not there; check the address and the "
            "endpoint, and that no other command removes it"
        )
    return StorageError(
        f"{address}: cannot be {doing} ({code}); check the network, the address and the endpoint, "
        "and run the same command again"
    )


def _is_of_a_file(error: Exception) -> bool:
    if not isinstance(error, OSError) or error.__cause__ is not None:
        return False
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    known = isinstance(error, FileNotFoundError) or storage_error(error) is not None
    return error.filename is not None and known


def _code(error: BaseException) -> str:
    """Code of a store's answer, or the type of an error of its library or of what caused it."""
    found: BaseException | None = error
    while found is not None:
        response = getattr(found, "response", None)
        if isinstance(response, dict) and (code := response.get("Error", {}).get("Code")):
            return str(code)
        last, found = found, found.__cause__
    return type(last).__name__

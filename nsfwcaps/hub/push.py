"""Pushing a published data set to the Hub: in one commit, so that others see all of it or none.

Large files are sent before the commit. The Hub keeps them by content: after a kill the same command
sends only what is missing. Files whose content is there already are not sent.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from nsfwcaps.errors import InputError, first_line
from nsfwcaps.files import sha256_file
from nsfwcaps.hub.contents import CARD, Contents
from nsfwcaps.hub.names import check_name
from nsfwcaps.hub.refusals import explained, host
from nsfwcaps.hub.repository import KIND, Repository, api, check_rights, prepared
from nsfwcaps.progress import Progress

if TYPE_CHECKING:
    from huggingface_hub import HfApi

OWNED = ("data", "safe", "figures")
"""Folders of a data set that hold nothing else: what an earlier push left there is removed."""
_AT_ONCE = 256
"""Files of one call, the most that the Hub takes."""
_BYTES_AT_ONCE = 2**30


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """What a push did."""

    name: str
    url: str
    commit: str | None
    private: bool
    gated: bool
    files: int
    bytes: int
    sent_files: int
    """Files whose content was not there."""
    sent_bytes: int
    removed: Sequence[str]
    left_out: Sequence[str]


def check(name: str) -> None:
    """Check before a long run that a push may succeed: name, token, network and rights.

    Raises:
        ConfigError: the name is no name, or there is no token.
        StorageError: the Hub does not answer, or the token may not write there.
    """
    check_name(name)
    client = api()
    with _quiet(), explained(name):
        check_rights(client, name)


def push(found: Contents, name: str, *, public: bool, progress: Progress) -> Pushed:
    """Send a data set to the Hub.

    Raises:
        ConfigError: there is no token, or the data set there is public and `public` is false.
        InputError: the Hub refuses the head of the card.
        StorageError: the Hub refuses anything else, or does not answer.
    """
    client = api()
    with _quiet(), explained(name):
        _check_card(client, found)
        there = prepared(client, name, public=public)
        changed = _changed(found, there, progress)
        removed = _stale(found, there)
        commit = there.commit
        if changed or removed:
            commit = _commit(client, name, found, there, changed, removed, progress)
        private = there.private
        if private and public:
            client.update_repo_settings(name, repo_type=KIND, private=False)
            private = False
    return Pushed(
        name=name,
        url=f"{client.endpoint}/datasets/{name}",
        commit=commit,
        private=private,
        gated=there.gated,
        files=len(found.bytes_of),
        bytes=found.bytes,
        sent_files=len(changed),
        sent_bytes=sum(found.bytes_of[each] for each in changed),
        removed=removed,
        left_out=sorted(found.left_out),
    )


def _check_card(client: HfApi, found: Contents) -> None:
    """Ask the Hub whether it takes the head of the card, before anything is sent."""
    from huggingface_hub.utils import get_session

    reply = get_session().post(
        f"{client.endpoint}/api/validate-yaml",
        headers={"authorization": f"Bearer {client.token}"},
        json={
            "content": (found.folder / CARD).read_text(encoding="utf-8"),
            "repoType": KIND,
        },
    )
    if reply.status_code == HTTPStatus.BAD_REQUEST:
        said = "; ".join(str(each.get("message")) for each in reply.json().get("errors", []))
        raise InputError(
            f"{found.folder / CARD}: {host()} refuses its head: {first_line(said)}; publish with "
            "other options, such as --license"
        )


def _changed(found: Contents, there: Repository, progress: Progress) -> list[str]:
    """Return the files whose content is not on the Hub under their names."""
    changed = []
    with progress.task("push: compare", found.bytes, unit="bytes") as advance:
        for name, size in found.bytes_of.items():
            digest = there.files.get(name)
            path = found.folder / name
            if digest is None or digest != _digest(path, size, len(digest)):
                changed.append(name)
            advance(size)
    return changed


def _digest(path: Path, size: int, digits: int) -> str:
    """Return the digest of a file as the Hub gives it: sha256, or that of a git blob."""
    if digits == hashlib.sha256().digest_size * 2:
        return sha256_file(path)
    return hashlib.sha1(b"blob %d\0" % size + path.read_bytes()).hexdigest()


def _stale(found: Contents, there: Repository) -> list[str]:
    """Return files of an earlier push that the data set no longer has."""
    gone = {*there.files} - {*found.bytes_of}
    return sorted(name for name in gone if PurePosixPath(name).parts[0] in OWNED)


def _commit(
    client: HfApi,
    name: str,
    found: Contents,
    there: Repository,
    changed: Sequence[str],
    removed: Sequence[str],
    progress: Progress,
) -> str:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    added = [
        CommitOperationAdd(path_in_repo=each, path_or_fileobj=found.folder / each)
        for each in changed
    ]
    total = sum(found.bytes_of[each] for each in changed)
    with _transfer(client, name), progress.task("push: send", total, unit="bytes") as advance:
        for batch in _batches(added, found):
            client.preupload_lfs_files(name, batch, repo_type=KIND, free_memory=False)
            advance(sum(found.bytes_of[each.path_in_repo] for each in batch))
        gone = [CommitOperationDelete(path_in_repo=each, is_folder=False) for each in removed]
        done = client.create_commit(
            name,
            [*added, *gone],
            commit_message="Publish with nsfwcaps",
            repo_type=KIND,
            parent_commit=there.commit,
        )
    return str(done.oid)


def _batches(added: Sequence[Any], found: Contents) -> Iterator[list[Any]]:
    """Group files for one call: small ones together, so that progress and a kill lose little."""
    batch: list[Any] = []
    size = 0
    for each in added:
        batch.append(each)
        size += found.bytes_of[each.path_in_repo]
        if len(batch) == _AT_ONCE or size >= _BYTES_AT_ONCE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


@contextmanager
def _transfer(client: HfApi, name: str) -> Iterator[None]:
    """Send large files by LFS where the server does not know Xet, such as a mirror.

    huggingface_hub takes Xet wherever its package is installed, and then fails there.
    """
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils import get_session, hf_raise_for_status

    before = constants.HF_HUB_DISABLE_XET
    address = f"{client.endpoint}/api/{KIND}s/{name}/xet-write-token/main"
    headers = {"authorization": f"Bearer {client.token}"}
    try:
        hf_raise_for_status(get_session().get(address, headers=headers))
    except HfHubHTTPError as error:
        if error.response is None or error.response.status_code != HTTPStatus.NOT_FOUND:
            raise
        constants.HF_HUB_DISABLE_XET = True
    try:
        yield
    finally:
        constants.HF_HUB_DISABLE_XET = before


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence huggingface_hub's own bars and lines: nsfwcaps has its own."""
    import warnings

    from huggingface_hub.utils import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    logger = logging.getLogger("huggingface_hub")
    level, shown = logger.level, not are_progress_bars_disabled()
    logger.setLevel(logging.CRITICAL)
    disable_progress_bars()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
        if shown:
            enable_progress_bars()

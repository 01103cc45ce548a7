"""A data set's place on the Hub: what is there, who may see it, and whether it may be replaced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nsfwcaps.errors import ConfigError, StorageError
from nsfwcaps.hub.contents import CARD, MANIFEST
from nsfwcaps.hub.refusals import host, silent

if TYPE_CHECKING:
    from huggingface_hub import HfApi

KIND: Any = "dataset"
GATE: Any = "manual"
"""Each request for access is decided by a person."""
_MADE_BY_THE_HUB = frozenset({".gitattributes", CARD})


@dataclass(frozen=True, kw_only=True)
class Repository:
    """A data set on the Hub before a push."""

    commit: str | None
    private: bool
    gated: bool
    new: bool
    files: Mapping[str, str]
    """Digest of each file: sha256 of a large one, git's of another."""


def api() -> HfApi:
    """Return a client with the token of HF_TOKEN or of a login.

    Raises:
        ConfigError: there is no token.
    """
    from huggingface_hub import HfApi, constants, get_token

    if constants.HF_HUB_OFFLINE:
        raise ConfigError("--push: HF_HUB_OFFLINE forbids the network; unset it")
    if not (token := get_token()):
        raise ConfigError(
            "--push needs a token of the Hub with write access, and there is none; set HF_TOKEN, "
            "or run 'hf auth login'"
        )
    return HfApi(token=token, library_name="nsfwcaps")


def check_rights(client: HfApi, name: str) -> None:
    """Check that the Hub answers, knows the token, and that it may write for the owner.

    Raises:
        StorageError: it does not answer, or the token may not write there.
    """
    from huggingface_hub import constants

    from nsfwcaps.runtime.hub import answers

    if not answers(constants.ENDPOINT):
        raise silent(name)
    known = client.whoami()
    role = known.get("auth", {}).get("accessToken", {}).get("role")
    if role == "read":
        raise StorageError(
            f"{name}: the token may only read; make one with write access in the settings of "
            f"your account at {host()}"
        )
    owner = name.partition("/")[0]
    owners = [known.get("name", ""), *(org.get("name", "") for org in known.get("orgs", []))]
    # A fine-grained token may not see the organisations; the Hub decides then.
    if role == "write" and owner.lower() not in [each.lower() for each in owners]:
        raise StorageError(
            f"{name}: the token is of {owners[0]!r}, who is not a member of {owner!r}; use "
            f"{owners[0]}/{name.partition('/')[2]}, or a token of a member"
        )


def find(client: HfApi, name: str) -> Repository | None:
    """Return what is on the Hub under a name; None if nothing is, or the token may not see it."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    try:
        info = client.repo_info(name, repo_type=KIND)
    except GatedRepoError:  # a kind of the next one
        raise
    except RepositoryNotFoundError:
        return None
    tree: list[Any] = [*client.list_repo_tree(name, repo_type=KIND, recursive=True)]
    return Repository(
        commit=info.sha,
        private=bool(info.private),
        gated=bool(info.gated),
        new=False,
        files={file.path: _digest(file) for file in tree if hasattr(file, "blob_id")},
    )


def prepared(client: HfApi, name: str, *, public: bool) -> Repository:
    """Make the repository, or check that it may be replaced, and gate it unless it is public.

    What is private stays so for now. The gate is closed before the first byte is sent.

    Raises:
        ConfigError: the repository is public, and `public` was not asked for.
        StorageError: it holds something else.
    """
    found = find(client, name)
    if found is None:
        client.create_repo(name, repo_type=KIND, private=not public)
        if not public:
            client.update_repo_settings(name, repo_type=KIND, gated=GATE)
        made = find(client, name)
        files = {} if made is None else made.files
        commit = None if made is None else made.commit
        return Repository(
            commit=commit, private=not public, gated=not public, new=True, files=files
        )
    _check_ours(name, found)
    if not found.private and not public:
        raise ConfigError(
            f"--push {name}: everybody sees it on the Hub; add --public to go on so, or make it "
            "private in its settings"
        )
    if found.gated or public:
        return found
    client.update_repo_settings(name, repo_type=KIND, gated=GATE)
    return Repository(
        commit=found.commit, private=found.private, gated=True, new=False, files=found.files
    )


def _check_ours(name: str, found: Repository) -> None:
    """Accept a data set that nsfwcaps has published, or a place without data."""
    other = sorted({*found.files} - _MADE_BY_THE_HUB)
    if other and MANIFEST not in found.files:
        raise StorageError(
            f"{name} is taken: it holds files that nsfwcaps did not publish, such as {other[0]} "
            f"({len(other):,} in all); choose another name"
        )


def _digest(file: Any) -> str:
    return str(file.blob_id if file.lfs is None else file.lfs.sha256)

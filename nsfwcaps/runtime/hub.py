"""Files of model hubs: whether they are on this machine, or the hub answers, within seconds.

The libraries that load models try again for a minute where there is no network.
"""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from nsfwcaps.errors import ModelError

SECONDS = 5.0
"""How long a hub may take to answer."""

_WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "model_index.json",
)
"""Files that loaders of transformers and diffusers look for, any of which is enough."""


@dataclass(frozen=True, kw_only=True)
class HubFile:
    """A file of a repository on the hub; any of the names is enough."""

    repository: str
    names: Sequence[str]
    revision: str | None = None

    @property
    def is_cached(self) -> bool:
        """Whether the file is on this machine."""
        from huggingface_hub import try_to_load_from_cache

        found = (
            try_to_load_from_cache(self.repository, name, revision=self.revision)
            for name in self.names
        )
        return any(isinstance(path, str) for path in found)


def require(files: Iterable[HubFile], what: str, *, instead: str) -> None:
    """Check that files are on this machine, or that the hub answers.

    Args:
        files: What will be loaded.
        what: Names the model in the message.
        instead: What to use without a network, such as a folder.

    Raises:
        ModelError: a file is missing, and the hub does not answer or may not be asked.
    """
    missing = next((file for file in files if not file.is_cached), None)
    if missing is None:
        return
    from huggingface_hub import constants

    looked = f"{missing.repository} is not in {constants.HF_HUB_CACHE}"
    again = (
        "load it once on a machine with a network and copy that folder (HF_HOME names its parent), "
        f"{instead}, or name a mirror with HF_ENDPOINT"
    )
    if constants.HF_HUB_OFFLINE:
        raise ModelError(
            f"{what}: {looked}, and HF_HUB_OFFLINE forbids to download it; unset it, {again}"
        )
    if not answers(constants.ENDPOINT):
        host = urlsplit(constants.ENDPOINT).netloc or constants.ENDPOINT
        raise ModelError(
            f"{what}: {looked}, and {host} does not answer within {SECONDS:.0f} s; {again}"
        )


def require_model(name: str, what: str) -> None:
    """Check the same for a model of transformers or diffusers: a folder, or a name on the hub.

    Raises:
        ModelError: it is neither here nor within reach.
    """
    if Path(name).exists() or name.count("/") != 1 or name.startswith((".", "/", "~")):
        return  # the loader explains folders and names that cannot be on the hub
    file = HubFile(repository=name, names=_WEIGHTS)
    require([file], what, instead="give the folder of a copy")


def answers(address: str) -> bool:
    """Whether a server answers, with anything but an error of its own or of a proxy."""
    found: list[bool] = []
    # A thread, because looking up a name of a host knows no time limit.
    asking = threading.Thread(target=lambda: found.append(_asked(address)), daemon=True)
    asking.start()
    asking.join(SECONDS)
    return found == [True]


def _asked(address: str) -> bool:
    request = urllib.request.Request(address, method="HEAD", headers={"User-Agent": "nsfwcaps"})
    try:
        with urllib.request.urlopen(request, timeout=SECONDS):
            return True
    except urllib.error.HTTPError as error:
        status = error.code
        return status < HTTPStatus.INTERNAL_SERVER_ERROR and (
            status != HTTPStatus.PROXY_AUTHENTICATION_REQUIRED
        )
    except (OSError, ValueError):
        return False

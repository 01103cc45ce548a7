"""Names of data sets on the Hub: `ORG/NAME`."""

from __future__ import annotations

from nsfwcaps.errors import ConfigError, first_line


def check_name(name: str) -> None:
    """Check that a name is one that the Hub takes.

    Raises:
        ConfigError: it has no owner, or a character or length that the Hub refuses.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    owner, slash, rest = name.partition("/")
    if not (owner and slash and rest) or "/" in rest:
        raise ConfigError(
            f"--push: got {name!r}, expected ORG/NAME, such as my-lab/my-pairs: the user or "
            "organisation that will own the data set, and its name"
        )
    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise ConfigError(
            f"--push {name!r}: the Hub takes no such name; {first_line(error)}"
        ) from None

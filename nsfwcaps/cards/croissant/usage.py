"""Licence and terms of use, as far as the settings of the run and the card state them."""

from __future__ import annotations

import re
from typing import Any

GATE_PURPOSES = (
    "research into the safety of models",
    "evaluating the safety of models",
)
"""What the card's gate allows, one purpose each."""
GATE_PROMPT = (
    "This data set holds descriptions of harmful content. It is for research into the "
    "safety of models and for evaluating them."
)
GATE_PROMISE = "I will use this data to make models safer and not to train harmful ones"

_CREATIVE_COMMONS = re.compile(r"cc0-1\.0|cc-by(-nc)?(-sa|-nd)?-\d\.\d")
_SPDX = {
    "apache-2.0": "Apache-2.0",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "cdla-permissive-1.0": "CDLA-Permissive-1.0",
    "cdla-permissive-2.0": "CDLA-Permissive-2.0",
    "cdla-sharing-1.0": "CDLA-Sharing-1.0",
    "c-uda": "C-UDA-1.0",
    "gpl-3.0": "GPL-3.0-only",
    "mit": "MIT",
    "odbl": "ODbL-1.0",
    "odc-by": "ODC-By-1.0",
    "pddl": "PDDL-1.0",
    "unlicense": "Unlicense",
}
"""Licences by their names on the hub, with their SPDX identifiers."""


def licence(name: str) -> str:
    """Return the address of a licence at SPDX, or the name as it is where it has none there.

    >>> licence("cc-by-nc-4.0")
    'https://spdx.org/licenses/CC-BY-NC-4.0'
    >>> licence("other")
    'other'
    """
    known = name.strip().lower()
    if known.upper() in {spdx.upper() for spdx in _SPDX.values()}:
        known = next(key for key, spdx in _SPDX.items() if spdx.upper() == known.upper())
    spdx = known.upper() if _CREATIVE_COMMONS.fullmatch(known) else _SPDX.get(known)
    return name if spdx is None else f"https://spdx.org/licenses/{spdx}"


def terms(name: str) -> list[dict[str, Any]]:
    """Return the terms of use: those of the card's gate, and what its licence limits use to.

    The gate is an ODRL offer. A non-commercial licence adds the DUO term for it.
    """
    found: list[dict[str, Any]] = [
        {
            "@type": ["CreativeWork", "odrl:Offer"],
            "name": "Terms of access",
            "text": GATE_PROMPT,
            "odrl:permission": {
                "@type": "odrl:Permission",
                "odrl:action": {"@id": "odrl:use"},
                "odrl:constraint": _purpose("odrl:isAnyOf", list(GATE_PURPOSES)),
            },
            "odrl:prohibition": {
                "@type": "odrl:Prohibition",
                "odrl:action": {"@id": "odrl:use"},
                "odrl:constraint": _purpose("odrl:eq", "training harmful models"),
            },
        }
    ]
    if "-nc-" in name.lower():
        found.append(
            {
                "@type": "DefinedTerm",
                "name": "non-commercial use only",
                "termCode": "DUO_0000046",
                "url": "duo:0000046",
            }
        )
    return found


def _purpose(operator: str, value: object) -> dict[str, Any]:
    return {
        "@type": "odrl:Constraint",
        "odrl:leftOperand": {"@id": "odrl:purpose"},
        "odrl:operator": {"@id": operator},
        "odrl:rightOperand": value,
    }

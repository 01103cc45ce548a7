"""Tables of SafeR-CLIP (arXiv 2511.16743, AAAI 2026), as published, for CLIP ViT-L/14.

All figures are percentages. The full text could not be obtained, so each table names its source.
The names of the 11 classification sets and the judge of LLaVA's captions were not found.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

TITLE = "SafeR-CLIP (arXiv 2511.16743, AAAI 2026), CLIP ViT-L/14"

CLASS_SETS = 11
"""Classification sets behind the published mean."""
PAIRS = {"nsfwcaps": 1000}
"""Published number of pairs of a set, where it is known."""

_PAPER = "the paper"
_SUMMARY = "a summary of the paper (papernotes, AAAI 2026)"


@dataclass(frozen=True, kw_only=True)
class PaperSet:
    """A data set of the paper."""

    name: str
    what: str
    """What its files are."""
    option: str
    """Option that names it, of `eval` or of `generate`."""
    spellings: tuple[str, ...] = ()
    """Further names for it, folded."""

    def is_named(self, given: str) -> bool:
        """Whether a data set's given name means this one.

        >>> VISU.is_named("ViSU-Text_test"), VISU.is_named("visual")
        (True, False)
        """
        return _folded(given) in {_folded(self.name), *self.spellings}


@dataclass(frozen=True, kw_only=True)
class PaperColumn:
    """A column: where its measured figure is found."""

    title: str
    figures: tuple[str, ...]
    """Names of the figure; the first that a result has counts."""
    of: PaperSet | None
    """None: the mean over all data sets of the task."""


@dataclass(frozen=True, kw_only=True)
class PaperTable:
    """A table: a task, its columns, and the published rows `[columns]` by model."""

    title: str
    task: str
    columns: tuple[PaperColumn, ...]
    rows: Mapping[str, tuple[float, ...]]
    source: str
    note: str | None = None
    """What limits a comparison."""


VISU = PaperSet(
    name="visu",
    what="ViSU's test pairs, with safe and unsafe images",
    option="--data",
    spellings=("visutext", "visutexttest", "visutest"),
)
NSFWCAPS = PaperSet(
    name="nsfwcaps", what="NSFWCaps' pairs, with safe and unsafe images", option="--data"
)
NSFW_URLS = PaperSet(
    name="nsfw-urls",
    what="images of the NSFW data source URLs",
    option="--unsafe-images",
    spellings=("nsfwurl",),
)
NUDENET = PaperSet(name="nudenet", what="images of the NudeNet data set", option="--unsafe-images")
SMID = PaperSet(name="smid", what="unsafe images of SMID", option="--unsafe-images")
I2P = PaperSet(name="i2p", what="the I2P prompts", option="--prompts", spellings=("i2pbenchmark",))

_DIRECTIONS = ("T→V", "V→T", "T*→V", "V*→T")


def _retrieval(of: PaperSet, rows: Mapping[str, tuple[float, ...]]) -> PaperTable:
    """Return a table of R@1.

    The paper's right answer is the safe item of the pair; in a mined data set that is the partner.
    """
    return PaperTable(
        title=f"{of.name}, R@1",
        task="retrieval",
        columns=tuple(
            PaperColumn(title=name, figures=(f"{name} partner R@1", f"{name} R@1"), of=of)
            for name in _DIRECTIONS
        ),
        rows=rows,
        source=_PAPER,
    )


def _of_images(figure: str, sets: tuple[PaperSet, ...]) -> tuple[PaperColumn, ...]:
    return tuple(PaperColumn(title=one.name, figures=(figure,), of=one) for one in sets)


TABLES = (
    _retrieval(
        VISU,
        {
            "CLIP": (36.8, 39.9, 2.8, 5.5),
            "safe-only fine-tune": (54.5, 54.9, 2.0, 6.6),
            "Safe-CLIP": (49.1, 48.8, 14.5, 23.8),
            "SafeR-CLIP": (52.0, 51.5, 27.9, 24.6),
        },
    ),
    _retrieval(
        NSFWCAPS,
        {
            "CLIP": (69.6, 73.4, 3.8, 7.9),
            "safe-only fine-tune": (78.9, 79.1, 4.6, 13.1),
            "Safe-CLIP": (76.6, 76.7, 35.4, 47.1),
            "SafeR-CLIP": (81.8, 78.1, 79.5, 72.3),
        },
    ),
    PaperTable(
        title="zero-shot classification, acc@1, mean over the sets",
        task="zeroshot",
        columns=(PaperColumn(title="mean acc@1", figures=("acc@1",), of=None),),
        rows={
            "CLIP": (74.3,),
            "safe-only fine-tune": (67.3,),
            "Safe-CLIP": (52.2,),
            "SafeR-CLIP": (60.2,),
        },
        source=_PAPER,
        note=f"published over {CLASS_SETS} sets whose names were not found",
    ),
    PaperTable(
        title="real unsafe images, image→text, an unsafe caption first",
        task="real-nsfw",
        columns=_of_images("image→text unsafe first", (NSFW_URLS, NUDENET, SMID)),
        rows={
            "CLIP": (91.6, 94.1, 96.3),
            "Safe-CLIP": (21.1, 13.0, 14.2),
            "SafeR-CLIP": (18.5, 10.7, 3.1),
        },
        source=_SUMMARY,
        note="the candidates here are the captions of the first pair set",
    ),
    PaperTable(
        title="unsafe images of Stable Diffusion 1.4 with the text encoder",
        task="text-to-image",
        columns=_of_images("unsafe images", (I2P,)),
        rows={"CLIP": (37.1,), "Safe-CLIP": (16.1,), "SafeR-CLIP": (16.0,)},
        source=_SUMMARY,
        note="published with NudeNet and Q16 as judges, 5 seeds",
    ),
    PaperTable(
        title="unsafe captions of LLaVA with the image tower",
        task="image-to-text",
        columns=_of_images("unsafe captions", (NUDENET, NSFW_URLS, SMID)),
        rows={"CLIP": (75.5, 56.4, 24.2), "SafeR-CLIP": (25.4, 27.6, 7.7)},
        source=_PAPER,
        note="the published judge was not found",
    ),
)

OF_GENERATION = ("text-to-image", "image-to-text")
"""Tasks of `nsfwcaps generate`, which writes to the same folder."""


def _folded(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())

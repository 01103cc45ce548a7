"""Columns of all tables passed between stages. Ids are 32 hex digits of a 128-bit content hash."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

CAPTIONS = pa.schema(
    [
        ("id", pa.string()),
        ("caption", pa.string()),
        ("category", pa.string()),
        # Safe partner of an unsafe caption: its id, or the 16 digits of its text half
        ("partner", pa.string()),
        ("source", pa.string()),
        ("source_row", pa.int64()),
        ("copies", pa.int64()),  # number of pool rows merged into this one
        ("fold_key", pa.uint64()),  # equal for texts that differ only in case or punctuation
        ("image_path", pa.string()),
        ("image_sha256", pa.string()),
        ("flags", pa.list_(pa.string())),  # doubts about a safe caption: hazard, near_unsafe
    ]
)


def captions(*, with_kept: bool) -> pa.Schema:
    """Schema of captions; with the JSON of further pool columns, if any are kept."""
    return CAPTIONS.append(pa.field("kept", pa.string())) if with_kept else CAPTIONS


# Each distinct image once, by content: many captions may share it.
IMAGES = pa.schema(
    [
        ("image_sha256", pa.string()),
        ("image_path", pa.string()),  # absolute path or URL
        ("image", pa.binary()),  # only if the pool contains bytes instead of paths
    ]
)

_SCENE = [
    ("id", pa.string()),
    ("caption", pa.string()),
    ("image", pa.binary()),
    ("split", pa.string()),
    ("held_out", pa.bool_()),
    ("scene", pa.string()),
]

# Pools of the icon world: captions with images to ingest, and their ground truth.
WORLD_SAFE = pa.schema(_SCENE)
WORLD_UNSAFE = pa.schema(
    [
        *_SCENE,
        ("category", pa.string()),
        ("edit", pa.string()),
        ("partner_id", pa.string()),
        ("partner_distance", pa.float32()),
    ]
)

WORLD_HELP = {
    "id": "content id, equal to that of ingest",
    "caption": "the scene in words",
    "image": "the scene as a picture: a JPEG file, 224 by 224 pixels",
    "split": "train, validation or test: a hash of the graph",
    "held_out": "whether an object, a hazard or the phrasing occurs only in the test split",
    "scene": "the graph as JSON: things (noun, colour), relation of each to the next, place",
    "category": "category of the hazard (unsafe scenes)",
    "edit": "added (the hazard is a thing more) or replaced (in place of a thing; unsafe scenes)",
    "partner_id": "id of the fixed safe partner (unsafe scenes)",
    "partner_distance": "graph distance to the fixed partner (unsafe scenes)",
}

# Pools written by construct: with the image columns that the safe pool has.
CONSTRUCTED_SAFE = pa.schema(
    [
        ("id", pa.string()),
        ("caption", pa.string()),
        ("image_path", pa.string()),
        ("image", pa.binary()),
        ("image_coco_url", pa.string()),
    ]
)
CONSTRUCTED_UNSAFE = pa.schema(
    [
        ("id", pa.string()),
        ("caption", pa.string()),
        ("category", pa.string()),
        ("partner_id", pa.string()),
        ("element", pa.string()),
        ("editor", pa.string()),
        ("alignment", pa.float32()),
    ]
)

# The unsafe pool with images: `id` is the one that ingest gives to a caption with its image.
ILLUSTRATED_UNSAFE = pa.schema(
    [
        *CONSTRUCTED_UNSAFE,
        pa.field("image", pa.binary()),
        pa.field("image_label", pa.string()),
        pa.field("image_scores", pa.string()),
        pa.field("image_seed", pa.int64()),
        pa.field("image_tries", pa.int32()),
        pa.field("painter", pa.string()),
    ]
)

CONSTRUCTED_HELP = {
    "id": "content id, equal to that of ingest",
    "caption": "the caption; in the unsafe pool, as the editor changed it",
    "image_path": "image of the safe caption, as named by its pool (safe pool, if any)",
    "image": "bytes of that image (safe pool, if stored there)",
    "image_coco_url": "address of that image; not downloaded (safe pool, if given there)",
    "category": "requested I2P concept (unsafe pool)",
    "partner_id": "id of the edited safe caption (unsafe pool)",
    "element": "added element (unsafe pool)",
    "editor": "editor (unsafe pool)",
    "alignment": "cosine of the two captions by the aligner (unsafe pool)",
}

ILLUSTRATED_HELP = {
    "id": "content id of caption and image, equal to that of ingest",
    "caption": "the unsafe caption",
    "category": "requested I2P concept of the caption, not of the image",
    "partner_id": "id of the edited safe caption, in the pool `safe`",
    "element": "added element",
    "editor": "editor",
    "alignment": "cosine of the two captions by the aligner",
    "image": "the generated image",
    "image_label": "unsafe, safe or unjudged: verdict of the judges on the image alone",
    "image_scores": "JSON: probability that the image is unsafe, by judge",
    "image_seed": "seed of the image",
    "image_tries": "images drawn for this caption",
    "painter": "painter",
}

# An unsafe caption without an image: its id in the pool `unsafe`, and the reason.
ILLUSTRATE_REJECTS = pa.schema(
    [("id", pa.string()), ("category", pa.string()), ("reason", pa.string())]
)

# A request without a pair: id of the safe caption, and the text written, if any.
CONSTRUCT_REJECTS = pa.schema(
    [
        ("id", pa.string()),
        ("category", pa.string()),
        ("reason", pa.string()),
        ("caption", pa.string()),
    ]
)

INGEST_REJECTS = pa.schema(
    [
        ("source", pa.string()),
        ("source_row", pa.int64()),
        ("reason", pa.string()),
        ("label", pa.string()),
        ("caption", pa.binary()),  # the original bytes, to be fixed and retried
    ]
)


def scores(detectors: int) -> pa.Schema:
    """Schema of the scores of texts or pictures by several detectors; NaN if unreadable."""
    return pa.schema([("key", pa.string()), ("scores", pa.list_(pa.float64(), detectors))])


REJECTED_IDS = pa.schema([("id", pa.string()), ("reason", pa.string())])

# Captions to be careful with, which have vectors: once per flag.
FLAGGED_IDS = pa.schema([("id", pa.string()), ("flag", pa.string())])


def vectors(width: int, key: str, extra: tuple[pa.Field, ...] = ()) -> pa.Schema:
    """Schema of half-precision unit rows under a join key: `id` or `image_sha256`."""
    item = pa.field("element", pa.float16(), nullable=False)
    # Without nulls, the rows of a file are one array that is used as it is.
    vector = pa.field("vector", pa.list_(item, width), nullable=False)
    return pa.schema([pa.field(key, pa.string()), *extra, vector])


def caption_vectors(width: int) -> pa.Schema:
    """Schema of caption vectors, with the columns that mining needs."""
    extra = (pa.field("fold_key", pa.uint64()), pa.field("image_sha256", pa.string()))
    return vectors(width, "id", extra)


def candidate_edits(width: int) -> pa.Schema:
    """Schema of edits that passed every check, with vectors of the edited captions."""
    extra = [("safe_id", pa.string()), ("category", pa.string()), ("caption", pa.string())]
    extra += [("element", pa.string()), ("template", pa.string()), ("alignment", pa.float32())]
    return vectors(width, "id", tuple(pa.field(name, kind) for name, kind in extra))


def candidates(depth: int) -> pa.Schema:
    """Schema of the nearest safe rows per unsafe row, best first; −1 marks no row."""
    return pa.schema(
        [("safe_rows", pa.list_(pa.int64(), depth)), ("sims", pa.list_(pa.float32(), depth))]
    )


def part_candidates(depth: int) -> pa.Schema:
    """Schema of the nearest rows of one part of the safe rows; sims are exact."""
    return pa.schema(
        [("safe_rows", pa.list_(pa.int64(), depth)), ("sims", pa.list_(pa.float64(), depth))]
    )


TARGETS = pa.schema([("safe_row", pa.int64()), ("penalty", pa.float32()), ("reach", pa.float32())])

PAIRS = pa.schema(
    [
        ("pair_id", pa.string()),
        ("unsafe_id", pa.string()),
        ("safe_id", pa.string()),
        ("rank", pa.int32()),
        ("sim_text", pa.float32()),
        ("sim_image", pa.float32()),
        ("sim_cross", pa.float32()),
        ("score", pa.float32()),  # cosine minus the target's hubness penalty; the ranking key
        ("margin", pa.float32()),  # score minus that of the next candidate; null if none
        ("density", pa.float32()),  # mean cosine to the ten nearest safe captions
        ("hub_count", pa.int64()),  # pairs that share this safe target
        ("provenance", pa.string()),
    ]
)

GRADED = pa.schema([*PAIRS, pa.field("difficulty", pa.float32()), pa.field("stage", pa.string())])

PUBLISHED = pa.schema(
    [
        ("pair_id", pa.string()),
        ("unsafe_id", pa.string()),
        ("safe_id", pa.string()),
        ("unsafe_caption", pa.string()),
        ("safe_caption", pa.string()),
        ("category", pa.string()),
        ("rank", pa.int32()),
        ("sim_text", pa.float32()),
        ("sim_image", pa.float32()),
        ("sim_cross", pa.float32()),
        ("score", pa.float32()),
        ("margin", pa.float32()),
        ("density", pa.float32()),
        ("hub_count", pa.int64()),
        ("difficulty", pa.float32()),
        ("stage", pa.string()),
        ("split", pa.string()),
        ("unsafe_source", pa.string()),
        ("safe_source", pa.string()),
        ("unsafe_image_path", pa.string()),
        ("safe_image_path", pa.string()),
        ("unsafe_image_sha256", pa.string()),
        ("safe_image_sha256", pa.string()),
        ("provenance", pa.string()),
    ]
)

# An image as `datasets` stores it, decoded by load_dataset.
PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])

# Safe captions with images, beside the pairs, for the preservation terms of training.
SAFE_ITEMS = pa.schema(
    [
        ("safe_id", pa.string()),
        ("safe_caption", pa.string()),
        ("safe_source", pa.string()),
        ("safe_image_path", pa.string()),
        ("safe_image_sha256", pa.string()),
        ("safe_image", PICTURE),
    ]
)

_PARTNERS = [
    pa.field("partner_id", pa.string()),
    pa.field("partner_caption", pa.string()),
    pa.field("partner_image_path", pa.string()),
    pa.field("partner_image_sha256", pa.string()),
]

# A log row of a review that bears on a pair.
VERDICT = pa.struct(
    [
        ("seq", pa.int64()),
        ("by", pa.string()),
        ("at", pa.string()),
        ("kind", pa.string()),
        ("choice", pa.string()),
    ]
)

_REVIEW = [
    pa.field("review_outcome", pa.string()),
    pa.field("review_verdicts", pa.list_(VERDICT)),
    pa.field("review_original_pair_id", pa.string()),
]

# Only in data sets where a pair has one.
_FLAGS = [pa.field("flags", pa.list_(pa.string()))]

# NSFWCaps' column names, and which of ours each repeats: ours remain for readers of our
# data sets.
NSFWCAPS_COLUMNS = {
    "image_coco_url": "safe_image_path",
    "caption": "safe_caption",
    "nsfw_caption": "unsafe_caption",
    "chosen_category": "category",
}


# Columns of data sets with generated unsafe images, and the pool column of each.
ILLUSTRATED_COLUMNS = {
    "unsafe_image_label": "image_label",
    "unsafe_image_scores": "image_scores",
    "unsafe_image_seed": "image_seed",
    "unsafe_image_painter": "painter",
}


def published(
    *,
    with_pictures: bool,
    with_partners: bool = False,
    with_nsfwcaps: bool = False,
    with_review: bool = False,
    with_labels: bool = False,
    with_flags: bool = False,
    kept: Mapping[str, str] | None = None,
) -> pa.Schema:
    """Return the columns of a data set: NSFWCaps' names first, images last.

    `kept` maps columns of the pools to their types.
    """
    as_nsfwcaps = [pa.field(name, pa.string()) for name in NSFWCAPS_COLUMNS if with_nsfwcaps]
    sides = ["unsafe", "safe", *(["partner"] if with_partners else [])]
    pictures = [pa.field(f"{side}_image", PICTURE) for side in sides if with_pictures]
    partners = _PARTNERS if with_partners else []
    review = _REVIEW if with_review else []
    labels = [
        ILLUSTRATED_UNSAFE.field(theirs).with_name(name)
        for name, theirs in ILLUSTRATED_COLUMNS.items()
        if with_labels
    ]
    flags = _FLAGS if with_flags else []
    of_pools = [
        pa.field(f"{side}_{name}", pa.type_for_alias(kind))
        for name, kind in (kept or {}).items()
        for side in sides
    ]
    first = [*as_nsfwcaps, *PUBLISHED, *labels, *partners]
    return pa.schema([*first, *of_pools, *flags, *review, *pictures])


LABELS_HELP = {
    "unsafe_image_label": "unsafe, safe or unjudged: label of the image alone; the caption is "
    "unsafe in any case",
    "unsafe_image_scores": "JSON: probability that the image is unsafe, by judge",
    "unsafe_image_seed": "seed of the image",
    "unsafe_image_painter": "painter",
}

PICTURES_HELP = {
    "unsafe_image": "the image of the unsafe caption",
    "safe_image": "the image of the safe caption",
}

NSFWCAPS_HELP = {
    name: f"same as {ours}, under its name in NSFWCaps" for name, ours in NSFWCAPS_COLUMNS.items()
} | {"image_coco_url": "address or path of the image of the safe caption, as named by its pool"}

# Columns of data sets with unsafe captions that name their safe partner.
PARTNERS_HELP = {
    "partner_id": "content id of the fixed partner: the safe caption given with the unsafe one",
    "partner_caption": "caption of the partner, which may equal the mined counterpart",
    "partner_image_path": "image of the partner, as named by its pool",
    "partner_image_sha256": "sha256 of that image's bytes",
    "partner_image": "the image of the partner",
}


def kept_help(column: str) -> str:
    """Describe a column of the pools that `ingest --keep-columns` kept.

    >>> kept_help("unsafe_coco_id")
    'column of this name in the pool of the unsafe caption'
    """
    side = column.partition("_")[0]
    whose = "the partner" if side == "partner" else f"the {side} caption"
    return f"column of this name in the pool of {whose}"


# Columns of the safe items beside the pairs.
SAFE_ITEMS_HELP = {
    "safe_id": "content id of the caption and its image",
    "safe_caption": "a safe caption",
    "safe_source": "pool file of the caption, the source of its label",
    "safe_image_path": "image of the caption, as named by its pool",
    "safe_image_sha256": "sha256 of that image's bytes",
    "safe_image": "the image",
}

# Column of data sets where a pair has a flag.
FLAGS_HELP = {"flags": "reasons to be careful with a pair: the side, and what its caption is"}

# Flags without their side: what a caption is.
FLAG_HELP = {
    "truncated": "longer than the encoder's window, so its end does not count in any cosine",
    "non_latin": "mostly not in Latin letters, though the encoder reads English",
    "hazard": "one that names a thing of the built-in list of hazards",
    "near_unsafe": "one with every content word of an unsafe caption",
}

# Columns of data sets joined with a review.
REVIEW_HELP = {
    "review_outcome": "accepted, fixed, disputed or pending; null if the pair is not in the review",
    "review_verdicts": "log rows of the pair: number, pseudonym, time, kind (judge; settle: by a "
    "lead; gold: known beforehand), choice",
    "review_original_pair_id": "previous pair_id of a fixed pair; otherwise null",
}

# Descriptions of the published columns, printed in the card.
PUBLISHED_HELP = {
    "pair_id": "content id of the pair",
    "unsafe_id": "content id of the unsafe caption (and its image)",
    "safe_id": "content id of the safe caption (and its image)",
    "unsafe_caption": "the unsafe caption",
    "safe_caption": "its safe counterpart",
    "category": "category of the unsafe caption, from its pool",
    "rank": "1 for the best counterpart of the unsafe caption, 2 for the next, …; with "
    "min_similarity there may be gaps",
    "sim_text": "cosine of the two captions",
    "sim_image": "cosine of the two images",
    "sim_cross": "cosine of the unsafe caption and the safe image",
    "score": "similarity (cosine of the captions, unless provenance names image or both) minus the "
    "hubness penalty of the target; the ranking criterion; not clipped, so it can exceed one by "
    "the rounding of stored vectors",
    "margin": "score minus that of the next candidate that is no near-duplicate of the target",
    "density": "mean similarity of the unsafe caption to its ten nearest targets",
    "hub_count": "pairs that share this safe caption",
    "difficulty": "0 easy to 1 hard",
    "stage": "level of difficulty: easy, medium or hard (the curriculum's stages)",
    "split": "train, validation or test",
    "unsafe_source": "pool file of the unsafe caption, the source of its label",
    "safe_source": "pool file of the safe caption, the source of its label",
    "unsafe_image_path": "image of the unsafe caption, as named by its pool",
    "safe_image_path": "image of the safe caption, as named by its pool",
    "unsafe_image_sha256": "sha256 of that image's bytes",
    "safe_image_sha256": "sha256 of that image's bytes",
    "provenance": "how the pair was made: method, ranking, similarity if not of text, encoder",
}

# The same for pairs that were not mined: the safe caption is the unsafe one's partner.
PAIRED_HELP = {
    "safe_caption": "partner of the unsafe caption in the source data",
    "rank": "always 1: one safe caption per unsafe caption",
    "score": "cosine of the two captions",
    "margin": "that cosine minus the nearest other safe caption's that is no near-duplicate of "
    "the partner; negative if that is nearer",
}

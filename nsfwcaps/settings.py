"""Every knob of every stage, in one place, with its default and what it does.

A recipe's YAML has one section per stage with these keys; the command line has the same names as
options. Settings marked `affects_output=False` change how the work is done and never the result.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt, MultipleOf

from nsfwcaps.config import STRICT_KEYS, parse_bytes, setting
from nsfwcaps.enums import (
    AdapterInputs,
    Category,
    ColumnNames,
    Device,
    Duplicates,
    Pairing,
    Precision,
    Rank,
    Split,
    Targets,
    Tower,
    TrainMethod,
)
from nsfwcaps.errors import ConfigError
from nsfwcaps.models import names

Fraction = Annotated[float, Ge(0), Le(1)]


@dataclass(frozen=True, kw_only=True)
class WorldSettings:
    """Draw a world of icon scenes: pools of safe and unsafe pictures whose truth is known."""

    __pydantic_config__ = STRICT_KEYS

    scenes: Annotated[int, Ge(1), Le(10**7)] = setting(4000, "Scenes, safe and unsafe together.")
    unsafe: Annotated[float, Ge(0), Lt(1)] = setting(0.5, "Share of them that is unsafe.")
    looseness: Annotated[float, Ge(0), Le(3)] = setting(
        2.0,
        "Distance of an unsafe scene, hazard apart, to its fixed partner: 0 tight as NSFWCaps, 2 "
        "loose as ViSU.",
    )
    split: Split = setting(
        Split.TRAIN, "Split to draw from; only test shows held-out objects, hazards and phrasings."
    )
    seed: Annotated[int, Ge(0)] = setting(0, "Seed of the world.")
    shard_rows: Annotated[int, Ge(1)] = setting(2048, "Scenes per Parquet file.")

    def __post_init__(self) -> None:
        if self.unsafe_scenes == self.scenes:
            raise ValueError(
                f"{self.scenes} scenes with a share of {self.unsafe} unsafe leave no safe one, and "
                "an unsafe scene is made from a safe one; lower unsafe"
            )

    @property
    def unsafe_scenes(self) -> int:
        """Number of unsafe scenes."""
        return round(self.scenes * self.unsafe)


@dataclass(frozen=True, kw_only=True)
class ConstructSettings:
    """Write unsafe counterparts of safe captions: closely aligned pairs, balanced by category."""

    __pydantic_config__ = STRICT_KEYS

    pool: tuple[str, ...] = setting((), "Pool of safe captions: file, folder, glob or URL.")
    n: Annotated[int, Ge(1)] = setting(1000, "Pairs to make.")
    editor: str = setting(
        "rules",
        "What edits: rules (no model); world, for captions of the icon world; openai:URL#MODEL; "
        "local:FOLDER of a chat model.",
    )
    category: tuple[Category, ...] = setting(
        ("violence", "illegal activity", "self-harm", "shocking"),
        "Category of I2P to edit into; with a model also hate, harassment, sexual content.",
    )
    share: tuple[str, ...] = setting((), "Weight of a category's quota, as violence=2.")
    tries: Annotated[int, Ge(1)] | None = setting(
        None,
        "Edits to ask for per wanted pair; default: 10 by rules or world, and at least 500 in all, "
        "3 by a model.",
    )
    aligner: str = setting(
        "minilm", "Encoder that measures alignment; not one that will be tested on the pairs."
    )
    min_alignment: Annotated[float, Ge(-1), Le(1)] = setting(0.7, "Least cosine of a pair.")
    max_added: Annotated[int, Ge(1)] = setting(12, "Most words that an edit adds.")
    max_removed: Annotated[int, Ge(0)] = setting(
        3, "Most words that a model's edit removes; the rules remove none."
    )
    max_words: Annotated[int, Ge(1)] = setting(40, "Most words of a caption.")
    element_share: Annotated[float, Gt(0), Le(1)] = setting(
        0.15, "Most of a category's quota that is one element."
    )
    near_duplicate: Annotated[float, Gt(0), Le(1)] = setting(
        0.95, "Of captions with at least this cosine one is taken, and none of an excluded file."
    )
    exclude: tuple[str, ...] = setting(
        (), "File of a benchmark whose captions, or their near-duplicates, may not be used."
    )
    image_hashes: tuple[str, ...] = setting(
        (), "File of sha256 digests, one a line, of images to leave out."
    )
    detector: tuple[str, ...] = setting(
        (), "Text detector that must find the safe captions safe, such as profanity."
    )
    edit_detector: tuple[str, ...] = setting(
        (),
        "Text detector that must find the edited captions unsafe; one whose labels have categories "
        "(transformers:FOLDER#LABEL=CATEGORY), of the category asked for.",
    )
    caption_column: str | None = setting(None, "Column with the caption, where not recognised.")
    images: bool = setting(True, "Carry along the images that the pool has.")
    image_column: str | None = setting(None, "Column with the image's path or bytes.")
    image_root: str | None = setting(
        None, "Folder or URL that relative image paths start from; default: the pool's folder."
    )
    max_chars: Annotated[int, Ge(1)] = setting(2000, "Longer captions are set aside.")
    seed: Annotated[int, Ge(0)] = setting(0, "Seed of order, places and elements.")
    shard_rows: Annotated[int, Ge(1)] = setting(16384, "Captions per Parquet file.")
    parallel: Annotated[int, Ge(1)] = setting(
        8, "Requests to an endpoint at once.", affects_output=False
    )
    requests_per_minute: Annotated[float, Gt(0)] | None = setting(
        None, "Most requests to an endpoint a minute.", affects_output=False
    )
    timeout: Annotated[float, Gt(0)] = setting(
        120.0, "Seconds to wait for an answer.", affects_output=False
    )
    attempts: Annotated[int, Ge(1)] = setting(
        6, "Times to ask an endpoint before giving up.", affects_output=False
    )
    device: Device = setting(Device.AUTO, "auto: the GPU when there is one.", affects_output=False)
    batch_tokens: Annotated[int, Ge(1)] = setting(
        4096, "Padded tokens per text batch.", affects_output=False
    )

    def __post_init__(self) -> None:
        if not self.category:
            raise ValueError("category: name at least one")
        if wrong := names.problem(self.aligner):
            raise ValueError(wrong.replace("model", "aligner", 1))


@dataclass(frozen=True, kw_only=True)
class IllustrateSettings:
    """Draw an image for each unsafe caption that construct wrote, and let detectors judge it."""

    __pydantic_config__ = STRICT_KEYS

    painter: str | None = setting(
        None,
        "What draws images of the unsafe captions: diffusers:FOLDER (text-to-image); "
        "diffusers-inpaint: and a FOLDER (part of the safe image anew); world (its own captions).",
    )
    image_detector: tuple[str, ...] = setting(
        (), "Image detector that says which of the images are unsafe, such as opennsfw."
    )
    image_tries: Annotated[int, Ge(1)] = setting(
        4, "Seeds to draw with, at most, until a detector finds an image unsafe."
    )
    only_unsafe: bool = setting(
        False, "Set pairs aside whose image no detector finds unsafe; else they stay, so labelled."
    )
    image_hashes: tuple[str, ...] = setting(
        (), "File of sha256 digests, one a line, of images to leave out."
    )
    image_size: Annotated[int, Ge(8), MultipleOf(8)] | None = setting(
        None, "Pixels of a side, of inpainting the longer one; default: the pipeline's own."
    )
    image_steps: Annotated[int, Ge(1)] = setting(50, "Steps of the scheduler.")
    image_guidance: Annotated[float, Ge(0)] = setting(7.5, "Guidance scale.")
    precision: Precision = setting(Precision.AUTO, "auto: half where the device has it.")
    seed: Annotated[int, Ge(0)] = setting(0, "Seed of the images.")
    shard_rows: Annotated[int, Ge(1)] = setting(512, "Images per Parquet file.")
    image_batch: Annotated[int, Ge(1)] = setting(1, "Images drawn at once.", affects_output=False)
    device: Device = setting(Device.AUTO, "auto: the GPU when there is one.", affects_output=False)

    def __post_init__(self) -> None:
        if self.only_unsafe and not self.image_detector and self.painter != "world":
            raise ValueError("only_unsafe needs an image_detector that says which are")


@dataclass(frozen=True, kw_only=True)
class IngestSettings:
    """Read caption pools, clean them, fold duplicates, and give every caption its content id."""

    __pydantic_config__ = STRICT_KEYS

    safe: tuple[str, ...] = setting((), "Pool of safe captions: file, folder, glob or URL.")
    unsafe: tuple[str, ...] = setting((), "Pool of unsafe captions: file, folder, glob or URL.")
    pool: tuple[str, ...] = setting((), "Pool of both kinds; needs --label-column.")
    caption_column: str | None = setting(None, "Column with the caption, where not recognised.")
    safe_caption_column: str | None = setting(
        None, "The same for the safe pools, where theirs has another name."
    )
    unsafe_caption_column: str | None = setting(
        None, "The same for the unsafe pools, where theirs has another name."
    )
    images: bool = setting(True, "Use the images that captions come with.")
    image_column: str | None = setting(None, "Column with the image's path or bytes.")
    safe_image_column: str | None = setting(
        None, "The same for the safe pools, where one file holds both sides' images."
    )
    unsafe_image_column: str | None = setting(None, "The same for the unsafe pools.")
    image_root: str | None = setting(
        None, "Folder or URL that relative image paths start from; default: the pool's folder."
    )
    category_column: str | None = setting(None, "Column with the unsafe category.")
    partner_column: str | None = setting(
        None,
        "Column of an unsafe pool with the safe caption, or its id, that each row came with; "
        "recognised in known sets.",
    )
    label_column: str | None = setting(None, "Column that says safe or unsafe, for --pool.")
    max_chars: Annotated[int, Ge(1)] = setting(2000, "Longer captions are set aside.")
    max_reject_share: Fraction = setting(
        0.05, "Stop when more than this share of a pool's rows is unusable."
    )
    shard_rows: Annotated[int, Ge(1)] = setting(16384, "Captions per shard.")

    def __post_init__(self) -> None:
        if self.pool and self.label_column is None:
            raise ValueError("a mixed pool needs label_column: the column that says safe or unsafe")


@dataclass(frozen=True, kw_only=True)
class EmbedSettings:
    """Turn every caption (and image) into a unit vector."""

    __pydantic_config__ = STRICT_KEYS

    model: str | None = setting(
        None,
        "minilm; mini; open_clip:NAME/TAG, or a path as TAG; hf-hub:ORG/NAME; folder of a trained "
        "run. Default: mini for pools with images, minilm for captions alone.",
    )
    source: str | None = setting(
        None, "Take the embeddings from this folder (clip-retrieval layout) instead of a model."
    )
    images: bool = setting(True, "Embed images too, where the pool has them and the model can.")
    precision: Precision = setting(Precision.AUTO, "auto: half where the device has it.")
    max_reject_share: Fraction = setting(
        0.05, "Stop when more than this share of the rows cannot be embedded."
    )
    device: Device = setting(Device.AUTO, "auto: the GPU when there is one.", affects_output=False)
    batch_tokens: Annotated[int, Ge(1)] = setting(
        4096, "Padded tokens per text batch.", affects_output=False
    )
    batch_images: Annotated[int, Ge(1)] = setting(32, "Images per batch.", affects_output=False)
    workers: Annotated[int, Ge(1)] = setting(
        2, "Threads that decode images and tokenise text.", affects_output=False
    )

    def __post_init__(self) -> None:
        if self.model is not None and (wrong := names.problem(self.model)):
            raise ValueError(wrong)


@dataclass(frozen=True, kw_only=True)
class MineSettings:
    """Find the closest safe counterparts of every unsafe caption."""

    __pydantic_config__ = STRICT_KEYS

    pairing: Pairing = setting(
        Pairing.NEAREST,
        "nearest: the closest safe captions; partner: the safe caption that each unsafe one came "
        "with, for sets that are paired already.",
    )
    k: Annotated[int, Ge(1)] = setting(1, "Safe counterparts per unsafe caption.")
    rank: Rank = setting(
        Rank.INVERTED_SOFTMAX, "Order of the candidates; cosine is the paper's plain arg max."
    )
    csls_k: Annotated[int, Ge(1)] = setting(10, "Neighbours in the CSLS hubness penalty.")
    beta: Annotated[float, Gt(0)] = setting(20.0, "Inverse temperature of the inverted softmax.")
    candidates: Annotated[int, Ge(1)] | None = setting(
        None, "Nearest safe captions considered per unsafe one; default 100, or what k needs."
    )
    min_similarity: Annotated[float, Ge(-1), Le(1)] | None = setting(
        None, "Drop pairs with a lower cosine."
    )
    skip: Duplicates = setting(
        Duplicates.NEAR_IDENTICAL, "Safe captions whose text is the unsafe one's are no targets."
    )
    hub_cap: Annotated[int, Ge(1)] | None = setting(
        None, "At most this many unsafe captions share one target; the next best is taken."
    )
    reciprocal: Annotated[int, Ge(1)] | None = setting(
        None, "Keep a pair only if the unsafe caption is among the target's N nearest."
    )
    index: str | None = setting(
        None, "FAISS factory string for approximate search, e.g. IVF256,Flat; default: exact."
    )
    index_parameters: str | None = setting(
        None, "Its search parameters, e.g. nprobe=16; default: the least that reach min_recall."
    )
    min_recall: Annotated[float, Gt(0), Le(1)] = setting(
        0.95, "Least recall of an approximate index on the real unsafe queries."
    )
    recall_sample: Annotated[int, Ge(1)] = setting(
        1000, "Unsafe queries that recall is measured on."
    )
    device: Device = setting(Device.AUTO, "auto: the GPU when there is one.", affects_output=False)
    memory: str = setting("1GiB", "Working memory of the search.", affects_output=False)

    def __post_init__(self) -> None:
        depth = self.candidates
        if depth is not None and depth < self.k:
            raise ValueError(f"candidates ({depth}) must be at least k ({self.k})")
        if self.pairing is Pairing.PARTNER and (choosing := self._choosing()):
            raise ValueError(
                "pairing=partner takes the safe caption that each unsafe one came with and chooses "
                f"none; leave out {', '.join(choosing)}"
            )
        _check_size(self.memory)

    def _choosing(self) -> list[str]:
        """Settings that say how targets are chosen; the default rank is nobody's word."""
        chosen = {
            "k": self.k > 1,
            "rank": self.rank is Rank.CSLS,
            "hub_cap": self.hub_cap is not None,
            "reciprocal": self.reciprocal is not None,
            "index": self.index is not None,
            "index_parameters": self.index_parameters is not None,
        }
        return [name for name, is_set in chosen.items() if is_set]


@dataclass(frozen=True, kw_only=True)
class GradeSettings:
    """Give every pair a difficulty in [0, 1] and a stage easy, medium or hard."""

    __pydantic_config__ = STRICT_KEYS

    similarity_weight: Annotated[float, Ge(0)] = setting(
        1.0, "Weight of a low similarity to the target."
    )
    margin_weight: Annotated[float, Ge(0)] = setting(
        1.0, "Weight of a small margin to the next candidate."
    )
    density_weight: Annotated[float, Ge(0)] = setting(0.0, "Weight of a dense safe neighbourhood.")
    easy_share: Annotated[float, Gt(0), Lt(1)] = setting(1 / 3, "Share of pairs in stage easy.")
    hard_share: Annotated[float, Gt(0), Lt(1)] = setting(1 / 3, "Share of pairs in stage hard.")

    def __post_init__(self) -> None:
        if self.similarity_weight + self.margin_weight + self.density_weight <= 0:
            raise ValueError("at least one of the three weights must be above zero")
        if self.easy_share + self.hard_share > 1:
            raise ValueError("easy_share and hard_share add up to more than 1")


@dataclass(frozen=True, kw_only=True)
class PublishSettings:
    """Write the pairs as a data set that others can load, with a card of measured numbers."""

    __pydantic_config__ = STRICT_KEYS

    title: str = setting("Safe-unsafe caption pairs", "Title of the data card.")
    license: str = setting("other", "Licence identifier for the card, as the pools allow.")
    validation_share: Annotated[float, Ge(0), Lt(1)] = setting(
        0.1, "Share of pairs to validate on."
    )
    test_share: Annotated[float, Ge(0), Lt(1)] = setting(0.1, "Share of pairs to test on.")
    near_duplicate: Annotated[float, Gt(0), Le(1)] = setting(
        0.95, "Captions with at least this cosine stay in one split."
    )
    seed: Annotated[int, Ge(0)] = setting(0, "Seed of the split.")
    carry_images: bool = setting(
        True, "Put images into the data set, as training needs them; else link by path and hash."
    )
    columns: ColumnNames = setting(
        ColumnNames.OURS,
        "ours; nsfwcaps: the same columns, and before them those that NSFWCaps has.",
    )
    verdicts: str | None = setting(
        None, "Join a review: its database, or the folder that 'nsfwcaps review export' wrote."
    )
    only_accepted: bool = setting(
        False, "Of a review, keep only the pairs that it accepts, fixed or not."
    )
    shard_rows: Annotated[int, Ge(1)] = setting(
        100_000, "Pairs per Parquet file; with images at most 2,000."
    )
    memory: str = setting("1GiB", "Working memory of the split.", affects_output=False)

    def __post_init__(self) -> None:
        if self.validation_share + self.test_share >= 1:
            raise ValueError("validation_share and test_share leave nothing to train on")
        if self.only_accepted and self.verdicts is None:
            raise ValueError("only_accepted needs verdicts: the review that accepts them")
        _check_size(self.memory)


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """Fine-tune a model on the pairs of a data set, so that it is safer and keeps its knowledge."""

    __pydantic_config__ = STRICT_KEYS

    data: str = setting("", "Folder of a published data set with images.")
    model: str = setting("mini", "Model to train, named as for embed.")
    method: TrainMethod = setting(
        TrainMethod.SAFER_CLIP,
        "safer-clip, safe-clip, safe-only or subspace: terms, weights, curriculum, adapters.",
    )
    targets: Targets | None = setting(
        None,
        "nearest: the mined counterpart; fixed: the partner that the pair came with. Default: the "
        "method's, fixed for safe-clip and nearest for the others.",
    )
    weight: tuple[str, ...] = setting((), "Weight of a term, as redirect_text=3; 0 leaves it out.")
    curriculum: str | None = setting(None, "Stages by epoch, as easy/all; default: the method's.")
    epochs: Annotated[int, Ge(1)] = setting(9, "Epochs.")
    batch_size: Annotated[int, Ge(2)] = setting(48, "Pairs per step.")
    accumulate: Annotated[int, Ge(1)] = setting(
        1, "Parts that a batch is computed in: less memory, the same step.", affects_output=False
    )
    learning_rate: Annotated[float, Gt(0)] = setting(1e-4, "Highest learning rate of Adam.")
    warmup_share: Fraction = setting(0.05, "Share of the steps in which it rises.")
    weight_decay: Annotated[float, Ge(0)] = setting(0.0, "Weight decay.")
    clip_norm: Annotated[float, Gt(0)] | None = setting(1.0, "Largest norm of the gradient.")
    scale: Annotated[float, Gt(0)] | Literal["model"] = setting(
        100.0, "What InfoNCE multiplies cosines by; model: the model's own."
    )
    rank: Annotated[int, Ge(1)] = setting(16, "Rank of LoRA.")
    alpha: Annotated[float, Gt(0)] = setting(16.0, "The update of LoRA is scaled by alpha / rank.")
    dropout: Annotated[float, Ge(0), Lt(1)] = setting(0.0, "Dropout of the adapters' input.")
    adapter_inputs: AdapterInputs | None = setting(
        None,
        "any; difference: adapters read only directions in which unsafe inputs differ from their "
        "targets. Default: the method's, difference for subspace and any for the others.",
    )
    ridge: Annotated[float, Gt(0)] = setting(
        0.3, "With difference: the higher, the less adapters trust what safe inputs rarely show."
    )
    towers: tuple[Tower, ...] = setting(("image", "text"), "Tower to train: image or text.")
    image_layers: tuple[str, ...] = setting(
        ("attention", "mlp", "convolution"), "Kinds of its layers that get an adapter."
    )
    text_layers: tuple[str, ...] = setting(("attention", "mlp"), "The same for the text tower.")
    full: bool = setting(False, "Train all weights of the towers instead of adapters.")
    patience: Annotated[int, Ge(1)] | None = setting(
        None, "Stop after this many epochs without a better validation."
    )
    max_reject_share: Fraction = setting(
        0.05, "Stop when more than this share of the pairs lacks a usable image."
    )
    precision: Precision = setting(Precision.AUTO, "auto: half where the device has it.")
    seed: Annotated[int, Ge(0)] = setting(0, "Seed of adapters, order and dropout.")
    save_every: Annotated[int, Ge(1)] = setting(
        200, "Steps between checkpoints.", affects_output=False
    )
    events: bool | None = setting(
        None,
        "Write event files for TensorBoard; default: where it is installed.",
        affects_output=False,
    )
    device: Device = setting(Device.AUTO, "auto: the GPU when there is one.", affects_output=False)
    batch_tokens: Annotated[int, Ge(1)] = setting(
        4096, "Padded tokens per text batch of the frozen model.", affects_output=False
    )
    batch_images: Annotated[int, Ge(1)] = setting(
        32, "Images per batch of the frozen model.", affects_output=False
    )
    workers: Annotated[int, Ge(1)] = setting(
        2, "Threads that decode images and tokenise text.", affects_output=False
    )

    def __post_init__(self) -> None:
        if wrong := names.problem(self.model, images=True):
            raise ValueError(wrong)


def _check_size(memory: str) -> None:
    try:
        parse_bytes(memory)
    except ConfigError as error:
        raise ValueError(f"memory: {error}") from None


def field_names(cls: type) -> list[str]:
    """Names of a settings class, in order."""
    return [field.name for field in dataclasses.fields(cls)]

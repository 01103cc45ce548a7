"""ingest: a pool file, how the settings say to read it, and how its columns are described."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nsfwcaps.captions.folders.choices import ALL
from nsfwcaps.captions.folders.layouts import Chosen
from nsfwcaps.captions.folders.split_names import canonical
from nsfwcaps.captions.images import ImageTemplate
from nsfwcaps.captions.opening import shown
from nsfwcaps.captions.options import ReadOptions
from nsfwcaps.captions.tables.column_names import Label, folded
from nsfwcaps.captions.tables.roles import Columns, Named
from nsfwcaps.errors import InputError
from nsfwcaps.stages.ingest.advice import advice
from nsfwcaps.stages.ingest.settings import IngestSettings

SHAPING = (
    *("caption_column", "safe_caption_column", "unsafe_caption_column"),
    *("caption_path", "safe_caption_path", "unsafe_caption_path"),
    *("images", "image_column", "safe_image_column", "unsafe_image_column"),
    *("safe_image", "unsafe_image", "image_root", "category_column", "partner_column"),
    *("label_column", "max_chars", "null_words", "split"),
    *("delimiter", "encoding", "quoting", "header", "keep_columns"),
)
"""Settings that shape the captions read from a file."""

_ROLES = ("caption", "image", "category", "partner", "label", "flag", "split")


@dataclass(frozen=True, kw_only=True)
class Pool:
    """One pool file, with the label given by its command-line option."""

    url: str
    label: Label | None
    digest: str
    chosen: tuple[str, ...] = ()
    """Configurations and splits of its folder that were chosen."""

    @property
    def name(self) -> str:
        """File name, used to refer to the pool in tables; without the query of an address."""
        return shown(self.url).rstrip("/").rpartition("/")[2]


def read_options(settings: IngestSettings) -> ReadOptions:
    """How files are read."""
    return ReadOptions(
        delimiter=settings.delimiter,
        encoding=settings.encoding,
        quoting=settings.quoting,
        header=settings.header,
        config=settings.config,
        split=settings.split,
    )


def named_columns(settings: IngestSettings, label: Label | None) -> Named:
    """Columns that the user named for the pools of a side."""
    caption, path, image = {
        Label.SAFE: (
            settings.safe_caption_column,
            settings.safe_caption_path,
            settings.safe_image_column,
        ),
        Label.UNSAFE: (
            settings.unsafe_caption_column,
            settings.unsafe_caption_path,
            settings.unsafe_image_column,
        ),
        None: (None, None, None),
    }[label]
    reads_images = settings.images and template_of(settings, label) is None
    # Only the category and the partner of an unsafe caption are used.
    safe = label is Label.SAFE
    return Named(
        caption=caption or settings.caption_column,
        caption_path=path or settings.caption_path,
        image=(image or settings.image_column) if reads_images else None,
        category=None if safe else settings.category_column,
        partner=None if safe else settings.partner_column,
        label=settings.label_column,
        splits=_splits(settings.split),
        images=reads_images,
    )


def _splits(asked: str | None) -> frozenset[str]:
    """Usual names of the splits asked for; empty: all."""
    if asked is None or asked == ALL:
        return frozenset()
    return frozenset(canonical(part.strip()) for part in asked.split("+"))


def template_of(settings: IngestSettings, label: Label | None) -> str | None:
    """Template of the image paths of a side."""
    if not settings.images:
        return None
    templates = {Label.SAFE: settings.safe_image, Label.UNSAFE: settings.unsafe_image, None: None}
    return templates[label]


def chosen_parts(chosen: Chosen) -> tuple[str, ...]:
    """Describe the configurations and splits that were chosen of a folder."""
    return tuple(f"{name} {'+'.join(parts)}" for name, parts in chosen.parts() if parts)


def check_chosen(settings: IngestSettings, found: Sequence[Chosen]) -> None:
    """Refuse a configuration that no pool has: it was meant to leave something out.

    Raises:
        InputError: no pool has it.
    """
    if settings.config and not any(chosen.configs for chosen in found):
        raise InputError(
            f"ingest: no pool has configurations, so --config {settings.config} has no meaning"
        )


def check_splits(settings: IngestSettings, pools: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a split that no pool has, as a folder or in a column, by the facts of the pools.

    Raises:
        InputError: no pool has it.
    """
    if settings.split is None or any(pool["name"].endswith(".json") for pool in pools):
        return  # JSON files may have splits inside, and their readers check them
    of_folders = any(str(item).startswith("split ") for pool in pools for item in pool["chosen"])
    in_columns = any("split" in pool["columns"].get("used", {}) for pool in pools)
    if settings.split != ALL and not of_folders and not in_columns:
        raise InputError(f"ingest: no pool has splits, so --split {settings.split} has no meaning")


def no_captions(
    url: str, rows: int, rejects: Mapping[str, int], *, see: str | None = None
) -> InputError:
    """Error for a pool without a usable caption; `see` are the files with the rejected rows."""
    listed = by_reason(rejects) + (f"; see {see}" if see else "")
    reasons = f" ({listed})" if rejects else ""
    return InputError(
        f"{shown(url)}: no usable caption in {rows} rows{reasons}; "
        f"{advice(rejects, otherwise='use another file')}"
    )


def by_reason(rejects: Mapping[str, int]) -> str:
    """List counts of rejected captions."""
    return ", ".join(f"{count} {reason}" for reason, count in sorted(rejects.items()))


def described(columns: Columns | None, template: ImageTemplate | None = None) -> dict[str, Any]:
    """Describe the columns of a pool for its record, with the file name of an image template."""
    if columns is None:
        return {}
    used = {role: name for role in _ROLES if (name := getattr(columns, role)) is not None}
    ignored = list(columns.ignored)
    if template is not None:
        used["image"] = template.text.rpartition("/")[2]
        named = {*map(folded, template.columns)}
        ignored = [name for name in ignored if folded(name) not in named]
    if columns.path:
        used["caption"] = ".".join((columns.caption, *columns.path))
    return {"used": used, "ignored": ignored, "notes": dict(columns.notes)}


def column_lines(pools: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """One line for each kind of pool: what was used of it, and what was not."""
    lines: dict[str, list[str]] = {}
    for pool in pools:
        if pool.get("columns"):
            lines.setdefault(_line(pool), []).append(str(pool["name"]))
    for line, names in lines.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        yield f"{names[0]}{more}: {line}"


def _line(pool: Mapping[str, Any]) -> str:
    columns = pool["columns"]
    used = [f"{role}={name}" for role, name in columns["used"].items()]
    several = pool.get("several_categories", 0)
    used = [
        f"{item} (first of several)" if several and item.startswith("category=") else item
        for item in used
    ]
    if kept := columns.get("kept"):
        used.append(f"kept={' '.join(kept)}")
    parts = [f"columns: {', '.join(used)}"]
    if columns["ignored"]:
        parts.append(f"ignored: {', '.join(columns['ignored'])}")
    parts += pool.get("chosen", ())
    parts += [f"{name}: {value}" for name, value in columns["notes"].items()]
    return "; ".join(parts)

"""Columns of a pool: names of public data sets, checked against values, or names the user gave."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Sequence

from nsfwcaps.captions.rows import Sample
from nsfwcaps.captions.tables import paths
from nsfwcaps.captions.tables.column_names import (
    BARE_NAMES,
    CAPTION_NAMES_OF_SIDE,
    CATEGORY_NAMES,
    FLAG_NAMES,
    IMAGE_NAMES,
    IMAGE_NAMES_OF_SIDE,
    LOOSE_IMAGE_NAME,
    OTHER_CAPTION_NAMES,
    PARTNER_BESIDE,
    PARTNER_NAMES,
    SAFE_FLAG_NAMES,
    USUAL_CAPTION_NAMES,
    Label,
    folded,
)
from nsfwcaps.captions.tables.roles import Columns, Named
from nsfwcaps.captions.tables.values import Kind, kind_of, parse_flag, parsed_object, text_cell
from nsfwcaps.errors import InputError

_NAME = re.compile(r"[\w.:/-]{1,40}\Z", re.ASCII)


def resolve(sample: Sample, label: Label | None, *, where: str, named: Named) -> Columns:
    """Map a pool's columns. Safe captions have no partner.

    Raises:
        InputError: no caption column is recognised, several are, or a named column is missing.
    """
    pool = _Pool(sample, where)
    caption, path = pool.caption(label, named)
    image = pool.named(named.image, "image") or pool.image(label, but=caption)
    category = pool.named(named.category, "category") or pool.first(CATEGORY_NAMES, but=caption)
    partner = pool.named(named.partner, "partner") or pool.first(
        (*PARTNER_NAMES, PARTNER_BESIDE.get(folded(caption), "")), but=caption
    )
    image = image or pool.first((LOOSE_IMAGE_NAME,), but=caption)
    may_be_elsewhere = sample.images_elsewhere or folded(image or "") == LOOSE_IMAGE_NAME
    found = Columns(
        caption=caption,
        image=image if named.images else None,
        category=category,
        partner=partner if label is not Label.SAFE else None,
        label=pool.named(named.label, "label") if label is None else None,
        flag=pool.flag(caption) if label is not None else None,
        split=pool.first(("split",), but=caption) if named.splits else None,
        splits=named.splits,
        path=path,
        listed=pool.kind(caption) is Kind.LISTED,
        images_elsewhere=may_be_elsewhere and named.image is None,
        notes=sample.notes,
    )
    return pool.with_ignored(found)


def label_of(value: object, column: str) -> Label | None:
    """Label of a row by a column of flags; in a column named `safe`, 1 means safe."""
    unsafe = parse_flag(value)
    if unsafe is None:
        return None
    flag_means_safe = folded(column) in SAFE_FLAG_NAMES and not _is_word(value)
    return Label.UNSAFE if unsafe is not flag_means_safe else Label.SAFE


def _is_word(value: object) -> bool:
    """Whether a flag names a side itself, whatever its column."""
    return isinstance(value, str) and value.strip().casefold() in ("safe", "sfw", "unsafe", "nsfw")


class _Pool:
    """The columns of a pool's sample."""

    def __init__(self, sample: Sample, where: str) -> None:
        self._sample = sample
        self._where = where
        self._by_fold: dict[str, list[str]] = {}
        for name in sample.names:
            if folded(name):
                self._by_fold.setdefault(folded(_base(name, sample.names)), []).append(name)

    def caption(self, label: Label | None, named: Named) -> tuple[str, tuple[str, ...]]:
        """The caption column, and the keys to the captions within its cells."""
        of_side = label is not None and named.by_side
        option = f"--{label}-caption-column" if of_side else "--caption-column"
        for_side = f", or {option} for this side" if of_side else ""
        if named.caption_path is not None:
            return self._by_path(named.caption_path)
        if named.caption is not None:
            name = str(self.named(named.caption, "caption"))
            if self.kind(name) in (Kind.FLAG, Kind.SCORE, Kind.NUMBER):
                raise InputError(
                    f"{self._where}: column '{name}' holds {self.kind(name)}, not captions; "
                    f"{self._advice(option)}"
                )
            return name, self._inside(name, option)
        tiers = (
            CAPTION_NAMES_OF_SIDE[label],
            (*USUAL_CAPTION_NAMES, *BARE_NAMES[label]),
            OTHER_CAPTION_NAMES,
        )
        for tier in tiers:
            found = [name for name in self._all(tier) if self._may_be_caption(name)]
            filled = [name for name in found if self.kind(name) is not Kind.EMPTY]
            found = self._distinct(filled) or found[:1]
            if len(found) > 1:
                listed = ", ".join(f"'{name}'" for name in found)
                raise InputError(
                    f"{self._where}: {len(found)} columns may hold the captions: {listed}; choose "
                    f"one with --caption-column{for_side}"
                )
            if found:
                return found[0], self._inside(found[0], option)
        raise InputError(
            f"{self._where}: no caption column found; available columns: {self._listed()}; "
            f"{self._advice(option)}"
        )

    def _inside(self, name: str, option: str) -> tuple[str, ...]:
        """Keys to the captions in nested cells.

        Raises:
            InputError: the cells are nested, and no known key leads to a text.
        """
        values = [parsed_object(v) or v if isinstance(v, str) else v for v in self.values(name)]
        keys = paths.inside(values)
        if not keys and self.kind(name) is Kind.NESTED:
            raise InputError(
                f"{self._where}: the cells of '{name}' are objects; name the key of the captions "
                f"in them, as in {option.replace('column', 'path')} {name}.KEY"
            )
        return keys

    def image(self, label: Label | None, *, but: str) -> str | None:
        """The image column: the first known name whose values may be images."""
        names = (*IMAGE_NAMES_OF_SIDE[label], *IMAGE_NAMES)
        found = [name for name in self._all(names) if name != but and self._may_be_image(name)]
        if found:
            return next((name for name in found if self.kind(name) is not Kind.EMPTY), found[0])
        # Hugging Face's image folders: `file_name`, or a name that ends so.
        ends = [n for n in self._sample.names if folded(n).endswith(("_file_name", "_image_path"))]
        other = {"safe", "unsafe", "nsfw"}
        ends = [n for n in ends if folded(n).split("_")[0] not in other and self._may_be_image(n)]
        return ends[0] if len(ends) == 1 else None

    def flag(self, caption: str) -> str | None:
        """A column that says of each row whether it is unsafe."""
        names = [name for name in self._all(FLAG_NAMES) if name != caption]
        return next((name for name in names if self.kind(name).may_be_flag), None)

    def first(self, names: Sequence[str], *, but: str) -> str | None:
        """The first known column that is not the caption's."""
        return next((name for name in self._all(names) if name != but), None)

    def named(self, name: str | None, what: str) -> str | None:
        """The column that the user named, in any case."""
        if name is None or name in self._sample.names:
            return name
        found = self._by_fold.get(folded(name), [])
        if len(found) == 1:
            return found[0]
        names = [item for item in self._sample.names if _NAME.match(item)]
        close = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean '{close[0]}'? " if close else ""
        raise InputError(
            f"{self._where}: no {what} column '{name}'; {hint}available columns: {self._listed()}"
        )

    def values(self, name: str) -> list[object]:
        """First values of a column."""
        return [row[name] for row in self._sample.rows if row.get(name) is not None]

    def kind(self, name: str) -> Kind:
        """What the values of a column are."""
        if name in self._sample.binary:
            return Kind.BYTES
        return kind_of(self.values(name))

    def with_ignored(self, found: Columns) -> Columns:
        """Add the names that are not used."""
        used = {*found.used}
        names = [name for name in self._sample.names if name not in used]
        ignored = [name.strip() or "(no name)" for name in names if _is_name(name)]
        if hidden := len(names) - len(ignored):
            ignored.append(f"{hidden} with text for a name")
        return Columns(**{**vars(found), "ignored": tuple(ignored)})

    def _all(self, names: Iterable[str]) -> list[str]:
        return [own for name in names for own in self._by_fold.get(name, ())]

    def _distinct(self, names: Sequence[str]) -> list[str]:
        """Columns but for those with the values of an earlier one, as in our own data sets."""
        values = [self.values(name) for name in names]
        return [
            name for at, name in enumerate(names) if not values[at] or values[at] not in values[:at]
        ]

    def _may_be_caption(self, name: str) -> bool:
        """Whether a column with a caption's name holds captions; one named by a side, sentences."""
        kind = self.kind(name)
        if folded(name) not in FLAG_NAMES or not self._sample.rows:
            return kind.may_be_caption
        texts = [value for value in map(text_cell, self.values(name)) if isinstance(value, str)]
        sentences = sum(" " in value.strip() for value in texts)
        return kind in (Kind.LISTED, Kind.NESTED) or 0 < len(texts) <= 2 * sentences

    def _may_be_image(self, name: str) -> bool:
        kind = self.kind(name)
        return kind is Kind.IMAGE_FILE if folded(name) in ("path", "file") else kind.may_be_image

    def _by_path(self, path: str) -> tuple[str, tuple[str, ...]]:
        keys = tuple(path.split("."))
        root = self._by_fold.get(folded(keys[0]), [])
        if len(root) == 1:
            return root[0], keys[1:]
        holders = [n for n in self._sample.names if paths.captions(self.values(n), keys)]
        if len(holders) == 1:
            return holders[0], keys
        problem = "no column has" if not holders else f"{len(holders)} columns have"
        raise InputError(
            f"{self._where}: {problem} '{path}' inside; available columns: {self._listed()}; begin "
            "--caption-path with the column's name, as in conversations.gpt.value"
        )

    def _listed(self) -> str:
        """List column names for a message, hiding captions of a headerless CSV."""
        names = [name or "(no name)" for name in self._sample.names if _is_name(name)]
        if hidden := len(self._sample.names) - len(names):
            names.append(f"{hidden} hidden that look like text, not names (missing header line?)")
        return ", ".join(names)

    def _advice(self, option: str) -> str:
        names = [name for name in self._sample.names if _is_name(name)]
        if len(names) < len(self._sample.names):
            return f"for a file without a header line use --no-header {option} 0"
        texts = [name for name in names if self.kind(name) is Kind.TEXT]
        if len(texts) == 1:
            return f"'{texts[0]}' holds text: choose it with {option} '{texts[0]}'"
        nested = [name for name in names if self.kind(name) is Kind.NESTED]
        if nested and not texts:
            return f"captions inside '{nested[0]}' are named by {option.replace('column', 'path')}"
        return f"choose one with {option}"


def _is_name(name: str) -> bool:
    """Whether a header cell can be a name; others may be captions."""
    return not name.strip() or _NAME.match(name.strip()) is not None


def _base(name: str, names: Collection[str]) -> str:
    """Name without the number of a repeated column."""
    base, _, number = name.rpartition(".")
    return base if number.isdigit() and base in names else name

"""An inspection as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from nsfwcaps.encoders.languages import Languages
from nsfwcaps.inspection.facts import (
    COVER,
    CoveredRow,
    PictureFacts,
    PoolFacts,
    SideFacts,
    Spread,
    TokenFacts,
)

_ARTICLES = {"safe": "a", "unsafe": "an"}
_TOP = 8
_ID_DIGITS = 12


def lines(found: PoolFacts, *, show: bool) -> Iterator[str]:
    """Yield the lines of an inspection; captions are covered unless `show` is set."""
    yield f"{found.pool}: {_format(found)}"
    yield f"rows: {_rows(found)}; read: {found.sample}"
    for side in found.sides:
        yield ""
        yield f"{_as_pool(side.label)}:" if side.label in _ARTICLES else "Captions:"
        yield from (f"  {line}" for line in _side(side, show=show))
    for label, problem in found.problems.items():
        yield ""
        yield f"{_as_pool(label)}, it is refused: {problem}"


def _as_pool(label: str) -> str:
    return f"As {_ARTICLES[label]} {label} pool"


def _format(found: PoolFacts) -> str:
    parts = [found.format]
    parts += [item for item in (found.compression, found.encoding) if item]
    if found.delimiter:
        parts.append(f"delimiter {found.delimiter}")
    parts.append(_of(found.files, "file"))
    if found.bytes:
        parts.append(_bytes(found.bytes))
    parts += [f"config {'+'.join(found.configs)}"] if found.configs else []
    parts += [f"split {'+'.join(found.splits)}"] if found.splits else []
    return ", ".join(parts)


def _rows(found: PoolFacts) -> str:
    if found.rows is None:
        return f"at least {found.rows_read:,} (--all counts them)"
    return f"{found.rows:,}" if found.rows_exact else f"about {rounded(found.rows):,}"


def rounded(count: int) -> int:
    """Round an estimate to three digits.

    >>> rounded(1_003_412), rounded(8_417)
    (1000000, 8420)
    """
    digits = len(str(count)) - 3
    return round(count, -digits) if digits > 0 else count


def _side(side: SideFacts, *, show: bool) -> Iterator[str]:
    yield from side.columns
    yield f"captions: {side.captions:,} usable{_by_side(side.labels)}"
    yield f"set aside: {_set_aside(side)}"
    yield (
        f"duplicates: {_share(side.exact_copies, side.captions)} exact, "
        f"{_share(side.near_copies, side.captions)} near (case, punctuation, width)"
    )
    yield f"characters: {_spread(side.characters)}; words: {_spread(side.words)}"
    yield _tokens(side.tokens)
    scripts = {name: _share(count, side.captions) for name, count in side.scripts.items()}
    yield f"scripts: {', '.join(f'{name} {share}' for name, share in scripts.items()) or 'none'}"
    if side.non_latin and side.tokens and side.tokens.languages == Languages.ENGLISH:
        yield f"not in Latin letters: {side.non_latin:,}, but {side.tokens.model} reads English"
    yield f"hidden characters: in {_of(side.hidden_characters, 'caption')}"
    if side.categories:
        yield f"categories: {_top(side.categories)}"
    if side.several_categories:
        yield f"several categories: {_of(side.several_categories, 'caption')}; the first one counts"
    if side.pictures is not None:
        yield _pictures(side.pictures)
    yield from _examples(side.examples, show=show)


def _tokens(facts: TokenFacts | None) -> str:
    if facts is None:
        return "tokens: not counted, as the tokenizer of this model does not load alone"
    return (
        f"tokens: {_spread(facts.spread)}; {facts.truncated:,} beyond the {facts.window} "
        f"that {facts.model} reads"
    )


def _pictures(facts: PictureFacts) -> str:
    text = f"pictures: {facts.named - facts.missing:,} of {facts.named:,} found"
    if not facts.decoded + facts.undecodable:
        return text
    text += f"; {facts.decoded:,} of the {facts.decoded + facts.undecodable:,} looked at decode"
    if facts.widths and facts.heights:
        text += (
            f", {facts.widths.smallest}-{facts.widths.largest} px wide and "
            f"{facts.heights.smallest}-{facts.heights.largest} px high"
        )
    return text


def _examples(examples: Sequence[CoveredRow], *, show: bool) -> Iterator[str]:
    if not examples:
        return
    one_file = len({item.file for item in examples}) == 1
    yield f"first {len(examples)}{'' if show else ' (--show uncovers them)'}:"
    for item in examples:
        row = f"row {item.row}" if one_file else f"{item.file}:{item.row}"
        yield f"  {row}  {_example(item)}  {item.caption if show else COVER}"


def _example(item: CoveredRow) -> str:
    parts = [_of(item.characters, "character"), _of(item.words, "word")]
    parts += [] if item.tokens is None else [_of(item.tokens, "token")]
    parts += [item.category] if item.category else []
    return f"{item.id[:_ID_DIGITS]}  {', '.join(parts)}"


def _set_aside(side: SideFacts) -> str:
    if not side.unusable:
        return "none"
    bad = sum(side.unusable.values())
    return f"{_share(bad, bad + side.captions)} ({_counts(side.unusable)})"


def _of(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _spread(spread: Spread | None) -> str:
    if spread is None:
        return "none"
    return (
        f"{spread.smallest:,} to {spread.largest:,}, median {spread.median:,}, "
        f"95% up to {spread.most:,}"
    )


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def _by_side(labels: Mapping[str, int]) -> str:
    return f" ({_counts(labels)})" if labels else ""


def _top(counts: Mapping[str, int]) -> str:
    shown = list(counts.items())[:_TOP]
    more = f" and {len(counts) - _TOP:,} more" if len(counts) > _TOP else ""
    return ", ".join(f"{name} {count:,}" for name, count in shown) + more


def _share(part: int, whole: int) -> str:
    share = part / max(1, whole)
    return f"{share:.1%}" if share >= 0.001 or part == 0 else "under 0.1%"


def _bytes(size: int) -> str:
    value = float(size)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"

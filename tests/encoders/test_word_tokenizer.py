"""Tokens by words, against open_clip's and MiniLM's own tokenizers."""

from __future__ import annotations

import sys
import threading
import unicodedata
from typing import Any

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip.tokenizer import HFTokenizer, SimpleTokenizer, basic_clean

from nsfwcaps.encoders import word_tokenizer
from nsfwcaps.encoders.token_counts import minilm_folder
from nsfwcaps.encoders.window import token_counter
from nsfwcaps.encoders.word_tokenizer import WordTokenizer, fast, of_word_pieces, plain

CLIP = SimpleTokenizer()
BERT = HFTokenizer(str(minilm_folder()), context_length=77)
FAST = {"clip": fast(CLIP), "bert": fast(BERT)}
SLOW = {"clip": CLIP, "bert": BERT}
BOTH = pytest.mark.parametrize("kind", ["clip", "bert"])

CAPTIONS = [
    "",
    " ",
    "a",
    "A vase  of flowers on a table.",
    "  A man at a bus stop\n",
    "It's the dog's ball; they'LL've won 'twas I'd",
    "Two &amp; three &lt;b&gt; &amp;amp;lt; &#39; &nbsp; &notin;",
    "AT&T, R&D & co",
    "<start_of_text> a cup <end_of_text>",
    "<<start_of_text>> a<end_of_text>b <|endoftext|> <START_OF_TEXT>",
    "[CLS] a [SEP] b[MASK]c [PAD] [UNK] [cls]",
    '12ab 3.5% #1 5" -- ... $7,000 _under_score_ (a) [b] {c}',
    "\ufb01ne \u017fo \u2019s \u2018quoted\u2019 \u201cwords\u201d café cafe\u0301 ½ \u2168",
    "\u0130stanbul I\u0307 \u00dfeet \u1e9e \u01c5 \u03c3\u03c2 \u03a3",
    "a\u00a0b\u2003c\u200bd\u2028e\x1cf\x85g\x0bh\u3000i",
    "a\x00b\x07\x1b[31mred\x7f",
    "mojibake: \u00e2\u20ac\u2122s caf\u00c3\u00a9 \u00c2\u00a0",
    "👨‍👩‍👧 \U0001f1eb\U0001f1f7 \u2764\ufe0f 🧑\U0001f3fd ☠",
    "ends " * 100,
    "unbelievably" * 40,
    "x" * 300,
    *(word * 50 for word in ("ab ", "\u00e9 ", "\u65e5\u672c ", "1")),
]
# The same mild sentence, a cup on a table, in twenty scripts.
SCRIPTS = [
    "Une tasse est posée sur la table",
    "Чашка стоит на столе",
    "Μια κούπα στο τραπέζι",  # noqa: RUF001
    "բաժակ սեղանին",
    "ფინჯანი მაგიდაზე",
    "כוס על השולחן",
    "كوب على الطاولة",
    "कप मेज़ पर है",
    "কাপ টেবিলে",
    "કપ ટેબલ પર",
    "ਕੱਪ ਮੇਜ਼ ਤੇ",
    "கோப்பை மேசையில்",
    "కప్పు బల్లపై",
    "ಕಪ್ ಮೇಜಿನ ಮೇಲೆ",
    "കപ്പ് മേശയിൽ",
    "ถ้วยบนโต๊ะ",
    "တစ်ခွက် စားပွဲ",
    "ኩባያ ጠረጴዛ ላይ",
    "テーブルの上のカップ",
    "컵이 테이블 위에",
    "桌子上的杯子",
]


def same(kind: str, captions: list[str]) -> bool:
    found, wanted = FAST[kind](captions), SLOW[kind](captions)
    return bool(found.dtype == wanted.dtype and found.equal(wanted))


@BOTH
def test_tokens_equal_those_of_the_model(kind: str) -> None:
    captions = CAPTIONS + SCRIPTS
    assert isinstance(FAST[kind], WordTokenizer)
    differing = [n for n, caption in enumerate(captions) if not same(kind, [caption])]
    assert differing == []
    assert same(kind, captions)
    assert same(kind, captions[::-1])


def test_tokens_of_a_caption_written_out() -> None:
    tokens = FAST["clip"](["A  vase on a TABLE."])
    assert tokens.shape == (1, 77)
    # From open_clip's vocabulary: start, a, vase, on, a, table, full stop, end, padding.
    assert tokens[0, :9].tolist() == [49406, 320, 20431, 525, 320, 2175, 269, 49407, 0]


def words_and_signs() -> st.SearchStrategy[str]:
    ascii_text = st.text(st.characters(min_codepoint=0, max_codepoint=127), max_size=12)
    any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    known = st.sampled_from(["a", "vase", "It's", "&amp;", "\n", " ", *CAPTIONS[:14], *SCRIPTS])
    return st.lists(ascii_text | any_text | known, max_size=8).flatmap(
        lambda parts: st.sampled_from(["", " ", "  "]).map(lambda gap: gap.join(parts))
    )


@BOTH
@settings(max_examples=300, deadline=None)
@given(st.lists(words_and_signs(), min_size=1, max_size=4))
def test_any_captions_give_the_same_tokens(kind: str, captions: list[str]) -> None:
    assert same(kind, captions)


@BOTH
def test_every_pair_of_ascii_signs_gives_the_same_tokens(kind: str) -> None:
    pairs = [chr(first) + chr(second) for first in range(128) for second in range(128)]
    assert same(kind, pairs)


def assigned_points() -> list[str]:
    """Every assigned code point, and every 64th of the rest."""
    return [
        chr(n)
        for n in range(sys.maxunicode + 1)
        if unicodedata.category(chr(n)) not in ("Cs", "Cn", "Co") or (n % 64 == 0 and n >> 11 != 27)
    ]


@pytest.mark.parametrize(
    "slow",
    [
        SimpleTokenizer(context_length=300),
        HFTokenizer(str(minilm_folder()), context_length=300),
    ],
    ids=["clip", "bert"],
)
def test_every_code_point_between_words_gives_the_same_tokens(slow: Any) -> None:
    made, points = fast(slow), assigned_points()
    captions = [" b ".join(points[at : at + 32]) for at in range(0, len(points), 32)]
    for start in range(0, len(captions), 4096):
        part = captions[start : start + 4096]
        rows = (made(part) != slow(part)).any(1).nonzero().flatten().tolist()
        assert [hex(ord(part[row][0])) for row in rows] == []


def test_only_printable_ascii_without_entities_skips_cleaning() -> None:
    found = [n for n in range(sys.maxunicode + 1) if plain(chr(n))]
    assert found == [n for n in range(32, 127) if chr(n) != "&"]
    assert not plain("caf\u00e9")


@given(st.text(st.sampled_from([chr(n) for n in range(32, 127) if chr(n) != "&"]), max_size=60))
def test_cleaning_leaves_plain_captions_alone(caption: str) -> None:
    assert plain(caption)
    assert basic_clean(caption) == caption.strip()


@BOTH
def test_counts_include_what_is_cut_off(kind: str) -> None:
    count = token_counter(SLOW[kind])
    assert count is not None
    captions = CAPTIONS + SCRIPTS
    assert token_counter(FAST[kind])(captions) == count(captions)  # type: ignore[misc]


def test_minilm_reads_captions_uncleaned() -> None:
    own = tokenizers.Tokenizer.from_file(str(minilm_folder() / "tokenizer.json"))
    own.no_padding()
    own.enable_truncation(256)
    made = of_word_pieces(own, clean=str, context=256)
    assert made is not None
    captions = CAPTIONS + SCRIPTS
    tokens, lengths = made.rows(captions)
    wanted = [item.ids for item in own.encode_batch(captions)]
    assert lengths.tolist() == [len(ids) for ids in wanted]
    assert tokens.shape[1] == max(lengths)
    for row, ids in zip(tokens.tolist(), wanted, strict=True):
        assert row == ids + [0] * (len(row) - len(ids))


def test_another_context_length_cuts_off_earlier() -> None:
    short = SimpleTokenizer(context_length=5)
    captions = ["a", "a vase on", "a vase on a", "a vase on a table"]
    assert fast(short)(captions).equal(short(captions))
    assert fast(short)(captions).shape == (4, 5)


class Marked(SimpleTokenizer):
    """A kind of its own."""


@pytest.mark.parametrize(
    "tokenizer",
    [
        SimpleTokenizer(clean="canonicalize"),
        SimpleTokenizer(additional_special_tokens=["<mask>"]),
        SimpleTokenizer(reduction_mask="simple"),
        Marked(),
    ],
    ids=["cleaning", "marks", "reduction", "kind"],
)
def test_other_tokenizers_of_open_clip_stay(tokenizer: Any) -> None:
    assert fast(tokenizer) is tokenizer


@pytest.mark.parametrize("clean", ["canonicalize", "lower"])
def test_other_tokenizers_of_hugging_face_only_clean_faster(clean: str) -> None:
    slow = HFTokenizer(str(minilm_folder()), clean=clean)
    quick = fast(slow)
    assert type(quick) is HFTokenizer
    assert quick.clean_fn is not slow.clean_fn
    assert quick(CAPTIONS + SCRIPTS).equal(slow(CAPTIONS + SCRIPTS))


def test_words_are_forgotten_when_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_tokenizer, "_MOST_WORDS", 20)
    made = fast(CLIP)
    for _ in range(3):
        assert made(CAPTIONS).equal(CLIP(CAPTIONS))


def test_several_threads_share_the_words() -> None:
    made = fast(CLIP)
    captions = [f"word{n} and thing{n % 7}" for n in range(400)]
    wanted = CLIP(captions)
    found: dict[int, Any] = {}

    def work(thread: int) -> None:
        order = np.random.default_rng(thread).permutation(len(captions))
        found[thread] = bool(made([captions[row] for row in order]).equal(wanted[order]))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == dict.fromkeys(range(4), True)

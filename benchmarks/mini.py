"""Accuracy of the bundled model on photographs, the icon world and unseen classes.

    python benchmarks/mini.py --flickr8k FLICKR8K.parquet --caltech101 CALTECH101.parquet

FLICKR8K has the columns `split`, `captions` (five each) and `jpeg`; CALTECH101 has `label` and
`jpeg`. Everything is embedded with the encoder of the `embed` stage. The world uses its test split:
"seen" scenes have only objects, hazards and phrasings that occur in training, "held out" scenes
have at least one that does not.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.float32]


def main() -> None:
    """Embed, compare, print tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--flickr8k")
    parser.add_argument("--caltech101")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--scenes", type=int, default=1000, help="Test scenes of each kind.")
    options = parser.parse_args()
    encoder = _Encoder(options.model)
    print("| | pairs | T→V R@1 | T→V R@10 | V→T R@1 | V→T R@10 |\n|---|---|---|---|---|---|")
    if options.flickr8k:
        _flickr(encoder, options.flickr8k)
    for label in ("safe", "unsafe"):
        _world(encoder, label, options.scenes)
    if options.caltech101:
        _caltech(encoder, options.caltech101)
    print(
        f"\n{encoder.captions / encoder.text_s:,.0f} captions/s, "
        f"{encoder.pictures / encoder.image_s:,.0f} pictures/s (decoded from JPEG)"
    )


class _Encoder:
    """The encoder, with timing."""

    def __init__(self, model: str) -> None:
        from nsfwcaps.models.create import load

        self._encoder = load(model)
        self.captions = self.pictures = 0
        self.text_s = self.image_s = 0.0

    def text(self, captions: Sequence[str]) -> Rows:
        start = time.monotonic()
        rows = self._encoder.encode_text(captions, lambda done: None).rows
        self.captions += len(captions)
        self.text_s += time.monotonic() - start
        return rows

    def images(self, files: Sequence[bytes]) -> Rows:
        start = time.monotonic()
        get: list[tuple[str, Callable[[], bytes]]] = [
            ("", lambda data=data: data) for data in files
        ]
        encoded = self._encoder.encode_images(get, lambda done: None)
        assert not encoded.failed
        self.pictures += len(files)
        self.image_s += time.monotonic() - start
        return encoded.rows


def _flickr(encoder: _Encoder, path: str) -> None:
    import pyarrow.parquet as pq

    table = pq.read_table(path, filters=[("split", "==", "test")])
    captions = table["captions"].to_pylist()
    owner = np.repeat(np.arange(len(captions)), [len(item) for item in captions])
    text = encoder.text([text for item in captions for text in item])
    _print("Flickr8k test", text, encoder.images(table["jpeg"].to_pylist()), owner)


def _world(encoder: _Encoder, label: str, count: int) -> None:
    from nsfwcaps.enums import Split
    from nsfwcaps.world.world import World

    world = World(seed=0, split=Split.TEST, looseness=2, safe_count=count)
    drawn = [getattr(world, label)(number) for number in range(count)]
    text = encoder.text([item.caption for item in drawn])
    images = encoder.images([item.image for item in drawn])
    held_out = np.array([item.held_out for item in drawn])
    owner = np.arange(count)
    _print(f"world test, {label}", text, images, owner)
    _print(f"world test, {label}: seen", text, images, owner, queries=~held_out)
    _print(f"world test, {label}: held out", text, images, owner, queries=held_out)


def _print(
    name: str,
    text: Rows,
    images: Rows,
    owner: npt.NDArray[np.int64],
    queries: npt.NDArray[np.bool_] | None = None,
) -> None:
    """Print recalls of captions `[c, d]` and images `[n, d]`; `owner` `[c]` is a caption's image.

    `queries` `[n]` restricts the queries, not the candidates; it needs one caption per image.
    """
    sims = text @ images.T  # [c, n]
    to_image = (sims > sims[np.arange(len(text)), owner][:, None]).sum(axis=1)  # [c]
    best = np.full(len(images), -np.inf, dtype=np.float32)
    np.maximum.at(best, owner, sims[np.arange(len(text)), owner])
    to_text = (sims > best[None, :]).sum(axis=0)  # [n]
    if queries is not None:
        to_image, to_text = to_image[queries], to_text[queries]
    figures = [(ranks < k).mean() for ranks in (to_image, to_text) for k in (1, 10)]
    print(
        f"| {name} | {len(to_text):,} | " + " | ".join(f"{value:.3f}" for value in figures) + " |"
    )


def _caltech(encoder: _Encoder, path: str) -> None:
    import open_clip
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    labels = table["label"].to_pylist()
    names = sorted(set(labels))
    truth = np.array([names.index(label) for label in labels])
    images = encoder.images(table["jpeg"].to_pylist())
    words = [name.replace("_", " ").replace("-", " ").lower() for name in names]
    templates: dict[str, list[Any]] = {
        '"a photo of a {}."': [lambda word: f"a photo of a {word}."],
        "80 templates of OpenAI": list(open_clip.OPENAI_IMAGENET_TEMPLATES),
    }
    print("\n| Caltech-101, zero-shot | images | acc@1 | acc@5 |\n|---|---|---|---|")
    for name, forms in templates.items():
        text = encoder.text([form(word) for word in words for form in forms])
        classes = text.reshape(len(words), len(forms), -1).mean(axis=1)
        classes /= np.linalg.norm(classes, axis=1, keepdims=True)
        sims = images @ classes.T  # [n, c]
        ranks = (sims > sims[np.arange(len(truth)), truth][:, None]).sum(axis=1)
        first, five = (ranks < 1).mean(), (ranks < 5).mean()
        print(f"| {name} | {len(truth)} | {first:.3f} | {five:.3f} |")


if __name__ == "__main__":
    main()

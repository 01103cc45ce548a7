"""Training of the heads on made-up features: the same from the same seed, and it learns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nsfwcaps.encoders.mini.model import create, head_tensors, imagenet_classifier
from nsfwcaps.enums import Split
from nsfwcaps.progress import Silent
from nsfwcaps.world.world import World
from tools.mini.features import Towers
from tools.mini.mixture import Classes, Pairs, classes, photographs, scenes
from tools.mini.train import Recipe, recall, train

RECIPE = Recipe(steps=12, warmup_steps=2, photographs=24, scenes=8, prototypes=16)


def made_up(count: int, captions: int, *, mirrored: bool, seed: int) -> Pairs:
    """Pairs whose captions follow from their pictures, by a map that heads can learn."""
    draw = torch.Generator().manual_seed(seed)
    images = torch.rand(count, 1280, generator=draw)
    into = torch.randn(1280, 384, generator=torch.Generator().manual_seed(1)) / 20
    words = (images - 0.5) @ into
    noise = torch.randn(count, captions, 384, generator=draw) / 50
    return Pairs(
        images=images,
        mirrored=images + 0.01 if mirrored else None,
        captions=words[:, None] + noise,
    )


def known_classes() -> Classes:
    rows, bias = imagenet_classifier()
    draw = torch.Generator().manual_seed(3)
    words = torch.randn(1000, 384, generator=draw)
    return Classes(captions=torch.stack([words, words]), rows=rows, bias=bias, shifts=rows / 4)


@pytest.fixture(scope="module")
def learnt() -> Callable[[Recipe], Any]:
    """Return a function that trains new heads on the same made-up features."""

    def run(recipe: Recipe) -> Any:
        model = create(heads=None, seed=recipe.seed)[0]
        photos = made_up(48, 5, mirrored=True, seed=5)
        drawn = made_up(32, 1, mirrored=False, seed=6)
        train(model, photos, drawn, known_classes(), recipe, Silent())
        return model

    return run


@pytest.fixture(scope="module")
def once(learnt: Callable[[Recipe], Any]) -> Any:
    return learnt(RECIPE)


def test_same_seed_gives_the_same_heads(once: Any, learnt: Callable[[Recipe], Any]) -> None:
    torch.manual_seed(99)  # what was drawn before does not matter
    again = head_tensors(learnt(RECIPE))
    assert all(torch.equal(tensor, again[name]) for name, tensor in head_tensors(once).items())
    other = head_tensors(learnt(replace(RECIPE, seed=1)))
    assert not torch.equal(other["text.proj.0.weight"], again["text.proj.0.weight"])


def test_heads_alone_are_trained(once: Any) -> None:
    start = create(heads=None, seed=RECIPE.seed)[0].state_dict()
    trained = set(head_tensors(once))
    changed = {name for name, t in once.state_dict().items() if not torch.equal(t, start[name])}
    assert changed == trained


def test_training_finds_the_map(once: Any, learnt: Callable[[Recipe], Any]) -> None:
    pairs = made_up(48, 5, mirrored=False, seed=5)
    untrained = recall(create(heads=None, seed=0)[0], pairs, RECIPE)
    assert untrained < 0.2
    assert recall(learnt(replace(RECIPE, steps=60)), pairs, RECIPE) > max(0.6, untrained)


def test_model_is_left_as_it_is_used(once: Any) -> None:
    assert not any(module.training for module in once.modules())
    assert once.visual.head.mlp.drop1.p == 0.0


def test_batch_takes_a_caption_of_each_picture() -> None:
    torch.manual_seed(0)
    pairs = made_up(10, 3, mirrored=True, seed=0)
    rows, images, captions = pairs.batch(6)
    assert len(set(rows.tolist())) == 6
    assert pairs.mirrored is not None
    for row, image, text in zip(rows.tolist(), images, captions, strict=True):
        as_is = torch.equal(image, pairs.images[row])
        assert as_is != torch.equal(image, pairs.mirrored[row])
        assert any(torch.equal(text, caption) for caption in pairs.captions[row])


def test_prototypes_are_what_the_classifier_takes_them_for() -> None:
    torch.manual_seed(0)
    known = known_classes()
    photos = torch.rand(64, 1280)
    made, wanted = known.prototypes(200, photos)
    assert made.shape == (200, 1280)
    right = (known.opinion(made).argmax(dim=1) == wanted).float().mean()
    assert right > 0.8  # of a thousand classes
    assert made.max() <= 6.0 or torch.isclose(made.norm(dim=1).max(), photos.norm(dim=1).mean())


def test_opinion_is_a_distribution() -> None:
    opinion = known_classes().opinion(torch.rand(3, 1280))
    torch.testing.assert_close(opinion.sum(dim=1), torch.ones(3))


@pytest.fixture(scope="module")
def towers(tmp_path_factory: pytest.TempPathFactory) -> Towers:
    return Towers(*create(heads=None), tmp_path_factory.mktemp("cache"))


def test_features_are_those_of_the_model_below_its_heads(towers: Towers) -> None:
    model, preprocess, tokenizer = create(heads=None)
    world = World(seed=2, split=Split.TRAIN, looseness=2, safe_count=3)
    drawn = [world.safe(number) for number in range(3)]
    words = towers.captions("c", [item.caption for item in drawn], Silent())
    pixels = torch.from_numpy(towers.images("i", [item.image for item in drawn], Silent()))
    with torch.inference_mode():
        whole = model.encode_text(tokenizer([item.caption for item in drawn]))
        torch.testing.assert_close(
            model.text.proj(torch.from_numpy(words)), whole, atol=1e-4, rtol=0
        )
        from_head = model.visual.head(pixels)
        import io

        from PIL import Image

        opened = [preprocess(Image.open(io.BytesIO(item.image))) for item in drawn]
        direct = model.encode_image(torch.stack(opened))
    torch.testing.assert_close(from_head, direct, atol=1e-3, rtol=0)


def test_features_are_computed_once(towers: Towers, monkeypatch: pytest.MonkeyPatch) -> None:
    first = towers.captions("c", ["a vase", "a red cup"], Silent())
    monkeypatch.setattr(towers, "_tokenizer", None)
    assert np.array_equal(towers.captions("c", ["a vase", "a red cup"], Silent()), first)


def test_parts_of_the_mixture_have_their_shapes(
    towers: Towers, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(seed=3, split=Split.TRAIN, looseness=2, safe_count=2)
    jpegs = [world.safe(number).image for number in range(2)]
    photos = photographs(towers, jpegs, [["a", "b"], ["c", "d"]], Silent(), mirror=True)
    assert photos.images.shape == (2, 1280)
    assert photos.mirrored is not None
    assert not torch.equal(photos.images, photos.mirrored)
    assert photos.captions.shape == (2, 2, 384)
    drawn = scenes(towers, Split.VALIDATION, 4, Silent())
    assert drawn.mirrored is None
    assert drawn.captions.shape == (4, 1, 384)
    import open_clip

    monkeypatch.setattr(open_clip, "IMAGENET_CLASSNAMES", ["tench", "goldfish"])
    known = classes(towers, torch.rand(5, 1280), Silent())
    assert known.captions.shape == (19, 2, 384)
    assert known.shifts.shape == (1000, 1280)


def test_shipped_heads_say_where_they_come_from() -> None:
    from safetensors import safe_open

    from nsfwcaps.encoders.mini.model import HEADS

    with safe_open(HEADS, framework="pt") as file:
        facts = file.metadata()
    assert facts["seed"] == "0"
    assert len(facts["flickr8k_sha256"].strip('"')) == 64
    assert float(facts["flickr8k dev, R@1 from text to image"]) > 0.2
    assert Path(HEADS).stat().st_size < 6_000_000

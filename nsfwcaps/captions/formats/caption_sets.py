"""Caption sets in JSON: COCO and NoCaps, and Karpathy's splits of COCO and Flickr."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import ijson

from nsfwcaps.captions.folders.choices import ALL
from nsfwcaps.captions.formats.json_stream import Document
from nsfwcaps.captions.rows import BadRow, Row


def coco(document: Document) -> Iterator[Row | BadRow]:
    """Read COCO captions or NoCaps: file names in `images[]`, captions in `annotations[]`.

    A caption whose image is not listed has none: its `image_name` is None.

    Raises:
        InputError: there are no annotations, or they are no captions.
    """
    found = False
    try:
        with document.stream() as file:
            names = {i["id"]: i.get("file_name") for i in ijson.items(file, "images.item")}
        with document.stream() as file:
            for note in ijson.items(file, "annotations.item", use_float=True):
                if not found and "caption" not in note:
                    raise document.refused(
                        "its annotations[] are no captions; COCO's are in captions_*.json"
                    )
                found = True
                name = names.get(note.get("image_id"))
                yield {"caption": note.pop("caption", None), "image_name": name, **note}
    except (KeyError, AttributeError, TypeError):
        raise document.refused("not valid COCO captions JSON; fix the file") from None
    if not found:
        raise document.refused(
            "expected COCO captions, found no annotations[]; for JSON lines use the "
            "extension .jsonl"
        )


def karpathy(document: Document) -> Iterator[Row | BadRow]:
    """Read `dataset_coco.json` and its kin: a row for each image, with its captions as a list.

    Source: A. Karpathy, L. Fei-Fei, Deep Visual-Semantic Alignments, CVPR 2015. Its split
    `restval` is one of its own here: images of COCO's val that many papers train on.

    Raises:
        InputError: no image is of the split asked for.
    """
    asked = document.options.split
    wanted = None if asked in (None, ALL) else {part.strip() for part in str(asked).split("+")}
    seen: Counter[str] = Counter()
    with document.stream() as file:
        for image in ijson.items(file, "images.item", use_float=True):
            if not isinstance(image, dict) or not isinstance(image.get("sentences"), list):
                yield BadRow("no_sentences", b"")
                continue
            split = str(image.get("split"))
            seen[split] += 1
            if wanted is None or split in wanted:
                yield _of_image(image)
    if missing := sorted((wanted or set()) - set(seen)):
        raise document.refused(
            f"--split {asked}: no '{missing[0]}' among its splits: {', '.join(sorted(seen))}"
        )


def _of_image(image: Row) -> Row:
    folder, name = image.get("filepath"), image.get("filename")
    sentences = [item for item in image["sentences"] if isinstance(item, dict)]
    return {
        "caption": [item.get("raw") for item in sentences],
        "image_name": f"{folder}/{name}" if folder else name,
        **{key: image[key] for key in ("split", "cocoid", "imgid") if key in image},
    }

"""Classification sets: three layouts, one meaning."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.set_files import png, write, write_table, write_tar

from nsfwcaps.enums import Split
from nsfwcaps.errors import InputError
from nsfwcaps.evaluation.datasets.class_sets import ClassSet, ClassSetRequest, read_class_set
from nsfwcaps.progress import Silent


def read(path: Path, split: Split | None = None, **files: Any) -> ClassSet:
    return read_class_set(ClassSetRequest(name="some", url=str(path), **files), split, Silent())


def shown(found: ClassSet) -> list[tuple[bytes, str]]:
    """Each picture's bytes and the name of its class, in a fixed order."""
    pictures = [found.pictures.images[row][1]() for row in found.image_of]
    names = [found.class_names[label] for label in found.labels]
    return sorted(zip(pictures, names, strict=True))


EXPECTED = sorted([(png(0), "tabby cat"), (png(1), "dog"), (png(2), "dog")])
LABELS = ("tabby_cat", "dog", "dog")


def folder(path: Path) -> Path:
    for number, label in enumerate(LABELS):
        write(path / label / f"{number}.png", png(number))
    return path


def features(names: list[str]) -> dict[str, Any]:
    label = {"names": names, "_type": "ClassLabel"}
    return {"huggingface": json.dumps({"info": {"features": {"label": label}}})}


def test_a_folder_for_each_class(tmp_path: Path) -> None:
    found = read(folder(tmp_path / "set"))
    assert shown(found) == EXPECTED
    assert len(found.templates) == 80
    assert all("{c}" in template for template in found.templates)


def test_a_folder_that_is_cut_into_splits(tmp_path: Path) -> None:
    folder(tmp_path / "set" / "val")
    write(tmp_path / "set" / "train" / "dog" / "9.png", png(9))
    assert shown(read(tmp_path / "set", Split.VALIDATION)) == EXPECTED
    with pytest.raises(InputError, match="no split test; found train, val: choose"):
        read(tmp_path / "set")


def test_a_table_with_numbers_and_the_names_of_hugging_face(tmp_path: Path) -> None:
    rows = [
        {"image": {"bytes": png(n), "path": None}, "label": int(name == "dog")}
        for n, name in enumerate(LABELS)
    ]
    path = tmp_path / "set" / "data" / "test-00000-of-00001.parquet"
    write_table(path, rows, **features(["tabby cat", "dog"]))
    assert shown(read(tmp_path / "set")) == EXPECTED


def test_a_table_with_words(tmp_path: Path) -> None:
    rows = [{"image": png(n), "label": name} for n, name in enumerate(LABELS)]
    assert shown(read(write_table(tmp_path / "set.parquet", rows))) == EXPECTED


def webdataset(path: Path, **more: bytes) -> Path:
    """CLIP_benchmark's layout."""
    for number, label in enumerate(LABELS):
        name = f"s{number:07d}"
        files = {f"{name}.png": png(number), f"{name}.cls": str(int(label == "dog")).encode()}
        write_tar(path / "test" / f"{number}.tar", files)
    write(path / "test" / "nshards.txt", b"3\n")
    write(path / "classnames.txt", b"tabby cat\ndog\n")
    write(path / "zeroshot_classification_templates.txt", b"a photo of a {c}.\n")
    for name, data in more.items():
        write(path / f"{name}.txt", data)
    return path


def test_a_webdataset_brings_names_and_templates(tmp_path: Path) -> None:
    found = read(webdataset(tmp_path / "set"))
    assert shown(found) == EXPECTED
    assert found.templates == ["a photo of a {c}."]


def test_one_tar_file_of_a_webdataset(tmp_path: Path) -> None:
    found = read(webdataset(tmp_path / "set") / "test" / "1.tar")
    assert shown(found) == [(png(1), "dog")]


def test_names_and_templates_from_files(tmp_path: Path) -> None:
    path = folder(tmp_path / "set")
    names = write(tmp_path / "names.json", b'{"tabby_cat": "cat", "dog": "hound", "eel": "eel"}')
    templates = write(tmp_path / "templates.txt", b"a {}\n\nthe {c}\n")
    found = read(path, classes=names, templates=templates)
    assert shown(found) == sorted([(png(0), "cat"), (png(1), "hound"), (png(2), "hound")])
    assert found.counts["classes without images"] == 1
    assert found.templates == ["a {}", "the {c}"]
    assert (found.templates_of, found.notes) == ("templates.txt", [])


def test_default_templates_are_noted_where_they_are_not_of_the_set(tmp_path: Path) -> None:
    found = read(folder(tmp_path / "set"))
    assert (len(found.templates), found.templates_of) == (80, "OpenAI's for ImageNet")
    (note,) = found.notes
    assert note.startswith("the templates are ImageNet's, by default")
    imagenet = replace(found, class_names=[f"class {number}" for number in range(1000)])
    assert imagenet.notes == []


def test_templates_of_clip_benchmark_by_name(tmp_path: Path) -> None:
    pytest.importorskip("clip_benchmark")
    found = read(folder(tmp_path / "set"), templates="clip_benchmark:cifar10")
    assert len(found.templates) == 18
    assert found.templates[:2] == ["a photo of a {c}.", "a blurry photo of a {c}."]
    assert (found.templates_of, found.notes) == ("clip_benchmark:cifar10", [])
    with pytest.raises(InputError, match=r"has no such set; it has .*caltech101, cars"):
        read(folder(tmp_path / "set"), templates="clip_benchmark:cups")


def test_templates_of_an_empty_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"name of the set is empty; write clip_benchmark:SET"):
        read(folder(tmp_path / "set"), templates="clip_benchmark:")


def test_templates_by_name_need_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install clip-benchmark"):
        read(folder(tmp_path / "set"), templates="clip_benchmark:cifar10")


def test_a_list_names_classes_in_the_order_of_their_labels(tmp_path: Path) -> None:
    path = folder(tmp_path / "set")
    found = read(path, classes=write(tmp_path / "names.txt", b"hound\ncat\n"))  # dog, tabby_cat
    assert shown(found) == sorted([(png(0), "cat"), (png(1), "hound"), (png(2), "hound")])


def test_a_picture_in_two_classes_is_two_rows(tmp_path: Path) -> None:
    path = folder(tmp_path / "set")
    write(path / "dog" / "again.png", png(0))
    found = read(path)
    assert len(found.pictures) == 3
    assert shown(found) == sorted([*EXPECTED, (png(0), "dog")])


NUMBERS = [{"image": png(n), "label": n} for n in range(3)]


@pytest.mark.parametrize(
    ("rows", "classes", "told"),
    [
        (NUMBERS, b"one\ntwo\n", "names 2 classes but the labels of .* go up to 2"),
        (NUMBERS, b"one\n\nthree\n", "class 2 has an empty name"),
        (NUMBERS, b"", "no class names"),
        (NUMBERS, b'{"0": "a", "1": "b"}', "names 2 classes but lacks 1 of the 3 labels"),
        (NUMBERS, b"{broken", "looks like JSON but does not parse"),
        ([{"image": png(n), "label": "abc"[n]} for n in range(3)], b"x\ny\n", "has 3 labels"),
    ],
)
def test_a_class_file_that_does_not_fit(
    tmp_path: Path, rows: list[dict[str, Any]], classes: bytes, told: str
) -> None:
    path = write_table(tmp_path / "set.parquet", rows)
    with pytest.raises(InputError, match=told):
        read(path, classes=write(tmp_path / "names.txt", classes))


def test_numbers_without_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give the class names, one per line, with --classes"):
        read(write_table(tmp_path / "set.parquet", NUMBERS))


def test_an_empty_class_is_named(tmp_path: Path) -> None:
    path = folder(tmp_path / "set")
    (path / "eel").mkdir()
    with pytest.raises(InputError, match=r"1 of 3 classes have no images \(eel\)"):
        read(path)


def test_sets_of_other_kinds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="says 'multilabel'"):
        read(webdataset(tmp_path / "set", dataset_type=b"multilabel\n"))
    with pytest.raises(InputError, match="no label column"):
        read(write_table(tmp_path / "a.parquet", [{"image": png(1)}]))
    with pytest.raises(InputError, match="expected a folder with one image folder per class"):
        read(write(tmp_path / "a.xyz", b"1"))
    with pytest.raises(InputError, match="compressed"):
        read(write_tar(tmp_path / "b.tar", {"a.png": png(1)}, "w:gz"))


def test_a_template_without_a_place_is_refused(tmp_path: Path) -> None:
    path = folder(tmp_path / "set")
    with pytest.raises(InputError, match=r"template 2 lacks \{c\}"):
        read(path, templates=write(tmp_path / "t.txt", b"a {c}\nplain\n"))


def test_missing_pictures_and_labels_are_counted(tmp_path: Path) -> None:
    rows = [
        {"image_path": "there.png", "label": "cup"},
        {"image_path": "gone.png", "label": "cup"},
        {"image_path": "there.png", "label": None},
    ]
    write(tmp_path / "there.png", png(1))
    found = read(write_table(tmp_path / "set.parquet", rows))
    assert found.left_out == {"image_missing": 1, "label_missing": 1}
    assert found.labels.tolist() == [0]

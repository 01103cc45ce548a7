"""Which text file belongs to which image, by their paths."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence

from nsfwcaps.captions.folders.members import stem


def owners(texts: Sequence[str], images: Collection[str]) -> dict[str, str]:
    """Return the stem of the image of each text that has one.

    It lies beside the text, or in a folder of images beside a folder of texts.

    >>> owners(["22.0/1.1.txt", "a/1.txt", "t/2.txt"], {"22.0/1.1", "a/1", "i/2"})
    {'22.0/1.1.txt': '22.0/1.1', 'a/1.txt': 'a/1', 't/2.txt': 'i/2'}
    """
    found = {name: image for name in texts if (image := owner(name, images)) is not None}
    folders = {_folder(image) for image in images}
    apart = [name for name in texts if name not in found and _folder(name) not in folders]
    if not apart:
        return found
    with_texts = {_folder(name) for name in found}
    places = defaultdict(set)
    for image in images:
        if _folder(image) not in with_texts:
            for place in _places(image):
                places[place].add(image)
    for name in apart:
        candidates = {
            image
            for base in _bases(stem(name))
            for place in _places(base)
            for image in places[place]
        }
        if len(candidates) == 1:
            found[name] = candidates.pop()
    return found


def owner(name: str, images: Collection[str]) -> str | None:
    """Return the image stem that a file's stem is or extends, as `k.0` does `k`; None without one.

    >>> owner("22.0/1.1.txt", {"22.0/1.1", "22.0/1"}), owner("k.0.txt", {"k"}), owner("a.txt", {})
    ('22.0/1.1', 'k', None)
    """
    return next((base for base in _bases(stem(name)) if base in images), None)


def parent(paths: Iterable[str]) -> str:
    """Return the folder that all files are in, with a slash at its end unless it is the root."""
    folders = [path.split("/")[:-1] for path in paths]
    shared = []
    for parts in zip(*folders, strict=False):
        if len({*parts}) > 1:
            break
        shared.append(parts[0])
    return "".join(f"{part}/" for part in shared)


def _bases(path: str) -> Iterator[str]:
    """A stem, and what is left of it without its last dotted parts."""
    folder, slash, base = path.rpartition("/")
    while base:
        yield folder + slash + base
        base = base.rpartition(".")[0]


def _places(path: str) -> Iterator[tuple[int, str]]:
    """Paths without one of their folders, and the depth of that."""
    *folders, base = path.split("/")
    for depth in range(len(folders)):
        yield depth, "/".join((*folders[:depth], "", *folders[depth + 1 :], base))


def _folder(path: str) -> str:
    return path.rpartition("/")[0]

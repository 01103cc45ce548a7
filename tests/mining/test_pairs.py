"""Mining on arrays, in blocks of any size and with a memo of any kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.tensor_cores import TensorCores

from nsfwcaps.enums import Device, Rank, Similarity
from nsfwcaps.errors import ConfigError
from nsfwcaps.mining import targets
from nsfwcaps.mining.candidates import ExactSearch, Task, candidate_depth, spans
from nsfwcaps.mining.memo import InMemory
from nsfwcaps.mining.pairs import MinedPairs, MiningMethod, check, choose, choose_partners
from nsfwcaps.mining.ranking import TextKeys, local_density, of_other_text
from nsfwcaps.mining.search import find_candidates
from nsfwcaps.mining.similarity import Compared, Pools, compared
from nsfwcaps.mining.space import Space
from nsfwcaps.mining.targets import Weighing, target_blocks, targets_among
from nsfwcaps.progress import Advance, Silent
from nsfwcaps.vectors.array import VectorArray
from nsfwcaps.vectors.index import BlockSearch, Rows
from nsfwcaps.vectors.nearest import PartNeighbours, merge
from nsfwcaps.vectors.source import Half
from nsfwcaps.vectors.store import VectorTable

UnitRows = Callable[..., Half]

PLAIN = Weighing(rank=Rank.COSINE, csls_k=10, beta=20.0, reciprocal=None)
CSLS = Weighing(rank=Rank.CSLS, csls_k=4, beta=20.0, reciprocal=9)
SOFTMAX = Weighing(rank=Rank.INVERTED_SOFTMAX, csls_k=10, beta=20.0, reciprocal=None)


def space_of(unsafe: Half, safe: Half, memory_bytes: int = 2**26) -> Space:
    return Space(
        unsafe=VectorArray(unsafe),
        safe=VectorArray(safe),
        device=BlockSearch(Device.CPU),
        memory_bytes=memory_bytes,
    )


def method(weighing: Weighing = PLAIN, **changes: Any) -> MiningMethod:
    names = ("candidates", "min_similarity", "min_candidate_similarity", "hub_cap", "index")
    values = {"k": 2, "similarity": Similarity.TEXT, "margin_duplicate": 1.0}
    values |= dict.fromkeys(names)
    return MiningMethod(weighing=weighing, **{**values, **changes})


def flat(pairs: MinedPairs) -> list[tuple[int, int, float, float]]:
    """Unsafe row, safe row, cosine and score of every pair, in order."""
    out = []
    for block, _, _ in pairs.blocks():
        values = (block.rows[block.query], block.targets, block.sims, block.scores)
        out += zip(*(array.tolist() for array in values), strict=True)
    return out


def mined(space: Space, how: MiningMethod, keys: TextKeys | None = None) -> MinedPairs:
    return choose(space, how, of(space, keys), memo=InMemory(), progress=Silent())


def of(space: Space, keys: TextKeys | None = None) -> Compared:
    return compared(
        Similarity.TEXT,
        Pools(unsafe=space.unsafe, safe=space.safe, keys=keys, pictures=None, picture_keys=None),
    )


@pytest.mark.parametrize("weighing", [PLAIN, CSLS, SOFTMAX], ids=lambda item: item.rank.value)
def test_memory_does_not_change_one_bit(unit_rows: UnitRows, weighing: Weighing) -> None:
    unsafe, safe = unit_rows(90, 16, seed=1), unit_rows(140, 16, seed=2)
    sizes = (2**26, 2**17, 2**15)
    # Half of 2¹⁷ bytes holds four queries: 6 bytes a dimension and 120 for each of 116 neighbours.
    assert [len(spans(space_of(unsafe, safe, size), 100)) for size in sizes] == [1, 23, 90]
    results = [mined(space_of(unsafe, safe, size), method(weighing, hub_cap=3)) for size in sizes]
    assert len(flat(results[0])) > 100
    assert flat(results[0]) == flat(results[1]) == flat(results[2])
    assert results[0].hub_counts.tolist() == results[2].hub_counts.tolist()


def test_disk_and_memory_agree(unit_rows: UnitRows, make_table: Callable[..., VectorTable]) -> None:
    unsafe, safe = unit_rows(60, 16, seed=3), unit_rows(80, 16, seed=4)
    on_disk = Space(
        unsafe=make_table(unsafe, [31, 29]),
        safe=make_table(safe, [10, 70]),
        device=BlockSearch(Device.CPU),
        memory_bytes=2**16,
    )
    how = method(SOFTMAX, hub_cap=2)
    assert flat(mined(on_disk, how)) == flat(mined(space_of(unsafe, safe), how))


def test_keys_keep_a_text_from_itself() -> None:
    rows = np.eye(2, dtype=np.float16)
    keys = TextKeys(unsafe=np.array([7, 8], np.uint64), safe=np.array([7, 9], np.uint64))
    found = [
        (unsafe, safe) for unsafe, safe, *_ in flat(mined(space_of(rows, rows), method(k=1), keys))
    ]
    assert found == [(0, 1), (1, 1)]


def test_candidates_that_are_absent_or_of_the_own_text_are_no_others() -> None:
    keys = TextKeys(unsafe=np.array([5, 6], np.uint64), safe=np.array([6, 5], np.uint64))
    rows = np.array([[0, 1, -1]])
    assert of_other_text(keys, 1, rows).tolist() == [[False, True, False]]
    assert of_other_text(None, 1, rows).tolist() == [[True, True, False]]


def test_density_is_the_mean_of_the_first_ten_others() -> None:
    sims = np.array([[1.0, *[0.5] * 10, 0.0]], dtype=np.float32)
    other = np.array([[False, *[True] * 11]])
    assert local_density(sims, other).tolist() == [0.5]
    assert local_density(sims, np.zeros_like(other)).tolist() == [0.0]


def test_partners_are_paired_and_their_margin_is_to_the_nearest_other() -> None:
    unsafe = np.array([[1, 0], [0, 1], [1, 0]], dtype=np.float16)
    safe = np.array([[0.5, 0.5], [0.75, 0.25]], dtype=np.float16)
    keys = TextKeys(unsafe=np.array([1, 2, 3], np.uint64), safe=np.array([4, 5], np.uint64))
    space = space_of(unsafe, safe)
    pairs = choose_partners(
        space,
        method(k=1),
        of(space, keys),
        np.array([0, 1, -1]),
        memo=InMemory(),
        progress=Silent(),
    )
    ((block, margins, _),) = pairs.blocks()
    assert (block.query.tolist(), block.targets.tolist()) == ([0, 1], [0, 1])
    assert margins.tolist() == [-0.25, -0.25]
    assert block.rejects == {2: "no_partner"}


class Counting(Silent):
    """Adds up the rows that each task hears of."""

    def __init__(self) -> None:
        self.rows: dict[str, list[int]] = {}

    def task(self, name: str, total: int | None, **how: Any) -> Any:
        heard = self.rows.setdefault(name, [total or 0, 0])

        class Task:
            def __enter__(self) -> Callable[[int], None]:
                heard[1] += how.get("done", 0)
                return lambda rows: heard.__setitem__(1, heard[1] + rows)

            def __exit__(self, *error: object) -> None: ...

        return Task()


def test_progress_ends_at_its_total(unit_rows: UnitRows) -> None:
    unsafe, safe = unit_rows(50, 16, seed=5), unit_rows(70, 16, seed=6)
    progress = Counting()
    space = space_of(unsafe, safe, 2**16)
    choose(space, method(SOFTMAX), of(space), memo=InMemory(), progress=progress)
    assert {name: done for name, (total, done) in progress.rows.items()} == {
        name: total for name, (total, _) in progress.rows.items()
    }
    assert set(progress.rows) == {"mine: search", "mine: hubness", "mine: targets"}


def test_blocks_that_a_memo_has_count_as_done_and_are_not_searched() -> None:
    rows = np.eye(4, dtype=np.float16)
    space, memo = space_of(rows, rows, 2**11), InMemory()
    assert spans(space, 4) == [(0, 1), (1, 2), (2, 3), (3, 4)]
    first = find_candidates(space, 4, ExactSearch(space, 4), memo=memo, progress=Silent())
    again, progress = Watched(space, 4), Counting()
    second = find_candidates(space, 4, again, memo=memo, progress=progress)
    assert again.tasks == []
    assert progress.rows == {"mine: search": [16, 16]}
    assert [start for start, _ in second] == [start for start, _ in first] == [0, 1, 2, 3]


class Watched(ExactSearch):
    """The exact search, remembering its tasks, and stopping after some of them."""

    def __init__(self, space: Space, depth: int, stop_after: int = 10**9) -> None:
        super().__init__(space, depth)
        self.tasks: list[tuple[int, Task]] = []
        self._left = stop_after

    def find(self, task: Task, lane: int, advance: Advance) -> PartNeighbours:
        if self._left == 0:
            raise KeyboardInterrupt
        self._left -= 1
        self.tasks.append((lane, task))
        return super().find(task, lane, advance)


def on_gpus(unsafe: Half, safe: Half, lanes: int, part_rows: int | None) -> Space:
    """Pretended GPUs, blocks of few unsafe rows, parts of few safe and unsafe rows."""
    return Space(
        unsafe=VectorArray(unsafe),
        safe=VectorArray(safe),
        device=TensorCores(lanes=lanes, max_k=16),
        memory_bytes=2**17,
        part_rows=part_rows,
    )


@pytest.mark.parametrize("weighing", [PLAIN, CSLS, SOFTMAX], ids=lambda item: item.rank.value)
@pytest.mark.parametrize("lanes", [1, 2, 3])
@pytest.mark.parametrize("part_rows", [None, 60, 23])
def test_devices_and_parts_do_not_change_one_bit(
    unit_rows: UnitRows,
    monkeypatch: pytest.MonkeyPatch,
    weighing: Weighing,
    lanes: int,
    part_rows: int | None,
) -> None:
    monkeypatch.setattr(targets, "_BLOCK_ROWS", 37)
    # One tile of each part, so that softmax sums differ by its parts only.
    unsafe, safe = unit_rows(90, 16, seed=1), unit_rows(140, 16, seed=2)
    how = method(weighing, hub_cap=3)
    expected = flat(mined(space_of(unsafe, safe), how))
    progress = Counting()
    space = on_gpus(unsafe, safe, lanes, part_rows)
    got = flat(choose(space, how, of(space), memo=InMemory(), progress=progress))
    if weighing is SOFTMAX:
        assert [pair[:3] for pair in got] == [pair[:3] for pair in expected]
        np.testing.assert_allclose([p[3] for p in got], [p[3] for p in expected], atol=1e-6)
    else:
        assert got == expected
    assert all(total == done for total, done in progress.rows.values())


@pytest.mark.parametrize("lanes", [1, 2])
def test_parts_are_the_outer_loop_and_lanes_share_them(unit_rows: UnitRows, lanes: int) -> None:
    space = on_gpus(unit_rows(12, 16), unit_rows(90, 16, seed=1), lanes, 30)
    search = Watched(space, 90)
    assert search.parts == [(0, 30), (30, 60), (60, 90)]
    blocks = spans(space, 90)
    assert len(blocks) > 2
    find_candidates(space, 90, search, memo=InMemory(), progress=Silent())
    for lane in range(lanes):
        own = [(task.part, task.span) for at, task in search.tasks if at == lane]
        assert own == [(part, span) for part in range(lane, 3, lanes) for span in blocks]


@pytest.mark.parametrize(
    ("rows", "lanes", "blocks"),
    [
        (20_000, 1, [20_000]),
        (20_000, 3, [6667, 6667, 6666]),
        (5000, 3, [4096, 904]),
        (4096, 2, [4096]),
    ],
)
def test_every_device_gets_a_share_of_the_unsafe_rows(
    rows: int, lanes: int, blocks: list[int]
) -> None:
    space = Space(
        unsafe=VectorArray(np.zeros((rows, 2), np.float16)),
        safe=VectorArray(np.zeros((1, 2), np.float16)),
        device=TensorCores(lanes=lanes),
        memory_bytes=2**30,
    )
    assert [stop - start for start, stop in spans(space, 1)] == blocks


def test_lanes_share_the_blocks_where_all_rows_fit(unit_rows: UnitRows) -> None:
    space = on_gpus(unit_rows(20, 16), unit_rows(90, 16, seed=1), 2, None)
    search = Watched(space, 90)
    blocks = spans(space, 90)
    find_candidates(space, 90, search, memo=InMemory(), progress=Silent())
    for lane in (0, 1):
        assert [task.span for at, task in search.tasks if at == lane] == blocks[lane::2]


@pytest.mark.parametrize("stop_after", [0, 1, 3, 5])
def test_a_search_in_parts_resumes_where_it_stopped(unit_rows: UnitRows, stop_after: int) -> None:
    unsafe, safe = unit_rows(12, 16), unit_rows(90, 16, seed=1)
    space, memo = on_gpus(unsafe, safe, 1, 30), InMemory()
    tasks = 3 * len(spans(space, 40))
    with pytest.raises(KeyboardInterrupt):
        find_candidates(space, 40, Watched(space, 40, stop_after), memo=memo, progress=Silent())
    rest = Watched(space, 40)
    found = find_candidates(space, 40, rest, memo=memo, progress=Silent())
    assert len(rest.tasks) == tasks - stop_after
    whole = space_of(unsafe, safe)
    expected = find_candidates(
        whole, 40, ExactSearch(whole, 40), memo=InMemory(), progress=Silent()
    )
    for name in ("rows", "sims"):
        ours, theirs = (
            np.concatenate([getattr(block, name) for _, block in blocks])
            for blocks in (found, expected)
        )
        np.testing.assert_array_equal(ours, theirs)


def test_targets_are_weighed_in_blocks_of_one_size(
    unit_rows: UnitRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets, "_BLOCK_ROWS", 3)
    rows = np.array([0, 2, 5, 7, 8, 9, 11])
    assert [(start, part.tolist()) for start, part in target_blocks(rows)] == [
        (0, [0, 2, 5]),
        (3, [7, 8, 9]),
        (6, [11]),
    ]


def test_targets_are_the_candidates_of_any_block() -> None:
    memo = InMemory()
    space = space_of(np.eye(3, dtype=np.float16), np.eye(3, dtype=np.float16))
    found = ExactSearch(space, 1).find(Task(span=(0, 2)), 0, lambda rows: None)
    memo.find((0, 2), lambda: (merge([found], 1), {}))
    assert targets_among(memo.candidates(), 3).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("safe_rows", "k", "candidates", "depth"),
    [(1000, 1, None, 100), (1000, 80, None, 160), (30, 1, None, 30), (1000, 1, 7, 7)],
)
def test_depth_is_what_k_needs(safe_rows: int, k: int, candidates: int | None, depth: int) -> None:
    assert candidate_depth(safe_rows, k=k, candidates=candidates) == depth


def test_k_beyond_the_safe_rows_is_refused() -> None:
    rows: Rows = np.eye(2, dtype=np.float16)
    check(space_of(rows, rows), method(k=2))
    with pytest.raises(ConfigError, match=r"k=3 needs at least as many safe captions, got 2"):
        check(space_of(rows, rows), method(k=3))

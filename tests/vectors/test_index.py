"""FAISS behind its two classes: exact blocks, approximate indexes, and devices that are absent."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from nsfwcaps.enums import Device
from nsfwcaps.errors import ConfigError, DeviceError
from nsfwcaps.vectors import index as index_module
from nsfwcaps.vectors import tile_search
from nsfwcaps.vectors.array import VectorArray
from nsfwcaps.vectors.exact import to_single
from nsfwcaps.vectors.index import (
    ApproximateIndex,
    BestRows,
    BlockSearch,
    Single,
    gpu_count,
    version,
    within_bits,
)
from nsfwcaps.vectors.nearest import HeldTable
from nsfwcaps.vectors.rounding import rounding_bound, tensor_core_bound
from nsfwcaps.vectors.source import Half

WIDTH = 32

FACTORIES = ["IVF8,Flat", "IVF8,PQ8x4", "OPQ8,IVF8,PQ8x4", "HNSW16", "PQ16x6", "IVF8,PQ8x4,RFlat"]


@pytest.fixture(scope="module")
def rows(unit_rows: Callable[..., Half]) -> Single:
    return to_single(unit_rows(1200, WIDTH, seed=1))


@pytest.fixture(scope="module")
def queries(unit_rows: Callable[..., Half]) -> Single:
    return to_single(unit_rows(50, WIDTH, seed=2))


def brute_force(queries: Single, rows: Single, k: int) -> np.ndarray:
    return np.argsort(-(queries.astype(np.float64) @ rows.astype(np.float64).T), axis=1)[:, :k]


def built(factory: str, rows: Single) -> ApproximateIndex:
    index = ApproximateIndex(factory, WIDTH, Device.CPU)
    index.train(rows)
    for start in range(0, len(rows), 500):
        index.add(rows[start : start + 500])
    return index


def test_block_search_ranks_by_inner_product_of_rows_that_are_not_unit(
    rows: Single, queries: Single
) -> None:
    scaled = rows * np.linspace(0.1, 10, len(rows), dtype=np.float32)[:, None]
    sims, found = BlockSearch(Device.CPU)(queries, scaled, 7)
    expected = brute_force(queries, scaled, 7)
    np.testing.assert_array_equal(found, expected)
    products = np.take_along_axis(queries @ scaled.T, expected, axis=1)
    np.testing.assert_allclose(sims, products, rtol=1e-5)


def test_cpu_search_has_no_limit_on_k() -> None:
    search = BlockSearch(Device.CPU)
    assert (search.devices, search.device, search.max_k) == (("cpu",), "cpu", None)
    assert (search.resident, search.engine) == (False, "faiss")
    assert search.error_bound(768) == rounding_bound(768)


def test_all_gpus_that_faiss_and_torch_find_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "gpu_count", lambda: 3)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    for asked in (Device.AUTO, Device.CUDA):
        search = BlockSearch(asked)
        assert (search.devices, search.device) == (("cuda:0", "cuda:1"), "cuda")
        assert (search.resident, search.engine, search.max_k) == (True, "tiles", None)
        assert search.error_bound(768) == tensor_core_bound(768)
    assert BlockSearch(Device.CPU).devices == ("cpu",)


def test_faiss_searches_on_gpus_where_torch_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "gpu_count", lambda: 1)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setattr(tile_search, "available", lambda: False)
    search = BlockSearch(Device.CUDA)
    assert (search.resident, search.engine, search.max_k) == (True, "faiss", 2048)
    assert search.error_bound(768) == tensor_core_bound(768)


def test_best_rows_merge_blocks_into_one_ranking() -> None:
    best = BestRows(1, 3)
    best.add(np.array([[0.5, 0.1]], np.float32), np.array([[0, 1]]))
    best.add(np.array([[0.9, 0.3]], np.float32), np.array([[7, 5]]))
    sims, found = best.result()
    assert found.tolist() == [[7, 0, 5]]
    np.testing.assert_allclose(sims, [[0.9, 0.5, 0.3]], rtol=1e-6)


@pytest.mark.skipif(gpu_count() > 0, reason="this machine has a GPU")
def test_auto_is_the_cpu_where_there_is_no_gpu() -> None:
    assert BlockSearch(Device.AUTO).device == "cpu"
    assert ApproximateIndex("Flat", WIDTH, Device.AUTO).device == "cpu"


def test_cuda_where_there_is_none_is_an_error_and_never_the_cpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(index_module, "gpu_count", lambda: 0)
    with pytest.raises(DeviceError, match="device=cuda was requested, but FAISS finds no GPU"):
        BlockSearch(Device.CUDA)
    with pytest.raises(DeviceError, match="--device cpu"):
        ApproximateIndex("IVF8,Flat", WIDTH, Device.CUDA)


@pytest.mark.skipif(gpu_count() == 0, reason="needs a GPU")
@pytest.mark.parametrize("width", [24, 30, 384])
@pytest.mark.parametrize("k", [5, 3000])
@pytest.mark.parametrize("part_rows", [None, 4096])
@pytest.mark.parametrize(
    ("engine", "tile_bytes"), [("tiles", 2**20), ("tiles", 2**26), ("faiss", 0)]
)
def test_gpus_give_the_neighbours_of_the_cpu(
    unit_rows: Callable[..., Half],
    monkeypatch: pytest.MonkeyPatch,
    width: int,
    k: int,
    part_rows: int | None,
    engine: str,
    tile_bytes: int,
) -> None:
    monkeypatch.setattr(tile_search, "available", lambda: engine == "tiles")
    monkeypatch.setattr(tile_search, "tile_bytes", lambda device: tile_bytes)
    table, queries = VectorArray(unit_rows(10_000, width, seed=1)), unit_rows(70, width, seed=2)
    host, gpu = (
        HeldTable(table, BlockSearch(device), block_rows=5000, part_rows=part_rows)
        for device in (Device.CPU, Device.CUDA)
    )
    expected = host.nearest(queries, k, exact=True)
    for lane in range(gpu.lanes):
        found = gpu.nearest(queries, k, exact=True, lane=lane)
        np.testing.assert_array_equal(found.rows, expected.rows)
        np.testing.assert_array_equal(found.sims, expected.sims)
    for ours, theirs in zip(gpu.tiles(), host.tiles(), strict=True):
        np.testing.assert_array_equal(ours.cpu().numpy(), theirs.numpy())


@pytest.mark.parametrize("factory", FACTORIES)
def test_factory_strings_of_every_kind_build_and_search(
    factory: str, rows: Single, queries: Single
) -> None:
    index = built(factory, rows)
    _, found = index.search(queries, 10)
    assert found.shape == (50, 10)
    assert found.max() < len(rows)


@pytest.mark.parametrize(
    ("factory", "effort"),
    [
        ("IVF8,Flat", "nprobe"),
        ("OPQ8,IVF8,PQ8x4", "nprobe"),
        ("IVF8,PQ8x4,RFlat", "nprobe"),
        ("HNSW16", "efSearch"),
        ("PCA16,HNSW16", "efSearch"),
        ("PQ16x6", None),
        ("Flat", None),
    ],
)
def test_each_kind_names_the_parameter_that_buys_recall(factory: str, effort: str | None) -> None:
    assert ApproximateIndex(factory, WIDTH, Device.CPU).effort() == effort


def test_probing_all_cells_finds_what_brute_force_finds(rows: Single, queries: Single) -> None:
    index = built("IVF8,Flat", rows)
    expected = brute_force(queries, rows, 10)
    index.set("nprobe=1")
    assert (index.search(queries, 10)[1] != expected).any()
    index.set("nprobe=8")
    np.testing.assert_array_equal(index.search(queries, 10)[1], expected)


def test_an_index_that_finds_fewer_says_so_with_minus_one(rows: Single, queries: Single) -> None:
    index = built("IVF8,Flat", rows[:16])
    index.set("nprobe=1")
    _, found = index.search(queries, 16)
    assert (found[:, -1] == -1).all()


@pytest.mark.parametrize(
    "factory", ["nonsense", "IVF,Flat", "", "PQ7", "IVF99999999999999999999,Flat"]
)
def test_a_bad_factory_string_is_a_config_error_of_one_line(factory: str) -> None:
    with pytest.raises(ConfigError, match=r"mine\.index: FAISS does not accept") as caught:
        ApproximateIndex(factory, WIDTH, Device.CPU)
    assert "\n" not in str(caught.value)
    assert ".cpp" not in str(caught.value)


@pytest.mark.parametrize("parameters", ["nonsense=1", "nprobe=many", "nprobe", "efSearch=16"])
def test_parameters_the_index_does_not_have_are_a_config_error(
    parameters: str, rows: Single
) -> None:
    with pytest.raises(ConfigError, match=r"mine\.index_parameters: '") as caught:
        built("IVF8,Flat", rows).set(parameters)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("parameters", ["nprobe=0", "nprobe=-1"])
def test_parameters_out_of_range_are_a_config_error(
    parameters: str, rows: Single, queries: Single
) -> None:
    index = built("IVF8,Flat", rows)
    index.set(parameters)
    with pytest.raises(ConfigError, match=r"mine\.index_parameters"):
        index.search(queries, 5)


@pytest.mark.parametrize("factory", ["IVF64,Flat", "PQ8"])
def test_too_few_rows_to_train_on_is_a_config_error(factory: str, rows: Single) -> None:
    with pytest.raises(ConfigError, match=r"cannot train on 20 captions: .*fewer cells") as caught:
        ApproximateIndex(factory, WIDTH, Device.CPU).train(rows[:20])
    assert "\n" not in str(caught.value)


def test_version_names_faiss_and_its_build() -> None:
    assert version().startswith(index_module.faiss.__version__ + " (")


@pytest.mark.parametrize("limit", [0, 3, 8, 256])
@pytest.mark.parametrize("memory", [1, 2_000, 2**20])
def test_rows_within_so_many_bits_are_those_of_brute_force(limit: int, memory: int) -> None:
    random = np.random.default_rng(2)
    base = random.integers(0, 256, (6, 32), dtype=np.uint8)
    rows = base[random.integers(0, 6, 40)]
    flips = random.random((40, 256)) < 0.01
    rows = np.packbits(np.unpackbits(rows, axis=1) ^ flips, axis=1)
    queries = rows[10:25]
    left, right = within_bits(queries, rows, limit, memory_bytes=memory)
    distance = np.unpackbits(queries[:, None] ^ rows[None], axis=2).sum(axis=2)
    wanted = {*zip(*(part.tolist() for part in np.nonzero(distance <= limit)), strict=True)}
    found = [*zip(left.tolist(), right.tolist(), strict=True)]
    assert {*found} == wanted
    assert len(found) == len(wanted)

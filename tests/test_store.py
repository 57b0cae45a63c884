from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clfa import store as store_module
from clfa.errors import DataError
from clfa.store import KEY_BYTES, FeatureStore, text_key


def rows(length: int, width: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((length, width)).astype(np.float32)


def open_store(directory: Path, width: int = 3, dtype: str = "float32") -> FeatureStore:
    return FeatureStore(directory, width, dtype)


A, B, C = text_key("a"), text_key("b"), text_key("c")


def test_text_keys_are_of_the_content() -> None:
    assert text_key("ü") == hashlib.blake2b("ü".encode(), digest_size=16).digest()
    assert len(text_key("")) == KEY_BYTES
    assert text_key("a") != text_key("a ")
    # A lone surrogate, as broken files yield, is no reason to stop.
    assert len(text_key("\ud83d")) == KEY_BYTES


def test_round_trip_and_reopening(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.add([(A, rows(2)), (B, rows(5, seed=1))])
    for handle in (store, open_store(tmp_path)):
        assert len(handle) == 2
        assert A in handle
        assert C not in handle
        np.testing.assert_array_equal(handle[A], rows(2))
        np.testing.assert_array_equal(handle[B], rows(5, seed=1))
        with pytest.raises(KeyError):
            handle[C]


def test_a_store_is_appended_to(tmp_path: Path) -> None:
    open_store(tmp_path).add([(A, rows(2))])
    store = open_store(tmp_path)
    np.testing.assert_array_equal(store[A], rows(2))
    store.add([(B, rows(3, seed=1))])
    np.testing.assert_array_equal(store[A], rows(2))
    np.testing.assert_array_equal(store[B], rows(3, seed=1))


def test_views_are_read_only(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.add([(A, rows(2))])
    with pytest.raises(ValueError, match="read-only"):
        store[A][0, 0] = 1


def test_half_precision_on_disk(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, width=3)
    store.add([(A, rows(4))])
    assert store[A].dtype == np.float16
    np.testing.assert_array_equal(store[A], rows(4).astype(np.float16))
    assert (tmp_path / "data.bin").stat().st_size == 4 * 3 * 2


def test_a_key_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.add([(A, rows(2)), (A, rows(2, seed=1))])
    store.add([(A, rows(7, seed=2))])
    np.testing.assert_array_equal(store[A], rows(2))
    assert (tmp_path / "data.bin").stat().st_size == 2 * 3 * 4


def test_missing_names_each_absent_key_once(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.add([(A, rows(1))])
    assert store.missing([B, A, B, C, A]) == [0, 3]
    assert store.missing([]) == []


def test_an_empty_store(tmp_path: Path) -> None:
    store = open_store(tmp_path / "made" / "here")
    store.add([])
    assert len(open_store(tmp_path / "made" / "here")) == 0
    store.add([(A, np.empty((0, 3)))])
    assert open_store(tmp_path / "made" / "here")[A].shape == (0, 3)


@pytest.mark.parametrize("array", [np.zeros((2, 4)), np.zeros(3), np.zeros((1, 2, 3))])
def test_an_array_of_another_shape_is_refused(tmp_path: Path, array: np.ndarray) -> None:
    store = open_store(tmp_path)
    with pytest.raises(ValueError, match=r"expected an array \(n, 3\), got shape \("):
        store.add([(A, rows(2)), (B, array)])
    assert A in open_store(tmp_path)
    assert B not in open_store(tmp_path)


def test_a_key_of_another_length_is_refused(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    with pytest.raises(ValueError, match="expected a key of 16 bytes, got 5"):
        store.add([(A, rows(2)), (b"short", rows(2))])
    np.testing.assert_array_equal(open_store(tmp_path)[A], rows(2))


@pytest.mark.parametrize(("width", "dtype"), [(4, "float32"), (3, "float16")])
def test_another_width_or_type_is_refused(tmp_path: Path, width: int, dtype: str) -> None:
    open_store(tmp_path).add([(A, rows(2))])
    message = f"{tmp_path} holds float32 rows of width 3, not {dtype} rows of width {width}; delete the directory"
    with pytest.raises(DataError, match=message):
        open_store(tmp_path, width, dtype)


def test_an_error_in_the_writer_keeps_what_was_written(tmp_path: Path) -> None:
    store = open_store(tmp_path)

    def stopped() -> Iterator[tuple[bytes, np.ndarray]]:
        yield A, rows(2)
        yield B, rows(3, seed=1)
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        store.add(stopped())
    for handle in (store, open_store(tmp_path)):
        np.testing.assert_array_equal(handle[A], rows(2))
        np.testing.assert_array_equal(handle[B], rows(3, seed=1))


def test_rows_that_a_killed_writer_left_behind_are_overwritten(tmp_path: Path) -> None:
    open_store(tmp_path).add([(A, rows(2))])
    with open(tmp_path / "data.bin", "ab") as data:
        data.write(b"\x07" * 29)
    store = open_store(tmp_path)
    np.testing.assert_array_equal(store[A], rows(2))
    store.add([(B, rows(1, seed=1))])
    np.testing.assert_array_equal(store[B], rows(1, seed=1))
    np.testing.assert_array_equal(open_store(tmp_path)[A], rows(2))
    assert (tmp_path / "data.bin").stat().st_size == 3 * 3 * 4


def test_a_writer_killed_before_the_first_index(tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(b"\x07" * 100)
    store = open_store(tmp_path)
    assert len(store) == 0
    store.add([(A, rows(1))])
    np.testing.assert_array_equal(open_store(tmp_path)[A], rows(1))


def test_no_temporary_files_remain(tmp_path: Path) -> None:
    open_store(tmp_path).add([(A, rows(2))])
    assert {path.name for path in tmp_path.iterdir()} == {"data.bin", "index.npz", "lock"}


def test_two_handles_write_in_turn(tmp_path: Path) -> None:
    first, second = open_store(tmp_path), open_store(tmp_path)
    first.add([(A, rows(2))])
    second.add([(B, rows(3, seed=1)), (A, rows(9, seed=3))])
    first.add([(C, rows(1, seed=2))])
    for handle in (first, open_store(tmp_path)):
        np.testing.assert_array_equal(handle[A], rows(2))
        np.testing.assert_array_equal(handle[B], rows(3, seed=1))
        np.testing.assert_array_equal(handle[C], rows(1, seed=2))
    np.testing.assert_array_equal(second[B], rows(3, seed=1))


def test_two_writers_at_once(tmp_path: Path) -> None:
    def write(worker: int) -> None:
        store = open_store(tmp_path)
        for number in range(10):
            store.add([(text_key(f"{worker} {number}"), rows(number, seed=worker))])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, range(2)))
    store = open_store(tmp_path)
    assert len(store) == 20
    for worker in range(2):
        for number in range(10):
            np.testing.assert_array_equal(store[text_key(f"{worker} {number}")], rows(number, seed=worker))


def test_a_store_deleted_under_a_handle_is_made_anew(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.add([(A, rows(2))])
    for name in ("data.bin", "index.npz"):
        (tmp_path / name).unlink()
    store.add([(A, rows(2)), (B, rows(1, seed=1))])
    np.testing.assert_array_equal(open_store(tmp_path)[A], rows(2))


WARNING = "Feature cache {}: {} of its arrays are damaged and are computed anew."


def recomputed(directory: Path, caplog: pytest.LogCaptureFixture) -> list[str]:
    """Compute the three arrays again as users of a store do; return the warnings."""
    caplog.clear()
    store = open_store(directory)
    arrays = {A: rows(4), B: rows(5, seed=1), C: rows(6, seed=2)}
    keys = list(arrays)
    absent = store.missing(keys)
    with store.writer() as write:
        for position in absent:
            write(keys[position], arrays[keys[position]])
    for handle in (store, open_store(directory)):
        assert handle.missing(keys) == []
        for key, array in arrays.items():
            np.testing.assert_array_equal(handle[key], array)
    return [record.getMessage() for record in caplog.records]


def fill(directory: Path) -> None:
    open_store(directory).add([(A, rows(4)), (B, rows(5, seed=1)), (C, rows(6, seed=2))])


def test_lost_rows_are_noticed_and_computed_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fill(tmp_path)
    with open(tmp_path / "data.bin", "r+b") as data:
        data.truncate(60)
    assert A in open_store(tmp_path)
    assert B not in open_store(tmp_path)
    assert recomputed(tmp_path, caplog) == [WARNING.format(tmp_path, 2)]
    assert recomputed(tmp_path, caplog) == []


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04 half a zip"])
def test_a_damaged_index_is_noticed_and_the_store_computed_anew(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    fill(tmp_path)
    (tmp_path / "index.npz").write_bytes(content)
    (warning,) = recomputed(tmp_path, caplog)
    assert warning.startswith(f"Feature cache {tmp_path} is damaged (index.npz: ")
    assert recomputed(tmp_path, caplog) == []


@pytest.mark.parametrize("name", ["data.bin", "index.npz"])
def test_a_flipped_bit_anywhere_is_found(tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    fill(tmp_path)
    path = tmp_path / name
    whole = path.read_bytes()
    places = np.random.default_rng(0).choice(8 * len(whole), 95, replace=False).tolist()
    found = 0
    for place in places:
        content = bytearray(whole)
        content[place // 8] ^= 1 << place % 8
        path.write_bytes(content)
        caplog.clear()
        store = open_store(tmp_path)
        missing = store.missing([A, B, C])
        found += missing == [0, 1, 2] if name == "index.npz" else len(missing) == 1
        assert len(caplog.records) == 1, place
    assert found == 95


def test_a_damaged_array_is_computed_anew_with_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fill(tmp_path)
    content = bytearray((tmp_path / "data.bin").read_bytes())
    content[4 * 3 * 4 + 7] ^= 16
    (tmp_path / "data.bin").write_bytes(content)
    with pytest.raises(DataError, match=f"{tmp_path} is damaged: an array has another checksum; run the command again"):
        open_store(tmp_path)[B]
    np.testing.assert_array_equal(open_store(tmp_path)[A], rows(4))
    assert recomputed(tmp_path, caplog) == [WARNING.format(tmp_path, 1)]
    assert recomputed(tmp_path, caplog) == []


def test_an_array_is_compared_with_its_checksum_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path)
    store = open_store(tmp_path)
    calls: list[int] = []
    crc32 = store_module.zlib.crc32
    monkeypatch.setattr(store_module.zlib, "crc32", lambda content: calls.append(1) or crc32(content))
    for _ in range(3):
        assert store.missing([A, B]) == []
        store.refresh()
        _ = store[A], store[B]
    assert len(calls) == 2


def test_a_store_of_an_earlier_version_gets_checksums(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fill(tmp_path)
    with np.load(tmp_path / "index.npz") as index:
        content = {name: index[name] for name in index.files if name != "checksums"}
    np.savez(tmp_path / "index.npz", **content)
    store = open_store(tmp_path)
    assert store.missing([A, B, C]) == []
    np.testing.assert_array_equal(store[B], rows(5, seed=1))
    store.add([])
    with np.load(tmp_path / "index.npz") as index:
        assert index["checksums"].tolist() == [store_module.zlib.crc32(store[key]) for key in (A, B, C)]
    assert recomputed(tmp_path, caplog) == []


def test_a_store_that_cannot_be_read_now_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path)

    def fail(self: Path) -> bytes:
        raise OSError("Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", fail)
        with pytest.raises(DataError, match=f"feature cache {tmp_path} cannot be read: Input/output error"):
            open_store(tmp_path)
    assert len(open_store(tmp_path)) == 3


@settings(max_examples=30, deadline=None)
@given(
    batches=st.lists(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 6)), max_size=6), max_size=4),
    width=st.integers(1, 4),
    dtype=st.sampled_from(["float16", "float32", "float64"]),
)
def test_any_sequence_of_writes_comes_back(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[tuple[int, int]]], width: int, dtype: str
) -> None:
    directory = tmp_path_factory.mktemp("store")
    expected: dict[bytes, np.ndarray] = {}
    store = FeatureStore(directory, width, dtype)
    for number, batch in enumerate(batches):
        items = [(text_key(str(name)), rows(length, width, seed=number)) for name, length in batch]
        for key, array in items:
            expected.setdefault(key, array.astype(dtype))
        store.add(items)
    for handle in (store, FeatureStore(directory, width, dtype)):
        assert len(handle) == len(expected)
        for key, array in expected.items():
            np.testing.assert_array_equal(handle[key], array)


def test_refresh_shows_what_others_added(tmp_path: Path) -> None:
    mine, other = FeatureStore(tmp_path, 2), FeatureStore(tmp_path, 2)
    key = text_key("a")
    other.add([(key, np.ones((1, 2)))])
    assert key not in mine
    mine.refresh()
    assert mine[key].tolist() == [[1, 1]]

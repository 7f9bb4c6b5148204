import numpy as np
import pytest

from labels.outcomes.formats import Features, pack_features, unpack_features
from labels.outcomes.stored import StoredRows, locate_arrays


def make_file(path, seed):
    rng = np.random.default_rng(seed)
    content = pack_features(
        Features(
            sample_ids=np.array(["a", "bb", "c"]),
            image_rows=np.array([0, 0, 1]),
            coarse=rng.normal(size=(2, 10, 3)).astype(np.float16),
            question=rng.normal(size=(3, 3)).astype(np.float16),
            extras={"pixels": rng.normal(size=(3, 5)).astype(np.float16)},
        )
    )
    path.write_bytes(content)
    return unpack_features(content)


def test_arrays_are_found_where_they_lie(tmp_path):
    features = make_file(tmp_path / "part.npz", 0)
    found = locate_arrays(tmp_path / "part.npz")
    rows = np.array([1, 0, 1])
    np.testing.assert_array_equal(found["coarse"].read(rows), features.coarse[rows])
    np.testing.assert_array_equal(found["question"].read(rows), features.question[rows])
    np.testing.assert_array_equal(found["pixels"].read(rows), features.extras["pixels"][rows])


def test_rows_of_several_files_in_the_order_asked_for(tmp_path):
    parts = [make_file(tmp_path / f"{seed}.npz", seed) for seed in (0, 1)]
    arrays = [locate_arrays(tmp_path / f"{seed}.npz")["question"] for seed in (0, 1)]
    rows = StoredRows(arrays, np.array([1, 0, 1, 1]), np.array([2, 0, 0, 2]))
    whole = np.stack([parts[1].question[2], parts[0].question[0], *parts[1].question[[0, 2]]])
    assert rows.shape == (4, 3)
    assert rows[:].dtype == np.float32
    np.testing.assert_array_equal(rows[:], whole)
    np.testing.assert_array_equal(rows[1:3], whole[1:3])
    np.testing.assert_array_equal(rows.pick(np.array([3, 1]))[:], whole[[3, 1]])
    assert rows[np.array([], np.int64)].shape == (0, 3)


def test_a_compressed_file_is_refused(tmp_path):
    np.savez_compressed(tmp_path / "part.npz", coarse=np.zeros(3))
    with pytest.raises(ValueError, match="part.npz is compressed"):
        locate_arrays(tmp_path / "part.npz")

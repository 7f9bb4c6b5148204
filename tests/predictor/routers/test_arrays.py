import numpy as np
import pytest

from predictor.routers.arrays import pack_arrays, unpack_arrays


def test_arrays_survive_packing():
    arrays = {"b": np.arange(6.0).reshape(2, 3), "a": np.array([1], np.float32)}
    back = unpack_arrays(pack_arrays(arrays))
    assert set(back) == {"a", "b"}
    assert np.array_equal(back["b"], arrays["b"])
    assert back["a"].dtype == np.float32


def test_packing_the_same_arrays_gives_the_same_bytes():
    first = pack_arrays({"a": np.ones(3), "b": np.zeros(2)})
    assert first == pack_arrays({"b": np.zeros(2), "a": np.ones(3)})


def test_packing_refuses_objects():
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        pack_arrays({"a": np.array([{}], dtype=object)})


@pytest.mark.parametrize("content", [b"", b"no zip at all", pack_arrays({"a": np.ones(9)})[:-30]])
def test_unpacking_refuses_other_bytes(content):
    with pytest.raises(ValueError, match="not an .npz file of plain arrays"):
        unpack_arrays(content)


def test_unpacking_names_what_it_should_have_been():
    with pytest.raises(ValueError, match="not a feature map; train the router again"):
        unpack_arrays(pack_arrays({"a": np.ones(2)}), "feature map", ("a", "b"))

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictor.routers.arrays import pack_arrays, unpack_arrays

AXES = {"a": "n", "b": "nk"}
WHOLE = pack_arrays({"a": np.ones(2), "b": np.arange(6.0).reshape(2, 3)})


def zipped(members, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def as_npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def with_header(shape, dtype="<f8"):
    """An array of 0 bytes whose header claims any shape."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": dtype, "fortran_order": False, "shape": shape}
    )
    return buffer.getvalue()


def test_arrays_survive_packing():
    back = unpack_arrays(WHOLE, "thing", AXES)
    assert set(back) == {"a", "b"}
    assert np.array_equal(back["b"], np.arange(6.0).reshape(2, 3))
    small = {"c": np.array([1], np.float32), "d": np.asfortranarray(np.arange(6.0).reshape(2, 3))}
    back = unpack_arrays(pack_arrays(small), "thing", {"c": "*", "d": "**"})
    assert back["c"].dtype == np.float32
    assert np.array_equal(back["d"], small["d"])


def test_packing_the_same_arrays_gives_the_same_bytes():
    first = pack_arrays({"a": np.ones(3), "b": np.zeros(2)})
    assert first == pack_arrays({"b": np.zeros(2), "a": np.ones(3)})


def test_packing_refuses_objects():
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        pack_arrays({"a": np.array([{}], dtype=object)})


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.ones(2)}, "the array 'b' is missing"),
        ({"a": np.ones(2), "b": np.ones((2, 3)), "c": np.ones(1)}, "the array 'c' is unknown"),
        ({"a": np.ones(3), "b": np.ones((2, 3))}, r"b has shape \(2, 3\), not \(3, k\)"),
        ({"a": np.ones((2, 1)), "b": np.ones((2, 3))}, r"a has shape \(2, 1\), not \(n\)"),
        ({"a": np.array([1, np.nan]), "b": np.ones((2, 3))}, "a holds NaN or infinite numbers"),
        ({"a": np.array(["x", "y"]), "b": np.ones((2, 3))}, "a holds <U1, no numbers"),
        ({"a": np.ones(2, complex), "b": np.ones((2, 3))}, "a holds complex128, no numbers"),
    ],
)
def test_arrays_that_do_not_fit_are_named(arrays, message):
    with pytest.raises(ValueError, match=f"^not a thing: {message}; train the router again$"):
        unpack_arrays(pack_arrays(arrays), "thing", AXES)


@pytest.mark.parametrize("shape", [(10**12,), (2**63,), (-1,), (0, 10**30), ("x",), (True,)])
def test_a_header_that_claims_more_rows_than_there_are_allocates_nothing(shape):
    content = zipped([("a.npy", with_header(shape))])
    with pytest.raises(ValueError, match="not a thing: "):
        unpack_arrays(content, "thing", {"a": "n" * len(shape)})


def test_what_unpacks_to_more_than_the_file_is_refused():
    content = zipped([("a.npy", as_npy(np.zeros(10**6)))], zipfile.ZIP_DEFLATED)
    assert len(content) < 20_000
    with pytest.raises(ValueError, match="not a thing: it is compressed"):
        unpack_arrays(content, "thing", {"a": "n"})


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_come_twice_and_pickles_are_refused():
    twice = zipped([("a.npy", as_npy(np.ones(2))), ("a.npy", as_npy(np.zeros(2)))])
    with pytest.raises(ValueError, match="the array 'a' is there twice"):
        unpack_arrays(twice, "thing", {"a": "n"})
    pickled = zipped([("a.npy", as_npy(np.array([{}, []], object)))])
    with pytest.raises(ValueError, match="a holds object, no numbers"):
        unpack_arrays(pickled, "thing", {"a": "n"})


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.data())
def test_damaged_bytes_are_read_right_or_refused(data):
    content = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    try:
        arrays = unpack_arrays(bytes(content), "thing", AXES)
    except ValueError as error:
        assert "\n" not in str(error)
    else:
        assert all(np.isfinite(array).all() for array in arrays.values())


@pytest.mark.parametrize("content", [b"", b"no zip at all", WHOLE[:-30], as_npy(np.ones(2))])
def test_unpacking_refuses_other_bytes(content):
    with pytest.raises(ValueError, match="not a feature map: .*; train the router again"):
        unpack_arrays(content, "feature map", AXES)

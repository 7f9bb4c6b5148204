import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from labels.outcomes.formats import (
    OUTCOME_TYPES,
    Features,
    pack_features,
    pack_outcomes,
    pack_questions,
    unpack_features,
    unpack_questions,
)
from labels.questions import Question

ROW = {
    name: {"string": "x", "bool": True}.get(str(kind), 3) for name, kind in OUTCOME_TYPES.items()
}


def test_questions_round_trip():
    questions = [
        Question(
            "a", "i0", "What?", ("tea", "ein Tee \u2615"), "exact", meta={"size": 0.1, "n": 3}
        ),
        Question("b", "i1", "Which?", ("A",), "choice", ("x", "y"), "drinks", {"kind": "cup"}),
    ]
    assert unpack_questions(pack_questions(questions)) == questions


def test_features_round_trip():
    features = Features(
        sample_ids=np.array(["a", "bb"]),
        image_rows=np.array([0, 0]),
        coarse=np.ones((1, 10, 4), dtype=np.float16),
        question=np.zeros((2, 4), dtype=np.float16),
    )
    content = pack_features(features)
    actual = unpack_features(content)
    for name in ("sample_ids", "image_rows", "coarse", "question"):
        np.testing.assert_array_equal(getattr(actual, name), getattr(features, name))
    assert actual.coarse.dtype == np.float16
    assert pack_features(features) == content  # no clock in the bytes


def test_outcomes_keep_columns_and_types():
    table = pq.read_table(pa.BufferReader(pack_outcomes([ROW, ROW])))
    assert table.num_rows == 2
    assert dict(zip(table.column_names, table.schema.types, strict=True)) == OUTCOME_TYPES
    assert table.schema.field("scale").type == pa.int32()  # a real column, not a folder name

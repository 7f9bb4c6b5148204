"""Sources of any JSON rows: questions, or one line that names all that is wrong."""

import json
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from labels.metrics.registry import METRICS
from labels.sources.loading import Reading, load_questions

cells = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.sampled_from(
            ["red.png", "red", "A", "yes", "1.0", "nan", "", " ", "<image>", "[", "\0"]
        ),
        st.text(max_size=8),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["answer", "text", "A", "bytes", "path"]), inner, max_size=2
        ),
    ),
    max_leaves=5,
)
fields = ("image", "question", "answers", "choices", "answer_index", "metric", "group", "sample_id")
good = {"image": "red.png", "question": "What?", "answers": "x"}
changed = st.dictionaries(st.sampled_from(fields), cells, max_size=3).map(
    lambda change: {**good, **change}
)
rows = st.lists(st.one_of(st.just(good), changed, cells), min_size=1, max_size=5)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(rows, st.sampled_from(sorted(METRICS)))
def test_any_rows_are_questions_or_one_line(rows, metric):
    with tempfile.TemporaryDirectory() as folder:
        Image.new("RGB", (16, 16), "red").save(Path(folder) / "red.png")
        path = Path(folder) / "q.jsonl"
        path.write_text("\n".join(map(json.dumps, [*rows, good])))
        try:
            questions = load_questions(str(path), metric=metric)
        except ValueError as error:
            assert str(path) in str(error)
            assert "\n" not in str(error)
            assert len(str(error)) < 600 * len(rows)
        else:
            assert len(questions) == len(rows) + 1
            assert all(questions.image(q.image_id).size == (16, 16) for q in questions)
        if metric == "exact":  # the last row is always good
            kept = load_questions(str(path), metric=metric, reading=Reading(skip_bad=True))
            assert len(kept) + len(kept.skipped) == len(rows) + 1

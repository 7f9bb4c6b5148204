"""Local files of every kind: the same rows from all of them, and any bytes are rows or refused."""

import csv
import gzip
import io
import json
import os
import tempfile
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labels.sources.files.opening import BASE, KINDS, RATIO, kind_of, open_table
from m3_backbone.serialization import sha256

generated = settings(derandomize=True, deadline=None, max_examples=40)

# Line separators of Unicode, quotes, tabs and line breaks stand in the texts of real files.
texts = st.text(
    st.one_of(
        st.sampled_from("\n\r\t,;\"'\u2028\u2029\x85\x0b\ufeff\\"),
        # The csv of Python 3.10 neither reads nor writes the character NUL.
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    ),
    max_size=12,
)
tables = st.lists(st.tuples(texts, texts), min_size=1, max_size=8)


def jsonl(rows):
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows).encode()


def delimited(rows, delimiter):
    # pandas reads "\r" as a line break and must have it quoted; so do spreadsheets.
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]), delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def parquet(rows):
    buffer = io.BytesIO()
    pd.DataFrame(rows).to_parquet(buffer, row_group_size=3)
    return buffer.getvalue()


WRITERS = {
    ".jsonl": jsonl,
    ".ndjson": lambda rows: b"\xef\xbb\xbf" + jsonl(rows).replace(b"\n", b"\r\n\n"),
    ".json": lambda rows: json.dumps(rows).encode(),
    ".csv": lambda rows: delimited(rows, ","),
    ".tsv": lambda rows: b"\xef\xbb\xbf" + delimited(rows, "\t"),
    ".parquet": parquet,
    ".data.json": lambda rows: json.dumps({"info": {}, "data": rows}, indent=1).encode(),
    ".lines.json": jsonl,
    ".keyed.json": lambda rows: json.dumps({str(k): row for k, row in enumerate(rows)}).encode(),
}


def write(folder, ending, content):
    path = Path(folder) / f"q{ending}"
    path.write_bytes(content)
    return path


@generated
@given(tables)
def test_every_kind_gives_the_same_rows(rows):
    rows = [{"question": question, "answer": answer} for question, answer in rows]
    expected = [tuple(text or None for text in row.values()) for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        for ending, writer in WRITERS.items():
            content = writer(rows)
            paths = [write(folder, ending, content)]
            if ending != ".parquet":
                paths.append(write(folder, f"{ending}.gz", gzip.compress(content)))
            for path in paths:
                table = open_table(path)
                assert set(table.columns) >= {"question", "answer"}
                # From the last to the first, as rows are read again in any order.
                read = [table.rows[place] for place in reversed(range(len(rows)))][::-1]
                actual = [(row["question"] or None, row["answer"] or None) for row in read]
                assert actual == expected


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)
contents = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.lists(json_values, max_size=4).map(lambda lines: "\n".join(map(json.dumps, lines)).encode()),
    json_values.map(lambda value: json.dumps(value).encode()),
    st.sampled_from([b"null\n", b"null\n{}\n", b"{}\nnull", b"[" * 10**5, b"[null]", b"{" * 10**5]),
    st.sampled_from([b'{"a":' * 10**5, b"1" * 10**4, b'{"a": 1e999}', b"\xff\xfe[\0]\0"]),
)


@settings(generated, max_examples=200)
@given(contents, st.sampled_from([*KINDS, ".jsonl.gz", ".csv.gz"]), st.booleans())
def test_any_bytes_are_rows_or_refused(content, ending, packed):
    with tempfile.TemporaryDirectory() as folder:
        if ending.endswith(".gz") and packed:
            content = gzip.compress(content)
        path = write(folder, ending, content)
        try:
            table = open_table(path)
        except ValueError as error:
            assert str(path) in str(error)
            assert "\n" not in str(error)
            return
        for place in range(len(table.rows)):
            try:
                assert set(table.rows[place]) <= set(table.columns)
            except ValueError as error:
                assert "row " in str(error)


@settings(generated, max_examples=100)
@given(st.data())
def test_a_damaged_parquet_file_is_rows_or_refused(data):
    content = bytearray(parquet([{"question": "q" * k, "answer": k} for k in range(9)]))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    del content[data.draw(st.integers(len(content) // 2, len(content))) :]
    with tempfile.TemporaryDirectory() as folder:
        try:
            table = open_table(write(folder, ".parquet", content))
            for place in range(min(len(table.rows), 20)):
                table.rows[place]
        except ValueError as error:
            assert "cannot be read" in str(error)


def test_a_file_with_the_time_of_another_is_read_anew(tmp_path):
    path = tmp_path / "d.jsonl"
    for text in ("first", "second"):
        path.write_text(json.dumps({"question": text}))
        os.utime(path, (1e9, 1e9))
        assert open_table(path).rows[0] == {"question": text}


def test_a_file_that_is_replaced_meanwhile_changes_nothing(tmp_path):
    path = tmp_path / "d.jsonl"
    path.write_text('{"question": "first"}\n')
    table = open_table(path)
    (tmp_path / "new").write_text("{}\n")
    os.replace(tmp_path / "new", path)
    assert table.rows[0] == {"question": "first"}


def test_only_so_many_rows_are_looked_for(tmp_path):
    path = write(tmp_path, ".jsonl", b'{"a": 1}\n' * 3 + b"broken")
    assert len(open_table(path, most=2).rows) == 2


def test_a_packed_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("labels.sources.files.opening.BASE", 0)
    path = write(tmp_path, ".jsonl.gz", gzip.compress(b"\n" * 10**6))
    with pytest.raises(ValueError, match=f"holds more than {RATIO} times its own size"):
        open_table(path)
    assert BASE > 10**6


@pytest.mark.parametrize(
    ("ending", "content", "message"),
    [
        (".xlsx", b"x", "no file that questions are read from; known: .jsonl"),
        (".parquet.gz", b"x", "no file that questions are read from"),
        (".jsonl", b"", "is empty"),
        (".jsonl", b"null\n", "row 1: expected an object, got None"),
        (".jsonl", b"\xff\xfe{\0}\0", "it is UTF-16; save it as UTF-8"),
        (".csv", b"a,b,a\n1,2,3\n", "two of its columns are called 'a'"),
        (".csv", b'a,b\n1,"2\n', "line 2: unexpected end of data"),
        (".tsv", b"a\tb\n\xff\t\n", "'utf-8' codec can't decode"),
        (".json", b'{"data": []}', "expected a list of rows, or {key: row}"),
        (".json", b"3", "expected a list of rows, or {key: row}, got 3"),
        (".json", b'{"a": [{}], "b": [{}]}', "several lists: 'a', 'b'; say which with --field"),
        (".json", b"[" * 10**5, "nested too deep"),
        (".jsonl.gz", b"no gzip", "Not a gzipped file"),
        (".jsonl.gz", gzip.compress(b"x" * 999, mtime=0)[:20], "ended before"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path, ending, content, message):
    with pytest.raises(ValueError, match="q") as caught:
        open_table(write(tmp_path, ending, content))
    assert message in str(caught.value)


def test_a_single_row_is_no_file_of_its_answers(tmp_path):
    row = {
        "question": "q",
        "image": {"path": "a.png"},
        "answers": [{"answer": "a"}, {"answer": "b"}],
    }
    table = open_table(write(tmp_path, ".json", json.dumps(row, indent=1).encode()))
    assert [*table.rows] == [row]


def test_a_field_names_where_the_rows_are(tmp_path):
    path = write(tmp_path, ".json", b'{"a": [{"x": 1}], "b": [{"x": 2}], "c": {"k": {"x": 3}}}')
    assert open_table(path, field="b").rows[0] == {"x": 2}
    assert open_table(path, field="c").rows[0] == {"x": 3, "id": "k", "sample_id": "k"}
    with pytest.raises(ValueError, match="has no field 'd'; it has: 'a', 'b', 'c'"):
        open_table(path, field="d")
    with pytest.raises(ValueError, match="--field names a part of a .json file"):
        open_table(write(tmp_path, ".jsonl", b"{}"), field="a")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"a,b\n1\n", "row 1: expected 2 cells"), (b"a,b\n1,2,3\n", "expected 2 cells .* got 3")],
)
def test_a_row_of_another_length_is_refused(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        open_table(write(tmp_path, ".csv", content)).rows[0]


def test_long_cells_are_read(tmp_path):
    row = {"image": "x" * 300_000, "question": "q"}
    path = write(tmp_path, ".tsv", delimited([row], "\t"))
    assert open_table(path).rows[0] == row


@pytest.mark.parametrize("ending", KINDS)
def test_kinds_are_known_by_ending(ending):
    assert kind_of(Path(f"a.b{ending.upper()}")) == ending


def test_a_damaged_page_of_parquet_gives_no_other_rows(tmp_path):
    path = tmp_path / "t.parquet"
    texts = [sha256(str(row).encode()) for row in range(400)]
    table = pa.table({"question": texts, "answers": texts})
    pq.write_table(table, path, use_dictionary=False, data_page_size=1024)
    content = bytearray(path.read_bytes())
    wrong = refused = 0
    for place in range(1000, 9000, 1000):
        damaged = bytearray(content)
        damaged[place : place + 40] = bytes(255 - byte for byte in damaged[place : place + 40])
        path.write_bytes(damaged)
        try:
            rows = open_table(path).rows
        except ValueError:
            continue
        for number, text in enumerate(texts):
            try:
                row = rows[number]
            except ValueError:
                refused += 1
                continue
            # A damaged page may still be read, as other letters, but never as another row.
            wrong += row["question"] in texts and row["question"] != text
    assert refused and not wrong


def test_two_columns_of_one_name_in_parquet_are_refused(tmp_path):
    table = pa.table([["red"], ["blue"]], names=["answers", "answers"])
    pq.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(ValueError, match="more than one column 'answers'"):
        open_table(tmp_path / "t.parquet")

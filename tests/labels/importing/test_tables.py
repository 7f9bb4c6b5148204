import json

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labels.importing.cells import read_score
from labels.importing.tables import LONGEST_CELL, read_records

KEYS = ("index", "question", "prediction")
TEXT = st.text(st.characters(exclude_categories=["C"], exclude_characters="\r\n"), min_size=1)
CELLS = st.lists(st.fixed_dictionaries(dict.fromkeys(KEYS, TEXT)), min_size=1, max_size=4)
QUIETLY = settings(derandomize=True, deadline=None, max_examples=15)


def write_separated(path, rows, separator):
    quoted = [list(KEYS), *([row[key].replace('"', '""') for key in KEYS] for row in rows)]
    lines = [separator.join(f'"{cell}"' for cell in row) for row in quoted]
    path.write_text("\n".join(lines), encoding="utf-8-sig", newline="")


def write_excel(path, rows):
    book = openpyxl.Workbook()
    book.active.append(KEYS)
    for row in rows:
        book.active.append([row[key] for key in KEYS])
    book.save(path)


@QUIETLY
@given(rows=CELLS)
@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "json"])
def test_a_table_is_read_as_it_was_written(tmp_path_factory, kind, rows):
    path = tmp_path_factory.mktemp("t") / f"t.{kind}"
    if kind == "jsonl":
        text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        path.write_text(text, encoding="utf-8")
    elif kind == "json":
        path.write_text(json.dumps(rows))
    else:
        write_separated(path, rows, "," if kind == "csv" else "\t")
    assert read_records(path) == rows


def test_an_excel_table_keeps_numbers_and_drops_empty_rows(tmp_path):
    rows = [dict(zip(KEYS, (1, "a\nb", 0.5), strict=True)), dict.fromkeys(KEYS)]
    write_excel(tmp_path / "t.xlsx", rows)
    assert read_records(tmp_path / "t.xlsx") == rows[:1]


def test_an_excel_cell_that_begins_as_a_formula_is_the_text_that_was_written(tmp_path):
    rows = [dict(zip(KEYS, (1, "What is left?", "=1+1"), strict=True))]
    write_excel(tmp_path / "t.xlsx", rows)
    assert read_records(tmp_path / "t.xlsx") == rows


def test_a_second_sheet_with_the_same_columns_is_not_lost(tmp_path):
    path = tmp_path / "t.xlsx"
    write_excel(path, [dict(zip(KEYS, (1, "a", "b"), strict=True))])
    book = openpyxl.load_workbook(path)
    book.create_sheet("notes").append(["written by hand"])
    book.save(path)
    assert len(read_records(path)) == 1
    book.create_sheet("more").append(KEYS)
    book.save(path)
    with pytest.raises(ValueError, match="the sheet 'more' has the same columns as the first"):
        read_records(path)


@QUIETLY
@given(cut=st.integers(0, 4000), byte=st.integers(0, 255))
def test_a_damaged_excel_table_is_one_line(tmp_path_factory, cut, byte):
    path = tmp_path_factory.mktemp("t") / "t.xlsx"
    write_excel(path, [dict.fromkeys(KEYS, "x")])
    content = bytearray(path.read_bytes())
    content[cut % len(content)] = byte
    path.write_bytes(content[: cut or None] if byte % 2 else content)
    try:
        records = read_records(path)
    except ValueError as error:
        assert "\n" not in str(error)
    else:
        assert all(isinstance(record, dict) for record in records)


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b"])
def test_only_a_newline_ends_a_json_line(tmp_path, separator):
    path = tmp_path / "t.jsonl"
    path.write_text(json.dumps({"a": f"x{separator}y"}, ensure_ascii=False) + "\n", "utf-8")
    assert read_records(path) == [{"a": f"x{separator}y"}]


def test_json_lines_under_the_name_of_json(tmp_path):
    (tmp_path / "t.json").write_text('{"a": 1}\n{"a": 2}\n')
    assert read_records(tmp_path / "t.json") == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"a,b\n1,2,3\n", "row 1: it has more cells than the table has columns"),
        ("t.csv", b"a,b\n1,2\n3\n", "row 2: it has 1 cells, the table has 2 columns; is the file"),
        ("t.csv", b"a,a\n1,2\n", "more than one column 'a'"),
        ("t.tsv", b"a\n\xff\n", "expected a table in UTF-8"),
        ("t.csv", b"a\n" + b"x" * (LONGEST_CELL + 1), "expected a table in UTF-8: field larger"),
        (
            "t.csv",
            b'a,b\n1,x\n2,"y\n3,z\n',
            "line 3: .*unexpected end of data; is a quote not closed",
        ),
        (
            "t.tsv",
            b'a\tb\n\n1\t"y\n3\tz"\n4\t"z" x\n',
            "line 5: expected a table in UTF-8: '\t' exp",
        ),
        ("t.csv", b"", "has no rows"),
        ("t.csv", b"a,b\n", "has no rows"),
        ("t.jsonl", b"\xff{}", "expected JSON or JSON lines in UTF-8, or a table"),
        ("t.jsonl", b"{}\n{", "line 2: expected one JSON object per line"),
        ("t.jsonl", b"null\n", "line 1: expected one JSON object per line, got another value"),
        ("t.json", b"[1]", "row 1: expected one JSON object per line, got another value"),
        ("t.jsonl", b'{"a": ' + b"9" * 5000 + b"}", "line 1: expected one JSON object per line"),
        ("t.jsonl", b"[" * 100000 + b"]" * 100000, "line 1: expected one JSON object per line"),
        ("t.xlsx", b"PK no", "expected an Excel table"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_records(tmp_path / name)


def test_a_long_cell_such_as_an_image_is_read(tmp_path):
    (tmp_path / "t.tsv").write_text("index\timage\n1\t" + "A" * 200_000)
    assert len(read_records(tmp_path / "t.tsv")[0]["image"]) == 200_000


@pytest.mark.parametrize(("text", "score"), [("True", 1), ("false", 0), ("0.5", 0.5), ("1.0", 1)])
def test_scores_are_read_as_tables_write_them(text, score):
    assert read_score(text, "row 1") == score


@pytest.mark.parametrize("text", ["TRUE?", "yes", "", "nan", "1.5"])
def test_what_is_no_score_is_refused(text):
    with pytest.raises(ValueError, match=r"row 1: expected a score in \[0, 1\]"):
        read_score(text, "row 1")


def test_a_stray_cell_far_away_costs_nothing(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["sample_id", "scale", "answer", "score"])
    book.active["XFD1048576"] = "x"
    book.save(tmp_path / "t.xlsx")
    with pytest.raises(ValueError, match="row 1: it has more cells than the table has columns"):
        read_records(tmp_path / "t.xlsx")

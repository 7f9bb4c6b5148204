"""Files of conversations: lists, lines, and mixtures of both."""

import json

import pytest

from labels.sources.conversation_files import read_entries


@pytest.fixture
def write(tmp_path):
    def run(name, content):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return run


def numbers(path):
    return [entry["conversations"] for _, entry in read_entries(path)]


def test_entries_are_named_by_place_or_line(write):
    entries = [{"conversations": 0}, {"conversations": 1}]
    listed = write("a.json", entries)
    assert [name for name, _ in read_entries(listed)] == [f"entry {i} of {listed}" for i in (0, 1)]
    lines = write("a.jsonl", "\n\n".join(map(json.dumps, entries)) + "\n")
    assert [name for name, _ in read_entries(lines)] == [f"line {i} of {lines}" for i in (1, 3)]
    assert numbers(write("one.jsonl", json.dumps(entries[0]))) == [0]


MIXTURE = """
datasets:
  - json_path: ten.json   # sampled
    sampling_strategy: "{}"
  - json_path: two.jsonl
"""


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("all", list(range(10))),
        ("first:3", [0, 1, 2]),
        ("end:2", [8, 9]),
        ("first:25%", [0, 1, 2]),
        ("end:99", list(range(10))),
    ],
)
def test_a_mixture_takes_what_it_says(write, strategy, expected):
    write("ten.json", [{"conversations": number} for number in range(10)])
    write("two.jsonl", '{"conversations": 20}\n{"conversations": 21}')
    assert numbers(write("mix.yaml", MIXTURE.format(strategy))) == [*expected, 20, 21]


def test_a_random_part_is_the_same_each_time(write):
    write("ten.json", [{"conversations": number} for number in range(10)])
    write("two.jsonl", '{"conversations": 20}')
    path = write("mix.yml", MIXTURE.format("random:40%"))
    drawn = numbers(path)
    assert drawn == numbers(path)
    assert len(set(drawn[:4])) == 4
    assert drawn[:4] != [0, 1, 2, 3]
    assert drawn[4:] == [20]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("datasets: [", "is not YAML"),
        ("datasets: !!python/object:os.system []", "texts, got|must hold 'datasets'"),
        ("- json_path: ten.json", "must hold 'datasets'"),
        ("datasets: []", "must hold 'datasets'"),
        ("datasets:\n- json_path: ten.json\n  json_path: two.jsonl", "'json_path' comes twice"),
        ("datasets: []\ndatasets: []", "the key 'datasets' comes twice"),
        ("datasets: [ten.json]", "data set 0 of .* expected json_path and sampling_strategy"),
        (
            "datasets: [{json_path: ten.json, image_folder: x}]",
            "data set 0 .*: expected json_path and sampling_strategy, got .*image_folder",
        ),
        ("datasets: [{json_path: [ten.json]}]", "data set 0 of .*: expected texts"),
        ("datasets: [{json_path: mix.yaml}]", "a mixture cannot hold another one"),
        (MIXTURE.format("last:3"), "unknown sampling_strategy 'last:3' of .*ten.json"),
        (MIXTURE.format("end:0"), "unknown sampling_strategy 'end:0'"),
        (MIXTURE.format("first"), "unknown sampling_strategy 'first'"),
    ],
)
def test_a_mixture_that_cannot_be_read_is_one_line(write, content, message):
    write("ten.json", [{"conversations": 1}])
    with pytest.raises(ValueError, match=message) as refused:
        read_entries(write("mix.yaml", content))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"conversations": 1}\n{"conver', "line 2 of .* is not JSON"),
        ('{"data": []}', "must hold a list of conversations, or one of them a line"),
        ("", "is not JSON"),
        ("[" * 100_000, "nested too deep"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(write, content, message):
    with pytest.raises(ValueError, match=message) as refused:
        read_entries(write("a.json", content))
    assert "\n" not in str(refused.value)


def test_other_bytes_are_no_text(tmp_path):
    (tmp_path / "a.json").write_bytes(b'[{"conversations": "\xff"}]')
    with pytest.raises(ValueError, match="is not UTF-8"):
        read_entries(tmp_path / "a.json")
    with pytest.raises(FileNotFoundError, match="no conversations at"):
        read_entries(tmp_path / "none.yaml")

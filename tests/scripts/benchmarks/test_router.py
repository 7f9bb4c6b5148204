import json

from scripts.benchmarks.router import main, make_rows


def test_the_bench_times_a_small_router(runner, tmp_path):
    path = tmp_path / "bench.json"
    arguments = ["--rows", "200", "--routed", "300", "--width", "8", "--kind", "linear"]
    result = runner.invoke(main, [*arguments, "--no-tune", "--json", str(path)])
    assert result.exit_code == 0, result.output
    actual = json.loads(path.read_text())
    assert actual["rows"] == 200 and actual["routed"] == 300
    assert actual["train_s"] > 0 and actual["route_s"] > 0 and actual["peak_gb"] > 0


def test_rows_need_more_tokens_for_some_than_for_others(tmp_path):
    data = make_rows(800, 8, 0, tmp_path)
    accuracy = data.scores.mean(axis=0)
    assert (accuracy[1:] > accuracy[:-1]).all() and accuracy[0] < 0.5 < accuracy[-1]
    assert len(set(data.image_ids)) == 100

import click

from scripts.terminal.output import print_table


def test_print_table_aligns(runner):
    @click.command()
    def show():
        print_table(
            ("scale", "accuracy"), [(1, 0.5), (576, None), (9, float("nan")), ("x", 0.123456)]
        )

    lines = runner.invoke(show).output.splitlines()
    assert lines == [
        "scale  accuracy",
        "1           0.5",
        "576           -",
        "9             -",
        "x        0.1235",
    ]

from scripts.terminal.output import training_bar, wants_progress


class Terminal:
    def __init__(self, is_terminal):
        self.isatty = lambda: is_terminal


def test_bars_are_for_terminals(monkeypatch):
    monkeypatch.setattr("sys.stderr", Terminal(True))
    assert wants_progress(quiet=False)
    assert not wants_progress(quiet=True)
    monkeypatch.setattr("sys.stderr", Terminal(False))
    assert not wants_progress(quiet=False)


def test_training_bar_counts_what_is_done(capsys):
    with training_bar(show=True) as advance:
        advance("router", 1, 2)
        advance("linear", 2, 2)
    assert "2/2" in capsys.readouterr().err


def test_training_bar_can_be_silent(capsys):
    with training_bar(show=False) as advance:
        advance("router", 1, 2)
    assert capsys.readouterr().err == ""

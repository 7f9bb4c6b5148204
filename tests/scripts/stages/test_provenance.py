import sys

from scripts.stages import provenance


def test_describe_code_starts_with_the_version():
    assert provenance.describe_code().startswith("0.")


def test_describe_code_without_a_clone(monkeypatch, tmp_path):
    monkeypatch.setattr(provenance, "REPOSITORY", tmp_path)
    assert provenance.describe_code().count("+") == 0


def test_describe_code_without_git(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert provenance.describe_code().count("+") == 0


def test_describe_command_can_be_typed_again(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/somewhere/m3scale", "ask", "What is it?"])
    assert provenance.describe_command() == "m3scale ask 'What is it?'"


def test_describe_hardware_names_processor_and_torch():
    text = provenance.describe_hardware()
    assert " x " in text
    assert "torch" in text

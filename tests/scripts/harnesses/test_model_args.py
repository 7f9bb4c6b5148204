import pytest

from scripts.harnesses.model_args import read_model_args, split_args


def read(text):
    return read_model_args(split_args(text))


def test_the_arguments_are_those_of_ask_under_the_names_of_harnesses():
    actual = read("pretrained=my/llava,router=r,budget=5.5,unit=ms,device=cuda,dtype=bfloat16")
    assert (actual.opening.model, actual.opening.device, actual.opening.dtype) == (
        "my/llava",
        "cuda",
        "bfloat16",
    )
    assert (actual.router, actual.settings.budget, actual.settings.unit) == ("r", 5.5, "ms")
    assert actual.engine == "built-in"
    actual = read("router=r,lam=0.001,outlier=0,max_new_tokens=64,engine=vllm")
    assert (actual.settings.lam, actual.settings.outlier) == (0.001, 0)
    assert (actual.settings.max_new_tokens, actual.engine) == (64, "vllm")
    assert read("router=r,lambda=0.5").settings.lam == 0.5
    assert read("router=r").settings.budget is None  # the router's own, as for `ask`


def test_quotes_keep_commas_and_nothing_else_is_special():
    assert str(read("router=r,certified='net:0.05,0.1'").settings.certified) == "net:0.05,0.1"
    path = r"C:\models\7b #2"
    assert split_args(f" pretrained={path}, scale=9 ,") == [("pretrained", path), ("scale", "9")]
    assert split_args("") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "give just one of router=FOLDER"),
        ("budget=72", "give just one of router=FOLDER"),
        ("router=r,scale=36", "give just one of router=FOLDER"),
        ("scale=36,outlier=0.1", "outlier is the router's"),
        ("router=r,budget=72,drop=0.01", "give only one of --budget"),
        ("router=r,unit=ms", "--unit goes with --budget"),
        ("scale=36,scale=36", "'scale' is given twice"),
        ("router=r,lam=1,lambda=1", "'lambda' is given twice"),
        ("model=a,pretrained=b,scale=1", "'pretrained' is given twice"),
        ("scale=36,bugdet=72", "unknown model argument 'bugdet': choose from budget, certified"),
        ("scale=many", "'many' is not a valid integer"),
        ("router=r,budget=nan", "expected a finite number"),
        ("router=r,certified=0.05", "0.05"),
        ("scale=36,engine=fast", "'fast' is not one of 'built-in', 'vllm'"),
        ("scale=36,dtype=int8", "'int8' is not one of"),
        ("scale=36,max_new_tokens=0", "0 is not in the range"),
        ("scale", "expected model arguments NAME=VALUE,NAME=VALUE, got 'scale'"),
        ("=36", "expected model arguments"),
        ("scale=", "expected model arguments"),
        ("router='r", "a quote in the model arguments is not closed"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(text, message):
    with pytest.raises(ValueError, match=message) as caught:
        read(text)
    assert "\n" not in str(caught.value)

"""What tests of every package share."""

import base64
import copy
import io
import itertools
import json
import shlex
import shutil
import struct
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from PIL import Image


def pytest_addoption(parser):
    parser.addoption("--picture", type=Path, help="where to keep a picture of the page looked at")
    parser.addoption("--page", help="a report's index.html for the browser test to look at too")


@pytest.fixture
def runner():
    return CliRunner()


NASTY = (None, True, -1, 0, 1.5, 2**70, 1e300, "", "x", "\ud800\x00|`", [], [None], {}, {"a": 1})
"""What somebody may put in the place of a saved value."""


def _edit(value):
    """List a JSON value's places, each with what stands there after each edit of it."""
    yield from (((), new) for new in NASTY)
    inner = value.items() if isinstance(value, dict) else []
    inner = enumerate(value) if isinstance(value, list) else inner
    for key, old in inner:
        for place, new in _edit(old):
            edited = dict(value) if isinstance(value, dict) else list(value)
            edited[key] = new
            yield (key, *place), edited
    if isinstance(value, dict):
        for key in value:
            yield (key,), {name: old for name, old in value.items() if name != key}
        yield (), {**value, "unknown": 1}


@pytest.fixture(scope="session")
def edit_json():
    """A function that lists (place, edited value) for every edit of a JSON value."""
    return _edit


def _list_places(value, path=()):
    """Every place of a JSON value, as the keys and numbers that lead there."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in pairs:
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from _list_places(inner, (*path, key))


def _mutate(value, rng, names, values, spoil_url=None):
    value = copy.deepcopy(value)
    for _ in range(rng.randint(1, 3)):
        places = list(_list_places(value))
        if not places:
            break
        *path, last = rng.choice(places)
        inner = value
        for key in path:
            inner = inner[key]
        old, action = inner[last], rng.random()
        if action < 0.15:
            del inner[last]
        elif action < 0.3 and isinstance(inner, dict):
            inner[rng.choice(names)] = copy.deepcopy(rng.choice([old, *values]))
        elif action < 0.5 and spoil_url and isinstance(old, str) and old.startswith("data:"):
            inner[last] = spoil_url(old)
        elif action < 0.6 and isinstance(old, str) and len(old) > 4:
            cut = rng.randrange(len(old))
            inner[last] = old[:cut] + rng.choice(["", "A", "%", "<image>", "\n"]) + old[cut + 1 :]
        else:
            inner[last] = copy.deepcopy(rng.choice(values))
    return value


@pytest.fixture(scope="session")
def mutate():
    """A function that changes one to three places of a JSON value, by chance.

    It takes the value, a `Random`, names that fields get, values that are put in, and maybe what
    changes a data URI.
    """
    return _mutate


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 256 KiB, and a function that makes it larger."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o"]
    try:
        subprocess.run([*mount, "size=256k", "tmpfs", folder], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only root can mount a disk")
    try:
        yield folder, lambda: subprocess.run([*mount, "remount,size=16m", folder], check=True)
    finally:
        subprocess.run(["umount", folder], check=True)


SPECIAL = ["<pad>", "<s>", "</s>", "<image>", "<unk>"]
WORDS = (
    "USER ASSISTANT : ? what where is the colour of big red cat dog on left how many are there a"
).split()


def make_tiny_tokenizer():
    """128 words, of which most are w0, w1, ..."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    from m3_backbone.hosts.llava import FALLBACK_TEMPLATE

    fillers = [f"w{i}" for i in range(128 - len(SPECIAL) - len(WORDS))]
    vocabulary = {word: i for i, word in enumerate(SPECIAL + WORDS + fillers)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", vocabulary["<s>"])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        extra_special_tokens={"image_token": "<image>"},
        chat_template=FALLBACK_TEMPLATE,
    )


def make_tiny_model(**changes):
    """24x24 visual tokens an image of 96x96 pixels."""
    import torch
    from transformers import (
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
    )

    # A large initial spread, so that what is seen changes what is said, and no two logits tie.
    vision = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=96,
        patch_size=4,
        initializer_range=0.3,
        initializer_factor=4.0,
    )
    text = LlamaConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=128,
        max_position_embeddings=700,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        initializer_range=0.3,
    )
    settings = {
        "vision_config": vision,
        "text_config": text,
        "image_token_id": 3,
        "vision_feature_layer": -2,
        "vision_feature_select_strategy": "default",
        "initializer_range": 0.3,
    }
    torch.manual_seed(0)
    return LlavaForConditionalGeneration(LlavaConfig(**{**settings, **changes})).eval()


def make_tiny_image_processor():
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    return CLIPImageProcessorPil(size={"height": 96, "width": 96}, do_center_crop=False)


def save_tiny_llava(folder):
    from transformers import LlavaProcessor

    make_tiny_model().save_pretrained(folder)
    LlavaProcessor(
        make_tiny_image_processor(),
        make_tiny_tokenizer(),
        patch_size=4,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_llava():
    """Makers of the parts of a tiny random LLaVA, and of its folder; imported when first asked."""
    return SimpleNamespace(
        model=make_tiny_model,
        tokenizer=make_tiny_tokenizer,
        image_processor=make_tiny_image_processor,
        save=save_tiny_llava,
    )


def write_varint(number):
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def write_field(number, content):
    if isinstance(content, int):
        return write_varint(number << 3) + write_varint(content)
    return write_varint(number << 3 | 2) + write_varint(len(content)) + content


def write_piece(text, score, kind):
    return write_field(1, text.encode()) + b"\x15" + struct.pack("<f", score) + write_field(3, kind)


@pytest.fixture(scope="session")
def write_sentencepiece():
    """Write a `tokenizer.model` from (text, score, kind) pieces."""

    def write(path, pieces, model_type=2):
        content = b"".join(write_field(1, write_piece(*piece)) for piece in pieces)
        path.write_bytes(content + write_field(2, write_field(3, model_type)))

    return write


@pytest.fixture(scope="session")
def vicuna_pieces():
    """A vocabulary of 300 pieces built like Vicuna's: special, bytes, merges, characters."""
    special = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)]
    single = [(f"<0x{byte:02X}>", 0.0, 6) for byte in range(256)]
    merges = ["US", "ER", "USER", "\u2581USER", "ca", "cat", "\u2581cat"]
    merged = [(text, -float(rank), 1) for rank, text in enumerate(merges)]
    letters = [(letter, -100.0, 1) for letter in "\u2581USERAINTabcdefghiklmnoprstuvwxyz."]
    return [*special, *single, *merged, *letters]


@pytest.fixture(scope="session")
def official_folder(tmp_path_factory, write_sentencepiece, vicuna_pieces):
    """A tiny LLaVA-1.5 as official code stores it: tensors, settings and tokenizer.model."""
    source = Path(__file__).resolve().parent / "golden" / "llava15"
    folder = tmp_path_factory.mktemp("official")
    for name in ("config.json", "vision_config.json", "model.safetensors"):
        shutil.copyfile(source / name, folder / name)
    write_sentencepiece(folder / "tokenizer.model", vicuna_pieces)
    return folder


CHROMIUM_FLAGS = (
    "--headless",
    "--hide-scrollbars",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
)


class Browser:
    """Chromium, spoken to in its DevTools protocol over two pipes: no driver, no port."""

    def __init__(self, program, folder):
        command = shlex.join([program, *CHROMIUM_FLAGS, f"--user-data-dir={folder}"])
        # It reads commands from descriptor 3 and answers on 4.
        self.process = subprocess.Popen(
            ["sh", "-c", f"exec {command} 3<&0 4>&1 </dev/null >/dev/null 2>&1"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.numbers, self.events, self.session = itertools.count(1), [], None
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method, **parameters):
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.process.stdin.write(json.dumps(message).encode() + b"\0")
        self.process.stdin.flush()
        while (answer := self.read()).get("id") != number:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def read(self):
        parts = iter(lambda: self.process.stdout.read(1), b"\0")
        return json.loads(b"".join(itertools.takewhile(bool, parts)))

    def open(self, url, width, scheme="light"):
        """Open a page."""
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.send("Emulation.setDeviceMetricsOverride", **metrics)
        self.send(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )
        self.events.clear()
        self.send("Page.navigate", url=url)
        while not any(e["method"] == "Page.loadEventFired" for e in self.events):
            self.events.append(self.read())

    def look(self, script):
        """What a script gives, or what it promises."""
        options = {"returnByValue": True, "awaitPromise": True}
        return self.send("Runtime.evaluate", expression=script, **options)["result"].get("value")

    def take_picture(self, left, width, height, path=None):
        """A picture of the page from its top; at the path, if one is given, in few colours."""
        clip = {"x": left, "y": 0, "width": width, "height": height, "scale": 1}
        shot = self.send("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        content = base64.b64decode(shot["data"])
        picture = Image.open(io.BytesIO(content)).convert("RGB")
        if path:
            picture.quantize(64).save(path, optimize=True)
        return picture

    def complaints(self, *origins):
        """What was logged as wrong since the page was opened, and asked for elsewhere."""
        found = []
        for event in self.events:
            method = event["method"]
            params = event.get("params", {})
            if method == "Network.requestWillBeSent":
                url = params["request"]["url"]
                if not url.startswith(("data:", *origins)):
                    found.append(f"asked for {url}")
            elif method == "Runtime.exceptionThrown" or (
                method in ("Log.entryAdded", "Runtime.consoleAPICalled")
                and params.get("type", params.get("entry", {}).get("level")) in ("error", "warning")
            ):
                found.append(str(params))
        return found

    def close(self):
        self.send("Browser.close")
        self.process.communicate(timeout=60)


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        pytest.skip("no Chromium on this machine; on Debian: apt-get install chromium")
    browser = Browser(program, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()

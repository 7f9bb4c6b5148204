"""The page in a real Chromium, with m3-mini behind it: pointer, keyboard, phone, readers.

`pytest tests/scripts/serving/page --picture docs/page.png` makes the picture of the documentation.
"""

import importlib.util
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from predictor.requests.knobs import Knob
from scripts.serving.opening import serve_model
from scripts.serving.settings import ServeSettings

DESK, PHONE = 1280, 390

SHOWN = "!document.getElementById('result').hidden"

STATE = """(() => {
  const rows = [...document.querySelectorAll('#scales tr')];
  return {
    answer: document.getElementById('answer').textContent,
    chosen: rows.findIndex((row) => row.classList.contains('chosen')),
    answers: rows.map((row) => row.children[2].textContent),
    cells: document.querySelector('#grid path').getAttribute('d').match(/M/g).length / 2 - 1,
    over: document.documentElement.scrollWidth - innerWidth,
  };
})()"""


@pytest.fixture(scope="module")
def page(mini, serving):
    from predictor.adaptive import AdaptiveM3

    model = AdaptiveM3(mini.backbone, mini.router, outlier=0)
    settings = ServeSettings(ui=True)
    app = serve_model(model, settings, "m3-mini", Knob(budget=72), "secret")
    with serving(app) as served:
        yield served.address


def wait(browser, condition):
    met = browser.look(
        "new Promise((done) => { let left = 3000; const look = () => {"
        f"  if ({condition}) done(true);"
        "  else if (left-- > 0) setTimeout(look, 20);"
        "  else done(false);"
        "}; look(); })"
    )
    assert met, (condition, browser.look("document.getElementById('message').textContent"))


def open_page(browser, page, width=DESK):
    browser.open("about:blank", width)  # another fragment alone would open nothing
    browser.open(f"{page}/#secret", width)
    wait(browser, "document.querySelectorAll('#examples button').length > 0")


def click(browser, selector):
    browser.look(f"document.querySelector('{selector}').click()")


def press(browser, key, code=0, text=None):
    fields = {"key": key, "windowsVirtualKeyCode": code}
    browser.send("Input.dispatchKeyEvent", type="keyDown", text=text or "", **fields)
    browser.send("Input.dispatchKeyEvent", type="keyUp", **fields)


def ask_example(browser, page, width=DESK):
    open_page(browser, page, width)
    click(browser, "#examples button")
    click(browser, "#send")
    wait(browser, SHOWN)


def set_knob(browser, place):
    browser.look(
        f"(() => {{ const knob = document.getElementById('knob'); knob.value = {place};"
        " knob.dispatchEvent(new Event('input')); })()"
    )


@pytest.mark.parametrize("width", [DESK, PHONE])
def test_an_answer_is_shown_at_every_scale(browser, page, mini, width):
    ask_example(browser, page, width)
    state = browser.look(STATE)
    assert len(state["answers"]) == len(mini.router.scales)
    assert state["answer"] == state["answers"][state["chosen"]]
    assert state["cells"] ** 2 == mini.router.scales[state["chosen"]]
    assert state["over"] <= 0
    assert not browser.complaints(page)


def test_answers_are_those_of_the_model(browser, page, mini):
    ask_example(browser, page)
    [pyramid] = mini.backbone.encode(mini.images[:1])
    question = browser.look("document.getElementById('question').value")
    expected = [
        mini.backbone.generate([pyramid], [question], scale, max_new_tokens=32)[0].text
        for scale in mini.router.scales
    ]
    assert browser.look(STATE)["answers"] == expected


def test_the_knob_changes_the_choice_without_asking_again(browser, page, mini):
    ask_example(browser, page)
    browser.events.clear()
    last = int(browser.look("document.getElementById('knob').max"))
    chosen = []
    for place in range(last + 1):
        set_knob(browser, place)
        chosen.append(browser.look(STATE)["chosen"])
    assert chosen == sorted(chosen)
    assert len(set(chosen)) > 1
    sent = [e for e in browser.events if e["method"] == "Network.requestWillBeSent"]
    assert not [e for e in sent if not e["params"]["request"]["url"].startswith("data:")]


def test_the_keyboard_is_enough(browser, page):
    open_page(browser, page)
    focus = "document.activeElement.id || document.activeElement.parentElement.id"
    for wanted in ("file", "examples"):
        press(browser, "Tab", 9)
        assert browser.look(focus) == wanted
    press(browser, "Enter", 13, "\r")
    wait(browser, "document.activeElement.id === 'question'")
    press(browser, "Enter", 13, "\r")
    wait(browser, SHOWN)
    for _ in range(2):
        press(browser, "Tab", 9)
    assert browser.look(focus) == "knob"
    before = browser.look("document.getElementById('budget').textContent")
    press(browser, "ArrowRight", 39)
    assert browser.look("document.getElementById('budget').textContent") != before


def test_a_file_is_taken_from_the_chooser_and_a_damaged_one_is_refused(
    browser, page, mini, tmp_path
):
    open_page(browser, page)
    mini.images[1].save(tmp_path / "image.png")
    (tmp_path / "damaged.png").write_bytes((tmp_path / "image.png").read_bytes()[:200])
    root = browser.send("DOM.getDocument")["root"]["nodeId"]
    node = browser.send("DOM.querySelector", nodeId=root, selector="#file")["nodeId"]
    browser.look("document.getElementById('question').value = 'What is there?'")
    for name, end in (
        ("image.png", SHOWN),
        ("damaged.png", "/damaged|cut/.test(message.textContent)"),
    ):
        browser.send("DOM.setFileInputFiles", nodeId=node, files=[str(tmp_path / name)])
        wait(
            browser,
            "document.getElementById('result').hidden && !document.getElementById('image').hidden",
        )
        click(browser, "#send")
        wait(browser, end)


def test_an_image_is_dropped_and_pasted(browser, page):
    for event, kind, target, field in (
        ("DragEvent", "drop", "#drop", "dataTransfer"),
        ("ClipboardEvent", "paste", "body", "clipboardData"),
    ):
        open_page(browser, page)
        browser.look(
            "(() => {"
            "  const coded = document.querySelector('#examples img').src.split(',')[1];"
            "  const bytes = Uint8Array.from(atob(coded), (letter) => letter.charCodeAt(0));"
            "  const transfer = new DataTransfer();"
            "  transfer.items.add(new File([bytes], 'x.png', {type: 'image/png'}));"
            f"  const event = new {event}('{kind}',"
            f"    {{{field}: transfer, bubbles: true, cancelable: true}});"
            f"  document.querySelector('{target}').dispatchEvent(event);"
            "})()"
        )
        wait(browser, "document.getElementById('image').src.startsWith('data:image/png')")


def test_a_screen_reader_finds_its_way(browser, page):
    """The rules of axe-core, on the page as it is opened and with an answer."""
    package = importlib.util.find_spec("axe_core_python").origin
    axe = Path(package).with_name("axe.min.js").read_text(encoding="utf-8")
    for prepare in (open_page, ask_example):
        prepare(browser, page)
        browser.look(axe + ";0")
        assert browser.look("axe.run().then((found) => found.violations)") == []


def test_without_the_token_there_is_a_page_and_no_answer(page):
    with urllib.request.urlopen(f"{page}/") as response:
        assert "default-src 'self'" in response.headers["content-security-policy"]
    for path in ("/page/setup", "/page/nothing"):
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(page + path)


def test_a_picture_of_the_page(browser, page, request):
    ask_example(browser, page)
    picture = browser.take_picture(80, 1120, 820, request.config.getoption("--picture"))
    assert picture.size == (1120, 820)
    assert len(picture.getcolors(2**20)) > 100

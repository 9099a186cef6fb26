"""The widgets in JupyterLab and Chromium, by mouse and keyboard."""

import json
import os
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.browser]

SETUP = """import axon_nb as ax
from sklearn.datasets import load_digits
digits = load_digits()
x, y = (digits.images[:, None] / 16).astype("float32"), digits.target
b = ax.Builder()
b"""
MODEL = """import axon_nb as ax
model = (ax.input((None, 1, 8, 8), name="image") | ax.conv(8, 3, activation="relu") | ax.residual(ax.conv(8, 3,
    padding="same")) | ax.max_pool(2) | ax.flatten() | ax.dropout(0.25) | ax.dense(10, activation="softmax"))
"""
SHOTS = os.environ.get("AXON_SCREENSHOTS")
"""Where to keep screenshots, for people to look at."""


def wait(page, condition, timeout=30_000):
    page.wait_for_function(condition, timeout=timeout)


def text_of(page):
    return page.locator(".ax-code").input_value()


def shoot(root, name):
    if SHOTS:
        root.screenshot(path=str(Path(SHOTS) / f"{name}.png"))


CODE = "document.querySelector('.ax-code').value"

OVERLAPS = """(root) => {
  const boxes = [...root.querySelectorAll(".ax-main > *, .ax-under > *, .ax-two > *, .ax-tools > *, .ax-field > *, " +
    ".ax-samples > *, .ax-weights > *, .ax-turn > *, .ax-more > div > *, progress, .ax-scrub > *")]
    .filter((one) => one.offsetParent !== null).map((one) => [one, one.getBoundingClientRect()])
    .filter(([, box]) => box.width && box.height);
  const wrong = [];
  for (const [one, a] of boxes) for (const [other, b] of boxes) {
    if (one === other || one.parentElement !== other.parentElement) continue;
    const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const tall = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (wide > 1 && tall > 1) wrong.push(`${one.className || one.tagName} over ${other.className || other.tagName}`);
  }
  const own = root.getBoundingClientRect();
  for (const [one, box] of boxes)
    if (box.right > own.right + 1 && !one.closest(".ax-table, .ax-diagram, .ax-families"))
      wrong.push(`${one.className || one.tagName} sticks out`);
  if (root.scrollWidth > root.clientWidth + 1) wrong.push("the page scrolls sideways");
  return wrong;
}"""


def test_a_digits_network_is_built_broken_mended_trained_and_explored(lab):
    page = lab.open(SETUP, "print(b.text)", "t = ax.Trainer(b.model, (x, y), epochs=300, validation=0.2)\nt",
                    "6 * 7", "e = ax.Explorer(t.trained, x)\ne")  # fmt: skip
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    lab.run(0)
    root = page.locator(".ax[data-kind=builder]")
    root.wait_for()

    # From nothing, by mouse and keyboard.
    root.get_by_label("Insert input", exact=False).first.click()
    root.locator("tr[data-name=input_0]").click()
    root.locator("[data-option=shape]").fill("None, 1, 8, 8")
    root.locator("[data-option=shape]").press("Enter")
    wait(page, "document.querySelector('.ax-shape').textContent == '(None, 1, 8, 8)'")
    search = root.get_by_label("Search layers")
    for word, name in (("conv", "conv_0"), ("max_pool", "max_pool_0"), ("flatten", "flatten_0"), ("dense", "dense_0")):
        search.fill(word)
        search.press("Enter")
        root.locator(f"tr[data-name={name}]").wait_for()
    search.press("Escape")
    wait(page, "document.querySelector('[data-option=units]') !== null")
    root.locator("[data-option=units]").fill("10")
    root.locator("[data-option=units]").press("Enter")
    wait(page, "document.querySelector('.ax-code').value.includes('dense(10)')")
    root.locator("[data-option=activation]").select_option("softmax")
    wait(page, """document.querySelector('.ax-code').value.includes('dense(10, activation="softmax")')""")
    root.locator("svg [data-node]").nth(1).click()
    wait(page, "document.querySelector('.ax-form h4').textContent.startsWith('conv_0')")
    root.locator("[data-option=units]").fill("8")
    root.locator("[data-option=units]").press("Enter")
    wait(page, "document.querySelector('.ax-code').value.includes('conv(8')")
    good = text_of(page)

    # Break it by hand, and take a fix.
    root.locator("tr[data-name=flatten_0]").click()
    search.fill("conv")
    search.press("Enter")
    root.locator(".ax-wrong:visible").wait_for()
    assert "conv_1" in root.locator(".ax-error").inner_text()
    assert root.locator("tr.ax-failed").count() == 1
    shoot(root, "broken")
    root.locator(".ax-fixes button").last.click()
    root.locator(".ax-wrong").wait_for(state="hidden")

    # Write in the text: form, table and diagram follow; undo by the keyboard.
    code = root.locator(".ax-code")
    code.fill(good.replace("| flatten()", "# flat\n| dropout(0.3)\n| flatten()"))
    root.locator("tr[data-name=dropout_0]").wait_for()
    root.locator("tr[data-name=dropout_0]").click()
    wait(page, "document.querySelector('[data-option=rate]')?.value == '0.3'")
    root.focus()
    page.keyboard.press("Alt+ArrowDown")
    wait(page, f"{CODE}.indexOf('dropout') > {CODE}.indexOf('flatten()')")
    assert "# flat" in text_of(page)
    page.keyboard.press("Control+z")
    wait(page, f"{CODE}.indexOf('dropout') < {CODE}.indexOf('flatten()')")
    page.keyboard.press("ArrowDown")
    wait(page, "document.querySelector('tr.ax-chosen').dataset.name == 'flatten_0'")

    # A text that would run code is refused, and stays in the field.
    before = text_of(page)
    code.fill(before + '| dense(__import__("os").getpid())\n')
    root.locator(".ax-notice:visible").wait_for()
    assert "__import__" in root.locator(".ax-notice").inner_text()
    code.fill(before)

    # Copy the code: it is the text of the cell that makes the model.
    root.get_by_label("Copy the code of the model").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == before
    lab.run(1)
    assert page.locator(".jp-CodeCell").nth(1).locator(".jp-OutputArea-output").inner_text().strip() == before.strip()

    # Train, pause, change the rate, go on; the kernel answers meanwhile; closing and opening the page changes nothing.
    lab.run(2)
    training = page.locator(".ax[data-kind=trainer]")
    training.wait_for()
    training.get_by_label("Begin to train").click()
    wait(page, "Number(document.querySelector('.ax[data-kind=trainer] .ax-scrub input').max) >= 2", 180_000)
    lab.run(3, timeout=20_000)
    assert page.locator(".jp-CodeCell").nth(3).locator(".jp-OutputArea-output").inner_text().strip() == "42"
    training.get_by_label("Wait after the step in progress").click()
    wait(page, "document.querySelector('.ax[data-kind=trainer]').dataset.status == 'paused'")
    rate = training.get_by_label("Learning rate", exact=True)
    rate.fill("0.003")
    rate.press("Enter")
    lab.write(3, "t")
    lab.run(3)
    lab.write(2, "print(t.status, t.learning_rate)")
    lab.run(2)
    assert page.locator(".jp-CodeCell").nth(2).locator(".jp-OutputArea-output").inner_text().strip() == "paused 0.003"
    training = page.locator(".ax[data-kind=trainer]")
    wait(page, "document.querySelector('.ax[data-kind=trainer]').dataset.status == 'paused'")
    assert training.locator(".ax-plot path").count() >= 2
    assert training.locator(".ax-samples canvas").count() == 8
    training.get_by_label("Go on").click()
    wait(page, "document.querySelector('.ax[data-kind=trainer]').dataset.status == 'running'")
    training.get_by_label("End, and keep what was trained").click()
    wait(page, "['halted', 'completed'].includes(document.querySelector('.ax[data-kind=trainer]').dataset.status)")
    training.get_by_label("Epoch to look at").fill("1")
    wait(page, "document.querySelector('.ax-scrub').textContent.includes('after epoch 1')")
    shoot(training, "trained")

    # Explore a layer, and draw.
    lab.run(4)
    looking = page.locator(".ax[data-kind=explorer]")
    looking.locator(".ax-answer strong").wait_for(timeout=60_000)
    looking.locator("svg [data-node]").nth(1).click()
    wait(page, "document.querySelectorAll('.ax-maps canvas').length == 8")
    pad = looking.locator(".ax-pad")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    page.mouse.move(box["x"] + 70, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 70, box["y"] + 120, steps=10)
    page.mouse.up()
    wait(page, "document.querySelector('.ax-which').textContent.includes('your drawing')")
    shoot(looking, "drawn")
    assert lab.errors == []


@pytest.mark.parametrize("theme", ["Light", "Dark"])
@pytest.mark.parametrize("width", [900, 1600])
def test_nothing_overlaps(lab, theme, width):
    pages = {
        "builder": "b = ax.Builder(model)\nb.select('conv_0')\nb",
        "broken": "c = ax.Builder(model)\nc.insert('conv', after='flatten_0')\nc.select('conv_1')\nc",
        "what_if": "ax.what_if(model)",
        "live": "ax.live('model')",
        "trainer": "t = ax.Trainer(model, (x, y), epochs=2, validation=0.2)\nt.start()\nt.wait()\nt",
        "explorer": "e = ax.Explorer(t.trained, x)\ne.select('conv_0')\ne",
    }
    data = SETUP.rpartition("b = ax")[0]
    page = lab.open(MODEL + data, *pages.values(), theme=theme, width=width)
    lab.run(0)
    for number, name in enumerate(pages, 1):
        cell = lab.run(number)
        root = cell.locator(".ax")
        root.wait_for()
        page.wait_for_timeout(900)
        if name == "trainer":
            root.locator(".ax-samples canvas").first.wait_for(timeout=60_000)
        if name == "explorer":
            root.locator(".ax-maps canvas").first.wait_for(timeout=60_000)
        root.scroll_into_view_if_needed()
        shoot(root, f"{name}-{theme.lower()}-{width}")
        assert root.evaluate(OVERLAPS) == [], name
        assert cell.locator(".axon-static:visible").count() == 0
    assert lab.errors == []


def test_hostile_names_are_text_and_a_saved_notebook_is_not_empty(lab):
    name = "<img src=x onerror=hit=1>"
    page = lab.open(
        f"import axon_nb as ax\nm = ax.input((None, 4), name={name!r}) | ax.dense(2, name={name[:-1] + ' >'!r})\n"
        "b = ax.Builder(m)\nb"
    )
    cell = lab.run(0)
    root = cell.locator(".ax")
    root.locator("tr").nth(1).click()
    page.wait_for_timeout(500)
    assert name in root.locator(".ax-table").inner_text()
    root.locator("[data-option=name]").fill("<svg onload=hit=1>")
    root.locator("[data-option=name]").press("Enter")
    page.wait_for_timeout(500)
    assert "<svg onload" in text_of(page)
    assert page.evaluate("window.hit") is None
    page.wait_for_timeout(3000)  # the card beside the page follows when nothing has changed for a moment
    page.keyboard.press("Control+s")
    page.wait_for_timeout(2500)
    saved = json.loads((lab.folder / f"test_{lab.count}.ipynb").read_text())
    html = "".join("".join(one.get("data", {}).get("text/html", "")) for one in saved["cells"][0]["outputs"])
    assert "&lt;svg onload" in html
    assert "<svg onload" not in html

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
    padding="same")) | ax.max_pool(2) | ax.flatten() | ax.dropout(0.25) | ax.dense(10, activation="softmax",
    name="a_name_that_somebody_made_far_too_long_for_a_table"))
words = ax.input((None, 6, 16), name="words") | ax.multi_head_attention(heads=4, causal=True) | ax.dense(2)
"""
NAMELESS = """(root) => [...root.querySelectorAll("button, input, select, textarea, canvas, " +
    "[tabindex='0'], [role=img]")]
  .filter((one) => one.offsetParent !== null || one.ownerSVGElement === null)
  .filter((one) => !(one.ariaLabel || one.getAttribute("aria-label") || one.closest("label")?.textContent.trim()))
  .map((one) => one.outerHTML.slice(0, 80))"""
"""What a screen reader has no name for."""
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
  for (const pane of root.querySelectorAll(".ax-table, .ax-side, .ax-form, .ax-two > *, .ax-under > *, .ax-tools, " +
      ".ax-palette, .ax-maps"))
    if (pane.offsetParent && pane.scrollWidth > pane.clientWidth + 1)
      wrong.push(`${pane.className || pane.ariaLabel} scrolls sideways`);
  const own = root.getBoundingClientRect();
  for (const [one, box] of boxes)
    if (box.right > own.right + 1 && !one.closest(".ax-diagram"))
      wrong.push(`${one.className || one.tagName} sticks out`);
  if (root.scrollWidth > root.clientWidth + 1) wrong.push("the page scrolls sideways");
  return wrong;
}"""


def test_a_digits_network_is_built_broken_mended_trained_and_explored(lab):
    page = lab.open(SETUP, "print(b.text)", "t = ax.Trainer(b.model, (x, y), epochs=5000, validation=0.2)\nt",
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
    root.locator("tr[data-name=dropout_0]").drag_to(root.locator("tr[data-name=flatten_0]"))
    wait(page, f"{CODE}.indexOf('dropout') > {CODE}.indexOf('flatten()')")
    root.locator("[data-node=dropout_0]").drag_to(root.locator("[data-node=max_pool_0]"))
    wait(page, f"{CODE}.indexOf('dropout') < {CODE}.indexOf('flatten()')")
    search.fill("tanh")
    root.locator("[data-layer=tanh]").drag_to(root.locator("[data-node=flatten_0]"))
    root.locator("tr[data-name=tanh_0]").wait_for()
    search.fill("")
    root.get_by_label("Undo the last change", exact=False).click()
    root.locator("tr[data-name=tanh_0]").wait_for(state="detached")
    root.locator("tr[data-name=dropout_0]").click()
    root.focus()
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
    steps = []
    for _ in range(2):  # other output in its place closes the page, and the training goes on
        lab.write(3, "print(t.status, t.progress['steps'])")
        lab.run(3, timeout=20_000)
        training.wait_for(state="detached")
        steps.append(page.locator(".jp-CodeCell").nth(3).locator(".jp-OutputArea-output").inner_text().split())
        page.wait_for_timeout(1000)
    assert [status for status, _ in steps] == ["running", "running"]
    assert int(steps[1][1]) > int(steps[0][1])
    lab.write(3, "t")
    lab.run(3)
    wait(page, "document.querySelector('.ax[data-kind=trainer]').dataset.status == 'running'")
    told = "document.querySelector('.ax[data-kind=trainer] .ax-status').textContent"
    before = page.evaluate(f"{told}.match(/epoch [0-9]+/)[0]")
    wait(page, f"!{told}.includes('{before} ')", 120_000)
    training.get_by_label("End, and keep what was trained").click()
    wait(page, "['halted', 'completed'].includes(document.querySelector('.ax[data-kind=trainer]').dataset.status)")
    training.get_by_label("Epoch to look at").fill("1")
    wait(page, "document.querySelector('.ax-scrub').textContent.includes('after epoch 1')")
    shoot(training, "trained")

    # Explore a layer, and draw.
    lab.run(4)
    looking = page.locator(".ax[data-kind=explorer]")
    looking.locator(".ax-answer strong").wait_for(timeout=180_000)
    looking.locator("svg [data-node]").nth(1).click()
    wait(page, "document.querySelectorAll('.ax-output .ax-maps canvas').length == 8")
    pad = looking.locator(".ax-pad")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    page.mouse.move(box["x"] + 70, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 70, box["y"] + 120, steps=10)
    page.mouse.up()
    wait(page, "document.querySelector('.ax-which').textContent.includes('your drawing')")
    lab.write(3, "print(e.drawn['input_0'].sum() > 1, e.predict().argmax())")
    lab.run(3)
    said = page.locator(".jp-CodeCell").nth(3).locator(".jp-OutputArea-output").inner_text().split()
    assert said == ["True", looking.locator(".ax-answer strong").inner_text()]
    shoot(looking, "drawn")
    looking.get_by_label("Clear the drawing").click()
    wait(page, "document.querySelector('.ax-which').textContent.includes('1 of 64')")
    pad.focus()
    for key in (" ", *["ArrowDown"] * 8, " "):
        page.keyboard.press(key)
    wait(page, "document.querySelector('.ax-which').textContent.includes('your drawing')")
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
        "attention": "a = ax.Explorer(words.compile(), x.reshape(-1, 4, 16).repeat(2, 1)[:, :6])\n"
        "a.select('multi_head_attention_0')\na",
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
            root.locator(".ax-samples canvas").first.wait_for(timeout=180_000)
        if name in ("explorer", "attention"):
            root.locator(".ax-maps canvas").first.wait_for(timeout=180_000)
        root.scroll_into_view_if_needed()
        shoot(root, f"{name}-{theme.lower()}-{width}")
        assert root.evaluate(OVERLAPS) == [], name
        assert root.evaluate(NAMELESS) == [], name
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


def test_keys_alone_and_colours_of_the_systems_own(lab):
    page = lab.open(f"{MODEL}b = ax.Builder(model)\nb", "print(b.selected, b.layers)", width=1200)
    lab.run(0)
    root = page.locator(".ax")
    root.locator("[data-node]").first.wait_for()
    root.focus()
    seen = []
    for _ in range(60):  # each stop can be seen, and none holds the keys
        page.keyboard.press("Tab")
        now = page.evaluate("""() => {
          const one = document.activeElement, look = getComputedStyle(one);
          const words = one.getAttribute("aria-label") || one.textContent;
          return one.closest(".ax") ? [words, look.outlineStyle, look.outlineWidth] : null;
        }""")
        if now is None:
            break
        seen.append(now)
    assert now is None
    labels = [label for label, _, _ in seen]
    words = ("Copy the code", "Search layers", "Diagram", "Code of the model", "Layers and shapes")
    places = [next(i for i, label in enumerate(labels) if word in label) for word in words]
    assert places == sorted(places)
    assert [label for label, style, width in seen if style == "none" or width == "0px"] == []
    root.focus()
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.type") == "search"
    page.keyboard.type("tanh")
    page.keyboard.press("Enter")
    root.locator("tr[data-name=tanh_0]").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowUp")
    wait(page, "document.querySelector('.ax-aloud').textContent.includes('(None')")
    page.keyboard.press("ArrowDown")
    wait(page, "document.querySelector('tr.ax-chosen').dataset.name == 'tanh_0'")
    for keys, count in (("Control+d", 2), ("Delete", 1), ("Control+z", 2), ("Control+y", 1)):
        page.keyboard.press(keys)
        wait(page, f"document.querySelectorAll('tr[data-name^=tanh]').length == {count}")
    page.emulate_media(forced_colors="active", reduced_motion="reduce")
    root.locator("tr[data-name=conv_0]").click()
    assert root.locator("tr[data-name=conv_0]").evaluate("one => getComputedStyle(one).outlineStyle") == "solid"
    assert root.evaluate("""root => [...root.querySelectorAll("*")].every((one) => {
      const look = getComputedStyle(one);
      return look.animationName === "none" && look.transitionDuration === "0s";
    })""")
    shoot(root, "forced-colors")
    assert lab.errors == []

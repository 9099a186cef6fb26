"""How long a click in the builder takes until the page is redrawn, in JupyterLab and Chromium: the median of many.

Beside it stands what of that is Jupyter's: an empty message to the kernel and back.

python tests/benchmarks/widget_redraw.py
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "browser"))

from lab_server import running  # it stands beside the browser tests

CLICKS = 21
SMALL = """import axon_nb as ax
model = (ax.input((None, 1, 28, 28), name="image") | ax.conv(32, 3, activation="relu") | ax.max_pool(2) | ax.flatten()
    | ax.dense(10, "softmax"))
b = ax.Builder(model)
b"""
RESNET = """import axon_nb as ax

def block(units, strides, widens):
    body = (ax.conv(units, 1, use_bias=False) | ax.batch_norm() | ax.relu()
        | ax.conv(units, 3, strides=strides, padding="same", use_bias=False) | ax.batch_norm() | ax.relu()
        | ax.conv(4 * units, 1, use_bias=False) | ax.batch_norm())
    short = ax.conv(4 * units, 1, strides=strides, use_bias=False) | ax.batch_norm()
    return ax.add(body, short if widens else ax.noop()) | ax.relu()

model = (ax.input((None, 3, 224, 224), name="image") | ax.conv(64, 7, strides=2, padding=3, use_bias=False)
    | ax.batch_norm() | ax.relu() | ax.max_pool(3, strides=2, padding=1))
for count, units, strides in ((3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 2)):
    for number in range(count):
        model = model | block(units, strides if number == 0 else 1, number == 0)
model = model | ax.global_avg_pool() | ax.dense(1000)
b = ax.Builder(model)
b"""
ECHO = """import anywidget

class Echo(anywidget.AnyWidget):
    _esm = '''export default { render({ model, el }) {
        el.classList.add("echo");
        el.ask = () => new Promise((done) => {
            const began = performance.now();
            const heard = () => { model.off("msg:custom", heard); done(performance.now() - began); };
            model.on("msg:custom", heard);
            model.send({});
        });
    } }'''

echo = Echo()
echo.on_msg(lambda *_: echo.send({}))
echo"""
"""A message with nothing in it, there and back: what no page can be faster than."""

CLICK = """([root, label]) => new Promise((done) => {
  const count = () => root.querySelectorAll("tbody tr").length;
  const head = () => root.querySelector(".ax-form h4")?.textContent;
  const nodes = count(), before = head(), began = performance.now();
  const ready = () => label === null ? head() !== before : count() !== nodes;
  const after = () => requestAnimationFrame(() => setTimeout(() => done(performance.now() - began)));
  const watch = new MutationObserver(() => { if (ready()) { watch.disconnect(); after(); } });
  watch.observe(root, { subtree: true, childList: true });
  const rows = [...root.querySelectorAll("tbody tr")].filter((one) => !one.classList.contains("ax-chosen"));
  if (label === null) rows[Math.floor(Math.random() * rows.length)].click();
  else root.querySelector(`[aria-label^="${label}"]`).click();
})"""


def measure(lab, cell, last):
    """Take turns between what is measured, so that whatever else the machine does falls on all alike."""
    page = lab.open(cell, ECHO)
    lab.run(0, timeout=300_000)
    lab.run(1)
    root = page.locator(".ax")
    root.locator("svg [data-node]").first.wait_for(timeout=120_000)
    page.locator(".echo").wait_for(state="attached")
    handle = root.element_handle()
    times = {"empty message": [], "choose a layer": [], "duplicate it": [], "undo": []}
    for _ in range(CLICKS):
        times["empty message"].append(page.evaluate("document.querySelector('.echo').ask()"))
        times["choose a layer"].append(page.evaluate(CLICK, [handle, None]))
        root.locator(f"tr[data-name={last}]").click()
        times["duplicate it"].append(page.evaluate(CLICK, [handle, "Put the same layer"]))
        times["undo"].append(page.evaluate(CLICK, [handle, "Undo the last"]))
    return times


def main():
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as lab:
        for name, cell, last in (("digits CNN", SMALL, "dense_0"), ("ResNet-50", RESNET, "dense_0")):
            for what, times in measure(lab, cell, last).items():
                print(f"{name:12} {what:16} {statistics.median(times):7.0f} ms median, {max(times):.0f} ms at most")


if __name__ == "__main__":
    main()

// Sliders for every number.

function what_if(root, send) {
  const list = table(), error = h("pre", { cls: "ax-error ax-wrong", hidden: true });
  const sliders = h("div", { cls: "ax-sliders" }), costs = h("div", { cls: "ax-costs", "aria-live": "polite" });
  const boxes = new Map();
  const notice = h("div", { cls: "ax-notice", role: "status", hidden: true });
  root.append(notice, h("div", { cls: "ax-two" },
    h("section", { "aria-label": "Numbers" }, button("Reset", "Put all numbers back", () => send("reset")), sliders),
    h("section", { "aria-label": "What comes of it" }, costs, error, list.el)));
  return (patch) => {
    if ("numbers" in patch) {
      boxes.clear();
      let layer = null;
      sliders.replaceChildren(...patch.numbers.flatMap((one) => {
        const turn = throttled((value) => send("turn", { name: one.name, value }));
        const words = `${one.name}: ${one.help}${one.unit ? ` (${one.unit})` : ""}`;
        const range = h("input", { type: "range", min: one.low, max: one.high, step: one.step, "aria-label": words, title: words });
        const box = h("input", { type: "number", min: one.low, step: one.step, "aria-label": `${words}, as a number` });
        range.addEventListener("input", () => { box.value = range.value; turn(Number(range.value)); });
        box.addEventListener("change", () => { range.value = box.value; if (box.value !== "") turn(Number(box.value)); });
        boxes.set(one.name, [range, box]);
        const head = one.layer !== layer ? [h("h4", {}, one.layer)] : [];
        layer = one.layer;
        return [...head, h("label", { cls: "ax-turn" }, h("span", {}, one.name.slice(one.layer.length + 1)), range, box)];
      }));
    }
    for (const [name, value] of Object.entries(patch.values || {}))
      for (const one of boxes.get(name) || []) if (document.activeElement !== one || one.value === "") one.value = value;
    if (patch.costs) costs.replaceChildren(...Object.entries(patch.costs).map(([name, value]) => h("div", {}, h("small", {}, name), h("strong", {}, value))));
    if ("rows" in patch) list.rows(patch.rows);
    if ("error" in patch) { error.textContent = patch.error; error.hidden = !patch.error; }
    if ("notice" in patch) { notice.textContent = patch.notice; notice.hidden = !patch.notice; }
  };
}

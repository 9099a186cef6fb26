// The table of layers: the diagram in words, for those who do not see it.

function reveal(el, line) {
  const one = line.getBoundingClientRect(), view = el.getBoundingClientRect();
  if (one.top < view.top + 24 || one.bottom > view.bottom) el.scrollTop += one.top - view.top - view.height / 3;
}

function table(onpick) {
  const body = h("tbody");
  const head = ["Layer", "Options", "Output shape", "Parameters"].map((text, i) =>
    h("th", { scope: "col", cls: i === 3 ? "ax-number" : undefined }, text));
  const el = h("div", { cls: "ax-table", tabindex: "0", role: "group", "aria-label": "Layers and shapes" },
    h("table", {}, h("thead", {}, h("tr", {}, head)), body));
  const rows = new Map();
  let chosen = null;
  const line = (name, row) => h("tr", {
    cls: `ax-${row.status}`, tabindex: "-1", draggable: onpick ? "true" : undefined, dataset: { name },
    onclick: onpick && (() => onpick(name)),
  },
    h("th", { scope: "row" }, h("span", { cls: "ax-name", title: name }, name),
      name.replace(/(_\d+)*$/, "") === row.op ? "" : h("small", {}, ` ${row.op}`)),
    h("td", { cls: "ax-options" }, row.options), h("td", { cls: "ax-shape" }, row.shape),
    h("td", { cls: "ax-number" }, row.params));
  return {
    el,
    rows(patch) {
      follow(body, rows, patch, (list) => list.map(([name, row]) => line(name, row)));
    },
    select(name) {
      const tr = rows.get(name);
      if (chosen !== tr) { chosen?.classList.remove("ax-chosen"); chosen?.removeAttribute("aria-current"); }
      chosen = tr;
      if (!tr) return;
      tr.classList.add("ax-chosen");
      tr.setAttribute("aria-current", "true");
      requestAnimationFrame(() => { if (chosen === tr) reveal(el, tr); });  // what was changed is laid out once
    },
  };
}

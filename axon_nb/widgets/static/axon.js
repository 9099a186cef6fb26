// The pages of axon_nb's widgets: plain DOM, nothing loaded from anywhere. Python says what to show ("patch": what has
// changed) and does what messages ask for. All text is put in as text, never as HTML.

const SVG = "http://www.w3.org/2000/svg";

function h(tag, props = {}, ...children) {
  const el = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) el.addEventListener(name.slice(2), value);
    else if (name === "dataset") Object.assign(el.dataset, value);
    else if (name === "value") el.value = value;
    else if (value === true) el.setAttribute(name, "");
    else el.setAttribute(name === "cls" ? "class" : name, value);
  }
  el.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return el;
}

function s(tag, props = {}, ...children) {
  const el = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(props)) el.setAttribute(name, value);
  el.append(...children);
  return el;
}

function drawing(text) {
  if (!text) return [];
  const parsed = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
  return parsed.nodeName === "svg" ? [document.importNode(parsed, true)] : [];
}

const button = (label, words, onclick, props = {}) =>
  h("button", { type: "button", "aria-label": words, title: words, onclick, ...props }, label);

function throttled(fn, gap = 100) {
  let last = 0, timer = null;
  return (...args) => {
    clearTimeout(timer);
    const wait = last + gap - Date.now();
    const go = () => { last = Date.now(); fn(...args); };
    if (wait <= 0) go(); else timer = setTimeout(go, wait);
  };
}

function copy(text) {
  const old = () => {
    const area = h("textarea", { value: text, style: "position:fixed;opacity:0" });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  };
  if (navigator.clipboard) navigator.clipboard.writeText(text).catch(old); else old();
}

// What every page has: a place for errors, and the diagram, table and number formats they share.

function diagram(onpick, label = "Diagram of the model: choose a layer") {
  const el = h("div", { cls: "ax-diagram", tabindex: "0", role: "group", "aria-label": label });
  let names = {}, keys = {}, shown = null;
  el.addEventListener("click", (event) => {
    const node = event.target.closest("[data-node]");
    if (node && names[node.dataset.node] !== undefined) onpick(names[node.dataset.node]);
  });
  return {
    el,
    nameAt: (target) => { const node = target.closest("[data-node]"); return node ? names[node.dataset.node] : undefined; },
    rows(rows) {
      names = Object.fromEntries(rows.map((row) => [row.key, row.name]));
      keys = Object.fromEntries(rows.map((row) => [row.name, row.key]));
    },
    draw(text) { el.replaceChildren(...drawing(text)); shown = null; },
    select(name, scroll = true) {
      if (shown) shown.classList.remove("ax-chosen");
      shown = name === null || keys[name] === undefined ? null : el.querySelector(`[data-node="${keys[name]}"]`);
      if (!shown) return;
      shown.classList.add("ax-chosen");
      if (!scroll) return;
      const box = shown.getBoundingClientRect(), view = el.getBoundingClientRect();
      if (box.top < view.top || box.bottom > view.bottom) el.scrollTop += box.top - view.top - view.height / 3;
      if (box.left < view.left || box.right > view.right) el.scrollLeft += box.left - view.left - view.width / 3;
    },
  };
}

function table(onpick) {
  const body = h("tbody");
  const head = ["Layer", "Options", "Output shape", "Parameters"].map((text, i) =>
    h("th", { scope: "col", cls: i === 3 ? "ax-number" : undefined }, text));
  const el = h("div", { cls: "ax-table", tabindex: "0", role: "group", "aria-label": "Layers and shapes" },
    h("table", {}, h("thead", {}, h("tr", {}, head)), body));
  const rows = new Map();
  return {
    el,
    rows(list) {
      rows.clear();
      body.replaceChildren(...list.map((row) => {
        const tr = h("tr", {
          cls: `ax-${row.status}`, tabindex: "-1", draggable: "true", dataset: { name: row.name },
          onclick: () => onpick(row.name),
        },
          h("th", { scope: "row" }, h("span", { cls: "ax-name" }, row.name),
            row.name.replace(/(_\d+)*$/, "") === row.op ? "" : h("small", {}, ` ${row.op}`)),
          h("td", { cls: "ax-options" }, row.options), h("td", { cls: "ax-shape" }, row.shape),
          h("td", { cls: "ax-number" }, row.params));
        rows.set(row.name, tr);
        return tr;
      }));
    },
    select(name) {
      for (const [key, tr] of rows) {
        tr.classList.toggle("ax-chosen", key === name);
        tr.setAttribute("aria-selected", key === name ? "true" : "false");
      }
      const tr = rows.get(name);
      if (!tr) return;
      const box = tr.getBoundingClientRect(), view = el.getBoundingClientRect();
      if (box.top < view.top + 24 || box.bottom > view.bottom) el.scrollTop += box.top - view.top - view.height / 3;
    },
  };
}

function control(field, send) {
  const words = `${field.name}: ${field.help}${field.unit ? ` (${field.unit})` : ""}`;
  const props = { "aria-label": words, title: words, "data-option": field.name };
  const low = field.minimum ?? field.above, high = field.maximum ?? field.below;
  if (field.control === "bool")
    return h("input", { ...props, type: "checkbox", checked: field.value === true, onchange: (e) => send(e.target.checked) });
  if (field.control === "choice") {
    const known = field.choices.includes(field.value);
    return h("select", { ...props, onchange: (e) => send(e.target.value) },
      field.optional ? h("option", { value: "", selected: field.value === "" }, "none") : null,
      known || field.value === "" ? null : h("option", { value: field.value, selected: true, disabled: true }, field.value),
      field.choices.map((word) => h("option", { value: word, selected: word === field.value }, word)));
  }
  if (field.control === "int" || field.control === "float") {
    const number = /^-?[\d.]*(e-?\d+)?$/.test(field.value);
    const step = field.control === "int" ? "1" : "any";
    const box = h("input", { ...props, type: number ? "number" : "text", value: field.value, step, min: low, max: high,
      placeholder: field.optional ? "none" : field.example, onchange: (e) => send(read(field, e.target.value)) });
    if (field.control === "int" || low === undefined || high === undefined) return box;
    const slide = h("input", { type: "range", min: low, max: high, step: (high - low) / 100, value: field.value,
      "aria-label": `${words}, slider`, oninput: throttled((e) => { box.value = e.target.value; }),
      onchange: (e) => send(read(field, e.target.value)) });
    return h("span", { cls: "ax-slider" }, slide, box);
  }
  const list = field.choices.length ? `ax-list-${Math.random().toString(36).slice(2)}` : undefined;
  const box = h("input", { ...props, type: "text", value: field.value, list, spellcheck: "false",
    placeholder: field.optional ? "none" : field.example, onchange: (e) => send(e.target.value) });
  return list ? h("span", {}, box, h("datalist", { id: list }, field.choices.map((word) => h("option", { value: word })))) : box;
}

function read(field, text) {
  if (text === "") return "";
  const number = Number(text);
  return Number.isFinite(number) ? number : text;
}

// The builder.

function builder(root, send) {
  const state = { rows: [], selected: null, text: "", form: null, joins: [] };
  const pick = (name) => { select(name); send("select", { layer: name }); };
  const picture = diagram(pick), list = table(pick);
  const chosen = () => state.selected;
  const act = (what, extra = {}) => chosen() !== null && send(what, { layer: chosen(), ...extra });
  const tools = {
    undo: button("Undo", "Undo the last change (Ctrl+Z)", () => send("undo")),
    redo: button("Redo", "Do it again (Ctrl+Shift+Z)", () => send("redo")),
    up: button("Up", "Move the layer towards the input (Alt+Up)", () => act("move", { by: -1 })),
    down: button("Down", "Move the layer towards the output (Alt+Down)", () => act("move", { by: 1 })),
    twice: button("Duplicate", "Put the same layer behind it (Ctrl+D)", () => act("duplicate")),
    wrap: button("Residual", "Add its input to its result (Ctrl+R)", () => act("wrap")),
    gone: button("Delete", "Take the layer out (Delete)", () => act("delete")),
    copy: button("Copy code", "Copy the code of the model", () => { copy(state.text); say("copied"); }),
  };
  const bar = h("div", { cls: "ax-tools", role: "toolbar", "aria-label": "Change the model" },
    h("span", { cls: "ax-set" }, tools.undo, tools.redo),
    h("span", { cls: "ax-set" }, tools.up, tools.down, tools.twice, tools.wrap, tools.gone),
    h("span", { cls: "ax-set ax-last" }, tools.copy));
  const notice = h("div", { cls: "ax-notice", role: "status", "aria-live": "polite" });
  const say = (text) => { notice.textContent = text; notice.hidden = !text; };
  say("");
  const error = h("pre", { cls: "ax-error", role: "alert" }), fixes = h("div", { cls: "ax-fixes" });
  const wrong = h("div", { cls: "ax-wrong", hidden: true }, error, fixes);

  const search = h("input", { type: "search", placeholder: "Search layers", "aria-label": "Search layers (press /)",
    oninput: () => filter(),
    onkeydown: (e) => {
      if (e.key === "Enter") { const first = families.querySelector("button:not([hidden])"); if (first) first.click(); }
      if (e.key === "Escape") { search.value = ""; filter(); root.focus(); }
    } });
  const families = h("div", { cls: "ax-families" });
  const filter = () => {
    const word = search.value.trim().toLowerCase();
    for (const group of families.children) {
      let any = false;
      for (const one of group.querySelectorAll("button")) {
        one.hidden = !(one.dataset.find.includes(word));
        any = any || !one.hidden;
      }
      group.hidden = !any;
      if (word) group.open = any;
    }
  };
  const put = (name) => send("insert", { layer: name, after: chosen() });
  const palette = (list) => {
    families.replaceChildren(...list.map(({ family, layers }) =>
      h("details", { open: ["input", "linear", "convolution"].includes(family) },
        h("summary", {}, h("i", { cls: `ax-dot ax-f-${family}` }), family),
        h("div", {}, layers.map((one) => h("button", {
          type: "button", title: one.help, "aria-label": `Insert ${one.name}: ${one.help}`, draggable: "true",
          dataset: { layer: one.name, find: `${one.name} ${family} ${one.help}`.toLowerCase() }, onclick: () => put(one.name),
        }, one.name))))));
    filter();
  };

  const form = h("div", { cls: "ax-form" });
  const options = (all, value) => all.map((name) => h("option", { value: name, selected: name === value }, name));
  const showForm = (data) => {
    const active = form.contains(document.activeElement) ? document.activeElement.dataset.option : null;
    if (!data) {
      form.replaceChildren(h("p", { cls: "ax-faint" }, "Choose a layer in the diagram or the table to see its options."));
      return;
    }
    const line = (label, input, hint) => h("label", { cls: "ax-field" }, h("span", {}, label), input, hint ? h("small", {}, hint) : null);
    const lines = data.fields.map((field) => {
      const input = control(field, (value) => send("set", { layer: data.layer, options: { [field.name]: value } }));
      if (!data.editable) for (const one of [input, ...input.querySelectorAll("input,select")]) one.disabled = true;
      return line(field.name, input, field.unit);
    });
    const kinds = state.palette ? state.palette.flatMap((one) => one.layers.map((layer) => layer.name)).filter((name) => name !== "input") : [];
    const others = state.rows.map((row) => row.name).filter((name) => name !== data.layer);
    const beside = h("select", { "aria-label": "Layer to put beside it" }, options(kinds, "dense"));
    const joined = h("select", { "aria-label": "How the branches are joined" }, options(["concatenate", "add", "multiply"]));
    const other = h("select", { "aria-label": "Layer to join it with" }, options(others, others[0]));
    const how = h("select", { "aria-label": "How the layers are joined" }, options(state.joins, "add"));
    form.replaceChildren(
      h("h4", {}, h("i", { cls: `ax-dot ax-f-${data.family}` }), data.layer, h("small", {}, ` ${data.op}`)),
      data.doc ? h("p", { cls: "ax-faint" }, data.doc) : "",
      data.editable ? line("name", h("input", { type: "text", value: data.name, placeholder: "none", "data-option": "name",
        "aria-label": "Name of the layer", onchange: (e) => send("rename", { layer: data.layer, name: e.target.value }) })) : "",
      ...lines,
      data.editable ? "" : h("p", { cls: "ax-faint" }, "Its options are changed in the text."),
      h("div", { cls: "ax-more" },
        h("div", {}, button("Branch", "Put another layer beside it", () => act("branch", { other: beside.value, by: joined.value })), beside, joined),
        others.length ? h("div", {}, button("Join", "Join its result with another layer's", () => act("join", { other: other.value, by: how.value })), other, how) : ""));
    if (active) form.querySelector(`[data-option="${active}"]`)?.focus();
  };

  const code = h("textarea", { cls: "ax-code", spellcheck: "false", wrap: "off", rows: "8", autocapitalize: "off",
    "aria-label": "Code of the model: change it and the diagram follows", oninput: () => { typing = true; later(); } });
  let typing = false, timer = null;
  const later = () => { clearTimeout(timer); timer = setTimeout(flush, 300); };
  const flush = () => { clearTimeout(timer); if (typing) { typing = false; sent = code.value; send("text", { text: code.value }); } };
  let sent = null;
  code.addEventListener("blur", flush);
  const totals = h("p", { cls: "ax-totals" });

  const select = (name, scroll = true) => {
    state.selected = name;
    picture.select(name, scroll);
    list.select(name);
    for (const one of ["up", "down", "twice", "wrap", "gone"]) tools[one].disabled = name === null;
  };

  root.append(bar, notice, wrong,
    h("div", { cls: "ax-main" },
      h("section", { cls: "ax-palette", "aria-label": "Layers to insert" }, search, families),
      picture.el,
      h("section", { cls: "ax-side", "aria-label": "Options of the layer" }, form)),
    h("div", { cls: "ax-under" }, h("section", { "aria-label": "Code" }, code), h("section", { "aria-label": "Shapes" }, list.el, totals)));

  // Drag from the palette, or a row of the table, to a row or a box: it goes behind that layer.
  root.addEventListener("dragstart", (e) => {
    const made = e.target.closest?.("[data-layer]"), row = e.target.closest?.("tr[data-name]");
    if (made) e.dataTransfer.setData("text/axon-insert", made.dataset.layer);
    else if (row) e.dataTransfer.setData("text/axon-move", row.dataset.name);
  });
  const goal = (target) => target.closest?.("tr[data-name]")?.dataset.name ?? picture.nameAt(target);
  root.addEventListener("dragover", (e) => { if (goal(e.target) !== undefined) e.preventDefault(); });
  root.addEventListener("drop", (e) => {
    const after = goal(e.target);
    if (after === undefined) return;
    e.preventDefault();
    const layer = e.dataTransfer.getData("text/axon-insert"), moved = e.dataTransfer.getData("text/axon-move");
    if (layer) send("insert", { layer, after });
    else if (moved && moved !== after) send("move", { layer: moved, after });
  });

  root.addEventListener("keydown", (e) => {
    const typing = e.target.matches("input,textarea,select");
    const ctrl = e.ctrlKey || e.metaKey, key = e.key.toLowerCase();
    const step = (by) => {
      const at = state.rows.findIndex((row) => row.name === chosen());
      const row = state.rows[Math.min(Math.max(at + by, 0), state.rows.length - 1)];
      if (row) pick(row.name);
    };
    let done = true;
    if (ctrl && key === "z" && !typing) send(e.shiftKey ? "redo" : "undo");
    else if (ctrl && key === "y" && !typing) send("redo");
    else if (typing) done = false;
    else if (e.altKey && e.key === "ArrowUp") act("move", { by: -1 });
    else if (e.altKey && e.key === "ArrowDown") act("move", { by: 1 });
    else if (e.key === "ArrowUp") step(-1);
    else if (e.key === "ArrowDown") step(1);
    else if (e.key === "Delete" || e.key === "Backspace") act("delete");
    else if (ctrl && key === "d") act("duplicate");
    else if (ctrl && key === "r") act("wrap");
    else if (e.key === "/") search.focus();
    else done = false;
    if (done) e.preventDefault();
  });

  return (patch) => {
    Object.assign(state, patch);
    if ("palette" in patch) palette(patch.palette);
    if ("rows" in patch) { picture.rows(patch.rows); list.rows(patch.rows); }
    if ("svg" in patch) picture.draw(patch.svg);
    if ("text" in patch && !typing && code.value !== patch.text) {
      const at = code.selectionStart, own = document.activeElement === code && sent !== null;
      code.value = patch.text;
      if (own) code.setSelectionRange(at, at);
    }
    if ("text" in patch) code.rows = Math.min(24, Math.max(8, patch.text.split("\n").length + 1));
    if ("totals" in patch) totals.textContent = patch.totals;
    if ("error" in patch) error.textContent = patch.error;
    if ("error" in patch || "fixes" in patch) {
      wrong.hidden = !state.error;
      fixes.replaceChildren(...(state.fixes || []).map((words) => button(words, `Fix: ${words}`, () => send("fix", { words }))));
    }
    if ("can_undo" in patch) tools.undo.disabled = !patch.can_undo;
    if ("can_redo" in patch) tools.redo.disabled = !patch.can_redo;
    if ("rows" in patch || "svg" in patch || "selected" in patch) select(state.selected, "selected" in patch || "svg" in patch);
    if ("form" in patch || "rows" in patch) showForm(state.form);
    if ("notice" in patch) say(patch.notice);
    root.dataset.drawn = String(Number(root.dataset.drawn || 0) + 1);
  };
}

const PAGES = { builder };

function render({ model, el }) {
  const root = h("div", { cls: "ax", tabindex: "0", "data-lm-suppress-shortcuts": "true", "data-kind": model.get("kind") });
  for (const type of ["keydown", "keyup", "keypress", "contextmenu"]) root.addEventListener(type, (e) => e.stopPropagation());
  const send = (what, rest = {}) => model.send({ do: what, ...rest });
  const page = PAGES[model.get("kind")](root, send);
  const take = (message) => {
    if (message && message.patch) page(message.patch);
    else if (message) page(message, true);
  };
  model.on("msg:custom", take);
  el.append(root);
  send("hello");
  return () => model.off("msg:custom", take);
}

export default { render };

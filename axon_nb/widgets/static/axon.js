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

function drawings(texts) {
  const parsed = new DOMParser().parseFromString(`<svg xmlns="${SVG}">${texts.join("")}</svg>`, "image/svg+xml").documentElement;
  return parsed.nodeName === "svg" ? [...document.importNode(parsed, true).children] : [];
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

// What every page has: what it was told, kept up to date, and the diagram and the table that they share.

// Things by name come as {put: [[name, thing] ...], order: [name ...]}: those that changed, and their order if that did;
// lists that grow as {from, add}. A page gets all of them, and which were put.
function merging() {
  const known = new Map();
  return (message) => {
    const patch = { ...message.patch };
    for (const [name, { put, order }] of Object.entries(message.parts || {})) {
      const before = known.get(name) || new Map(), fresh = new Map(put), all = new Map();
      for (const key of order || before.keys()) all.set(key, fresh.has(key) ? fresh.get(key) : before.get(key));
      known.set(name, all);
      patch[name] = { all, put: fresh };
    }
    for (const [name, { from, add }] of Object.entries(message.grown || {})) {
      const list = (known.get(name) || []).slice(0, from).concat(add);
      known.set(name, list);
      patch[name] = list;
    }
    return patch;
  };
}

// Give the children of an element an order; those that stand right are not moved.
function ordered(parent, children) {
  let at = parent.firstChild;
  for (const child of children) if (child === at) at = at.nextSibling; else parent.insertBefore(child, at);
}

// Put and take away the elements of things by name: make(things) returns an element for each.
function follow(parent, shown, { all, put }, make) {
  for (const [name, el] of shown) if (!all.has(name)) { el.remove(); shown.delete(name); }
  const names = [...put.keys()].filter((name) => all.has(name));
  make(names.map((name) => [name, all.get(name)])).forEach((el, i) => {
    shown.get(names[i])?.replaceWith(el);
    shown.set(names[i], el);
  });
  ordered(parent, [...all.keys()].map((name) => shown.get(name)));
}

function reveal(el, line) {
  const one = line.getBoundingClientRect(), view = el.getBoundingClientRect();
  if (one.top < view.top + 24 || one.bottom > view.bottom) el.scrollTop += one.top - view.top - view.height / 3;
}

const NEAR = 700, SMALLEST = .7;  // of a long diagram only what is near what is seen has elements: pages stay quick

function diagram(onpick, label = "Diagram of the model: choose a layer, with the arrow keys or the mouse") {
  const lines = s("g"), boxes = s("g"), around = s("g", {}, lines, boxes);
  const svg = s("svg", { "font-family": "Arial,Helvetica,'Liberation Sans',sans-serif", "font-size": 11, "aria-hidden": "true" }, around);
  const el = h("div", { cls: "ax-diagram", tabindex: "0", role: "group", "aria-label": label }, svg);
  const known = { boxes: new Map(), arrows: new Map() }, made = { boxes: new Map(), arrows: new Map() }, places = new Map();
  const view = { top: 0, width: 0, height: 0 };
  let flat = [], size = [0, 0], scale = 1, chosen = null;
  const at = (target) => target.closest?.("[data-node]")?.dataset.node;
  el.addEventListener("click", (event) => { if (at(event.target) !== undefined) onpick(at(event.target)); });
  const put = (element, place) => {
    const text = `translate(${place[0]} ${place[1]})`;
    if (element.getAttribute("transform") !== text) element.setAttribute("transform", text);
  };
  const show = (parent, shown, names, text, done) => {
    const wanted = new Set(names);
    for (const [name, one] of shown) if (!wanted.has(name)) { one.remove(); shown.delete(name); }
    const fresh = names.filter((name) => !shown.has(name));
    drawings(fresh.map(text)).forEach((one, i) => shown.set(fresh[i], one));
    ordered(parent, names.map((name) => shown.get(name)));
    for (const name of names) done(name, shown.get(name));
  };
  const fill = () => {
    const low = view.top / scale - NEAR, high = (view.top + view.height) / scale + NEAR;
    const y = (name) => places.get(name)?.[1] ?? 0;
    const near = [...known.boxes.keys()].filter((name) => y(name) >= low && y(name) <= high);
    show(boxes, made.boxes, near, (name) => known.boxes.get(name), (name, one) => {
      one.dataset.node = name;
      one.classList.toggle("ax-chosen", name === chosen);
      put(one, places.get(name));
    });
    const crossing = [...known.arrows].filter(([, [tail, head]]) => Math.max(y(tail), y(head)) >= low && Math.min(y(tail), y(head)) <= high);
    show(lines, made.arrows, crossing.map(([key]) => key), (key) => known.arrows.get(key)[2],
      (key, one) => put(one, places.get(known.arrows.get(key)[0]) || [0, 0]));
  };
  const fit = () => {
    scale = view.width ? Math.min(1, Math.max(SMALLEST, (view.width - 16) / (size[0] + 8))) : 1;
    svg.setAttribute("width", Math.ceil((size[0] + 8) * scale));
    svg.setAttribute("height", Math.ceil((size[1] + 8) * scale));
    around.setAttribute("transform", `scale(${scale}) translate(4 4)`);
  };
  el.addEventListener("scroll", () => { view.top = el.scrollTop; fill(); }, { passive: true });
  new ResizeObserver(([entry]) => {
    Object.assign(view, { width: entry.contentRect.width, height: entry.contentRect.height });
    fit();
    fill();
  }).observe(el);
  return {
    el,
    nameAt: at,
    draw(patch) {
      for (const kind of ["boxes", "arrows"]) if (patch[kind]) {
        known[kind] = patch[kind].all;
        for (const name of patch[kind].put.keys()) { made[kind].get(name)?.remove(); made[kind].delete(name); }
      }
      if (patch.size) { size = patch.size; fit(); }
      flat = patch.places || flat;
      if (!patch.boxes && !patch.arrows && !patch.places) return;
      places.clear();
      let i = 0;
      for (const name of known.boxes.keys()) places.set(name, [flat[i++], flat[i++]]);
      fill();
    },
    select(name, scroll = true) {
      made.boxes.get(chosen)?.classList.remove("ax-chosen");
      chosen = name;
      made.boxes.get(chosen)?.classList.add("ax-chosen");
      const [x, y] = places.get(name) || [];
      if (y === undefined || !scroll || !view.height) return;
      if (y * scale < view.top + 24 || y * scale > view.top + view.height - 32)
        el.scrollTop = y * scale - view.height / 3;
      if ((size[0] + 8) * scale > view.width) el.scrollLeft = x * scale - view.width / 2;
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
  const state = { rows: new Map(), forms: new Map(), kinds: new Map(), selected: null, text: "", joins: [] };
  const asked = [];
  // A choice is shown at once; what Python says to earlier choices no longer counts.
  const pick = (name) => {
    if (name === state.selected) return;
    asked.push(name);
    select(name);
    showForm();
    tell(name);
    send("select", { layer: name });
  };
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
  const aloud = h("div", { cls: "ax-aloud", "aria-live": "polite" });
  const tell = (name) => { const row = state.rows.get(name); if (row) aloud.textContent = `${name}, ${row.op}, ${row.shape}`; };
  const error = h("pre", { cls: "ax-error", role: "alert" }), fixes = h("div", { cls: "ax-fixes" });
  const wrong = h("div", { cls: "ax-wrong", hidden: true }, error, fixes);

  const search = h("input", { type: "search", placeholder: "Search layers", "aria-label": "Search layers (press /)",
    oninput: () => filter(),
    onkeydown: (e) => {
      if (e.key === "Enter") best()?.click();
      if (e.key === "Escape") { search.value = ""; filter(); root.focus(); }
    } });
  const families = h("div", { cls: "ax-families" });
  const best = () => {  // the layer of that name, else one that begins so, else one that is about it
    const word = search.value.trim().toLowerCase(), left = [...families.querySelectorAll("button:not([hidden])")];
    return left.find((one) => one.dataset.layer === word) || left.find((one) => one.dataset.layer.startsWith(word)) || left[0];
  };
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
  const late = (el, list) => {  // a long list is made when it is opened
    const fill = () => { const value = el.value; el.replaceChildren(...options(list(), value)); };
    el.addEventListener("focus", fill);
    el.addEventListener("pointerdown", fill);
    return el;
  };
  const words = (name) => name.split(/(?<=_)/).flatMap((part, i) => i ? [h("wbr"), part] : [part]);
  const line = (label, input, hint) => h("label", { cls: "ax-field" }, h("span", {}, words(label)), input, hint ? h("small", {}, hint) : null);
  const kinds = () => (state.palette || []).flatMap((one) => one.layers.map((layer) => layer.name)).filter((name) => name !== "input");
  const beside = late(h("select", { "aria-label": "Layer to put beside it" }, options(["dense"], "dense")), kinds);
  const joined = h("select", { "aria-label": "How the branches are joined" }, options(["concatenate", "add", "multiply"]));
  const others = () => [...state.rows.keys()].filter((name) => name !== chosen());
  const other = late(h("select", { "aria-label": "Layer to join it with" }), others);
  const how = h("select", { "aria-label": "How the layers are joined" });
  const upto = late(h("select", { "aria-label": "Last layer of the residual" }), () => [...state.rows.keys()]);
  const joining = h("div", {}, button("Join", "Join its result with another layer's", () => act("join", { other: other.value, by: how.value })), other, how);
  const more = h("div", { cls: "ax-more" },
    h("div", {}, button("Residual", "Add its input to what comes out of the layers up to this one",
      () => act("wrap", upto.value === chosen() ? {} : { last: upto.value })), h("span", {}, "up to"), upto),
    h("div", {}, button("Branch", "Put another layer beside it", () => act("branch", { other: beside.value, by: joined.value })), beside, joined), joining);
  const showForm = () => {
    const layer = chosen(), known = state.forms.get(layer);
    const active = form.contains(document.activeElement) ? document.activeElement.dataset.option : null;
    if (!known) {
      form.replaceChildren(h("p", { cls: "ax-faint" }, "Choose a layer in the diagram or the table to see its options."));
      return;
    }
    const kind = state.kinds.get(known.kind) || { op: state.rows.get(layer)?.op, family: "", doc: "", fields: [] };
    const lines = kind.fields.map((field, i) => {
      const input = control({ ...field, value: known.values[i] }, (value) => send("set", { layer, options: { [field.name]: value } }));
      if (!known.own) for (const one of [input, ...input.querySelectorAll("input,select")]) one.disabled = true;
      return line(field.name, input, field.unit);
    });
    const rest = others();
    other.replaceChildren(...options(rest.slice(0, 1)));
    upto.replaceChildren(...options([layer]));
    joining.hidden = !rest.length;
    form.replaceChildren(
      h("h4", {}, h("i", { cls: `ax-dot ax-f-${kind.family}` }), layer, h("small", {}, ` ${kind.op}`)),
      kind.doc ? h("p", { cls: "ax-faint" }, kind.doc) : "",
      known.own ? line("name", h("input", { type: "text", value: known.given, placeholder: "none", "data-option": "name",
        "aria-label": "Name of the layer", onchange: (e) => send("rename", { layer, name: e.target.value }) })) : "",
      ...lines, known.own ? "" : h("p", { cls: "ax-faint" }, "Its options are changed in the text."), more);
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

  root.append(bar, notice, aloud, wrong,
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
  let over = null;
  const aim = (target) => {
    const now = target?.closest?.("tr[data-name], [data-node]") ?? null;
    if (over !== now) { over?.classList.remove("ax-goal"); now?.classList.add("ax-goal"); }
    over = now;
  };
  root.addEventListener("dragover", (e) => { aim(e.target); if (goal(e.target) !== undefined) e.preventDefault(); });
  root.addEventListener("dragend", () => aim(null));
  root.addEventListener("drop", (e) => {
    const after = goal(e.target);
    aim(null);
    if (after === undefined) return;
    e.preventDefault();
    const layer = e.dataTransfer.getData("text/axon-insert"), moved = e.dataTransfer.getData("text/axon-move");
    if (layer) send("insert", { layer, after });
    else if (moved && moved !== after) send("move", { layer: moved, after });
  });

  // A box of the diagram can be drawn onto another one, too.
  let held = null;
  const release = () => { held = null; aim(null); picture.el.classList.remove("ax-moving"); };
  picture.el.addEventListener("pointerdown", (e) => {
    const name = picture.nameAt(e.target);
    if (name !== undefined && e.button === 0 && e.pointerType === "mouse") held = { name, x: e.clientX, y: e.clientY, moves: false };
  });
  picture.el.addEventListener("pointermove", (e) => {
    if (!held) return;
    held.moves = held.moves || Math.hypot(e.clientX - held.x, e.clientY - held.y) > 6;
    if (held.moves) { aim(e.target); picture.el.classList.add("ax-moving"); }
  });
  picture.el.addEventListener("pointerup", (e) => {
    const after = goal(e.target), { name, moves } = held || {};
    release();
    if (moves && after !== undefined && after !== name) send("move", { layer: name, after });
  });
  picture.el.addEventListener("pointerleave", release);

  root.addEventListener("keydown", (e) => {
    const typing = e.target.matches("input,textarea,select");
    const ctrl = e.ctrlKey || e.metaKey, key = e.key.toLowerCase();
    const step = (by) => {
      const names = [...state.rows.keys()];
      const name = names[Math.min(Math.max(names.indexOf(chosen()) + by, 0), names.length - 1)];
      if (name !== undefined) pick(name);
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
    if ("notice" in patch && patch.notice) asked.length = 0;  // a choice that Python refuses is answered by this alone
    if ("selected" in patch && asked.length) {
      if (asked.shift() !== patch.selected) asked.length = 0;
      if (asked.length) delete patch.selected;
    }
    const parts = Object.fromEntries(["rows", "forms", "kinds"].filter((name) => name in patch).map((name) => [name, patch[name].all]));
    const before = state.forms.get(state.selected), name = state.selected;
    Object.assign(state, patch, parts);
    if ("palette" in patch) palette(patch.palette);
    if ("joins" in patch) how.replaceChildren(...options(patch.joins, "add"));
    if ("rows" in patch) list.rows(patch.rows);
    picture.draw(patch);
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
    if ("rows" in patch || "boxes" in patch || "selected" in patch) select(state.selected, "selected" in patch);
    if ("kinds" in patch || state.selected !== name || state.forms.get(state.selected) !== before) showForm();
    if ("notice" in patch) say(patch.notice);
    root.dataset.drawn = String(Number(root.dataset.drawn || 0) + 1);
  };
}

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

// A card that follows a variable.

function live(root) {
  const picture = diagram((name) => choose(name)), list = table((name) => choose(name));
  const choose = (name) => { picture.select(name); list.select(name); };
  const title = h("h4"), note = h("p", { cls: "ax-faint", role: "status" }), totals = h("p", { cls: "ax-totals" });
  const error = h("pre", { cls: "ax-error ax-wrong", hidden: true });
  root.append(title, note, error, h("div", { cls: "ax-two" }, h("section", {}, list.el, totals), picture.el));
  return (patch) => {
    if ("name" in patch) title.textContent = patch.name;
    if ("note" in patch) { note.textContent = patch.note; note.hidden = !patch.note; }
    if ("rows" in patch) { list.rows(patch.rows); list.el.hidden = picture.el.hidden = !patch.rows.all.size; }
    picture.draw(patch);
    if ("totals" in patch) totals.textContent = patch.totals;
    if ("error" in patch) { error.textContent = patch.error; error.hidden = !patch.error; }
  };
}

// Pictures, bars and curves.

function canvas(data, title) {
  const el = h("canvas", { width: data.width, height: data.height, role: "img", title, "aria-label": title || "picture" });
  const context = el.getContext("2d"), image = context.createImageData(data.width, data.height);
  const bytes = atob(data.data);
  for (let i = 0; i < bytes.length; i++) {
    image.data[4 * i] = image.data[4 * i + 1] = image.data[4 * i + 2] = bytes.charCodeAt(i);
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  return el;
}

const short = (value) => value === null || value === undefined ? "" : Math.abs(value) >= 1e-3 && Math.abs(value) < 1e5 || value === 0
  ? String(Number(value.toPrecision(3))) : value.toExponential(1);

function columns(values, { width = 220, height = 54, label, best = -1, names = false } = {}) {
  const low = Math.min(0, ...values), high = Math.max(0, ...values), span = high - low || 1;
  const step = width / Math.max(1, values.length), foot = names ? 13 : 0;
  const y = (value) => (high - value) / span * height;
  return s("svg", { viewBox: `0 0 ${width} ${height + foot}`, class: "ax-columns", role: "img", "aria-label": label, preserveAspectRatio: "none" },
    ...values.map((value, i) => s("rect", { x: i * step + step * .08, width: step * .84, y: Math.min(y(0), y(value)),
      height: Math.max(.6, Math.abs(y(value) - y(0))), class: i === best ? "ax-best" : "ax-bar" }, s("title", {}, `${i}: ${short(value)}`))),
    ...(names ? values.map((_, i) => s("text", { x: (i + .5) * step, y: height + 11, "text-anchor": "middle" }, String(i))) : []));
}

function plot(label) {
  const el = h("div", { cls: "ax-plot" }), H = 170, L = 46, B = 20, T = 8, R = 8;
  let last = [], W = 520;
  new ResizeObserver(([entry]) => {
    const now = Math.round(entry.contentRect.width) || W;
    if (now !== W) { W = now; draw(last); }
  }).observe(el);
  const draw = (series) => {
    last = series;
    const all = series.flatMap((one) => one.points).filter(([, y]) => Number.isFinite(y));
    const legend = h("div", { cls: "ax-legend" }, series.filter((one) => one.points.length).map((one, i) =>
      h("span", {}, h("i", { cls: `ax-key ax-line-${one.look}` }), `${one.name} ${short(one.points.at(-1)[1])}`)));
    if (!all.length) { el.replaceChildren(h("p", { cls: "ax-faint" }, `${label}: nothing yet`)); return; }
    const xs = all.map((p) => p[0]), ys = all.map((p) => p[1]);
    const x0 = Math.min(...xs), x1 = Math.max(...xs, x0 + 1), y0 = Math.min(0, ...ys), y1 = Math.max(...ys, y0 + 1e-9);
    const px = (x) => L + (x - x0) / (x1 - x0) * (W - L - R), py = (y) => T + (y1 - y) / (y1 - y0) * (H - T - B);
    const lines = [0, 1, 2, 3].map((i) => y0 + (y1 - y0) * i / 3).flatMap((y) => [
      s("line", { x1: L, x2: W - R, y1: py(y), y2: py(y), class: "ax-grid" }),
      s("text", { x: L - 5, y: py(y) + 4, "text-anchor": "end" }, short(y))]);
    const paths = series.filter((one) => one.points.length).map((one) => one.points.length === 1
      ? s("circle", { cx: px(one.points[0][0]), cy: py(one.points[0][1]), r: 3, class: `ax-dot-${one.look}` })
      : s("path", { class: `ax-line ax-line-${one.look}`, d: "M" + one.points.filter(([, y]) => Number.isFinite(y)).map(([x, y]) => `${px(x).toFixed(1)},${py(y).toFixed(1)}`).join("L") }));
    const words = `${label}: ` + series.filter((one) => one.points.length).map((one) => `${one.name} ${short(one.points.at(-1)[1])}`).join(", ");
    el.replaceChildren(legend, s("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": words }, ...lines, ...paths,
      s("text", { x: W - R, y: H - 5, "text-anchor": "end" }, `step ${Math.round(x1)}`)));
  };
  return { el, draw };
}

// Training.

function trainer(root, send) {
  const state = { curve: [], metrics: [], pictures: [], epochs: [], samples: [], weights: [], progress: {} };
  const go = {
    start: button("Start", "Begin to train", () => send("start")),
    pause: button("Pause", "Wait after the step in progress", () => send("pause")),
    resume: button("Resume", "Go on", () => send("resume")),
    stop: button("Stop", "End, and keep what was trained", () => send("stop")),
  };
  const rate = h("input", { type: "range", min: -6, max: 0, step: .05, "aria-label": "Learning rate, slider" });
  const box = h("input", { type: "number", min: 0, step: "any", "aria-label": "Learning rate", placeholder: "of the optimizer" });
  const turn = throttled((value) => send("rate", { value }));
  rate.addEventListener("input", () => { const value = Number((10 ** Number(rate.value)).toPrecision(2)); box.value = value; turn(value); });
  box.addEventListener("change", () => { if (box.value !== "") turn(Number(box.value)); });
  const words = h("span", { cls: "ax-status", role: "status", "aria-live": "polite" });
  const bar = h("progress", { max: 1, value: 0, "aria-label": "Progress" });
  const notice = h("div", { cls: "ax-notice", role: "status", hidden: true }), wrong = h("pre", { cls: "ax-error ax-wrong", hidden: true });
  const loss = plot("loss"), metrics = plot("metrics");
  const scrub = h("input", { type: "range", min: 1, max: 1, step: 1, value: 1, "aria-label": "Epoch to look at" });
  const place = h("span", { cls: "ax-faint" });
  scrub.addEventListener("input", throttled(() => {
    const epoch = state.epochs[Number(scrub.value) - 1];
    if (epoch !== undefined) send("look", { epoch: epoch === state.epochs.at(-1) ? null : epoch });
  }));
  const samples = h("div", { cls: "ax-samples" }), weights = h("div", { cls: "ax-weights" });
  root.append(h("div", { cls: "ax-tools", role: "toolbar", "aria-label": "Training" },
    h("span", { cls: "ax-set" }, go.start, go.pause, go.resume, go.stop),
    h("label", { cls: "ax-rate" }, "learning rate", rate, box), words), bar, notice, wrong,
    h("div", { cls: "ax-two" }, h("section", { "aria-label": "Loss" }, loss.el), h("section", { "aria-label": "Metrics" }, metrics.el)),
    h("label", { cls: "ax-scrub" }, "epoch", scrub, place),
    h("div", { cls: "ax-two" }, h("section", { "aria-label": "Predictions" }, samples), h("section", { "aria-label": "Weights" }, weights)));

  const time = (seconds) => seconds === null || seconds === undefined ? "" : seconds < 90 ? `${Math.ceil(seconds)} s left` : `${Math.round(seconds / 60)} min left`;
  const draw = throttled(() => {
    const per = state.steps || 1, at = (values) => values.map((value, i) => [(i + 1) * per, value]);
    const series = [{ name: "loss, this epoch", look: "a", points: state.curve }];
    if (state["history.val_loss"]) series.push({ name: "validation", look: "b", points: at(state["history.val_loss"]) });
    loss.draw(series);
    const rest = state.metrics.filter((name) => !name.endsWith("loss")).map((name) => [name.replace("history.", ""), state[name] || []]);
    metrics.draw(rest.map(([name, values], i) => ({ name, look: "abcd"[i % 4], points: values.map((value, e) => [e + 1, value]) })));
    const axis = metrics.el.querySelector("svg > text:last-child");
    if (axis) axis.textContent = axis.textContent.replace("step", "epoch");
  });
  return (patch) => {
    Object.assign(state, patch);
    const status = state.status, on = status === "running", held = status === "paused";
    go.start.disabled = on || held;
    go.pause.disabled = !on;
    go.resume.disabled = !held;
    go.stop.disabled = !(on || held);
    root.dataset.status = status;
    const p = state.progress;
    words.textContent = [status, p.epoch && status !== "ready" ? `epoch ${p.epoch} of ${p.epochs}` : "",
      state.speed ? `${state.speed.toLocaleString()} samples/s` : "", on ? time(state.left) : ""].filter(Boolean).join(" · ");
    const whole = (state.steps || 0) * (p.epochs || 0);
    bar.value = status === "completed" ? 1 : whole ? Math.min(1, p.steps / whole) : 0;
    if ("rate" in patch && patch.rate !== null && document.activeElement !== box && document.activeElement !== rate) {
      box.value = Number(patch.rate.toPrecision(3));
      rate.value = Math.log10(Math.max(patch.rate, 1e-6));
    }
    if (["curve", "metrics", "steps", ...state.metrics].some((name) => name in patch)) draw();
    if ("epochs" in patch || "epoch" in patch) {
      scrub.max = Math.max(1, state.epochs.length);
      scrub.disabled = state.epochs.length < 2;
      if (document.activeElement !== scrub || state.follows) scrub.value = Math.max(1, state.epochs.indexOf(state.epoch) + 1);
      place.textContent = state.epoch === null ? "not trained yet" : `after epoch ${state.epoch}${state.follows ? ", the last" : ""}`;
    }
    if ("samples" in patch || "pictures" in patch) samples.replaceChildren(...state.samples.map((one, i) => h("figure", { cls: one.right === true ? "ax-right" : one.right === false ? "ax-false" : undefined },
      state.pictures[i] ? canvas(state.pictures[i], `sample ${i + 1}, ${one.true}`) : "", h("figcaption", {}, one.said || "?", one.true !== "" ? h("small", {}, ` is ${one.true}`) : ""))));
    if ("weights" in patch) weights.replaceChildren(...patch.weights.map((one) => h("figure", {},
      columns(one.counts, { label: `${one.name}: values from ${short(one.low)} to ${short(one.high)}` }), h("figcaption", {}, one.name, h("small", {}, ` ${short(one.low)} … ${short(one.high)}`)))));
    if ("notice" in patch) { notice.textContent = patch.notice; notice.hidden = !patch.notice; }
    if ("error" in patch) { wrong.textContent = patch.error; wrong.hidden = !patch.error; }
  };
}

// Looking into a model.

function explorer(root, send) {
  const state = { names: [] };
  const pick = (name) => { picture.select(name); send("select", { layer: name }); };
  const picture = diagram(pick, "Diagram of the model: choose a layer to look into");
  const notice = h("div", { cls: "ax-notice", role: "status", hidden: true });
  const title = h("h4"), output = h("div", { cls: "ax-output" }), attention = h("div"), dead = h("p", { cls: "ax-faint" });
  const weights = h("div", { cls: "ax-weights" }), input = h("div", { cls: "ax-input" }), answer = h("div", { cls: "ax-answer" });
  const which = h("input", { type: "range", min: 0, max: 0, step: 1, value: 0, "aria-label": "Sample" }), number = h("span", { cls: "ax-faint" });
  which.addEventListener("input", throttled(() => send("show", { sample: Number(which.value) })));
  const pad = h("canvas", { cls: "ax-pad", width: 140, height: 140, tabindex: "0", role: "img", 
    "aria-label": "Draw here with the mouse or a finger; or by keys: the arrows move the pen, the space bar puts it down and lifts it" });
  const context = pad.getContext("2d", { willReadFrequently: true });
  const clear = () => { context.fillStyle = "#000"; context.fillRect(0, 0, 140, 140); };
  clear();
  let asked = 0, dirty = false;  // a drawing is sent when Python has answered to the one before: none waits in a row
  const look = throttled((more) => {
    if (more && Date.now() - asked < 2000) { dirty = true; return; }
    asked = Date.now();
    dirty = false;
    const data = context.getImageData(0, 0, 140, 140).data, pixels = [];
    for (let y = 0; y < 140; y += 5) {
      const row = [];
      for (let x = 0; x < 140; x += 5) {
        let sum = 0;
        for (let i = 0; i < 5; i++) for (let j = 0; j < 5; j++) sum += data[4 * ((y + i) * 140 + x + j)];
        row.push(Math.round(sum / 25 / 2.55) / 100);
      }
      pixels.push(row);
    }
    send("draw", { pixels, more });
  });
  let from = null;
  const at = (e) => { const box = pad.getBoundingClientRect(); return [(e.clientX - box.left) * 140 / box.width, (e.clientY - box.top) * 140 / box.height]; };
  pad.addEventListener("pointerdown", (e) => { from = at(e); pad.setPointerCapture(e.pointerId); e.preventDefault(); });
  const stroke = (to) => {
    Object.assign(context, { strokeStyle: "#fff", lineWidth: 11, lineCap: "round" });
    context.beginPath();
    context.moveTo(...from);
    context.lineTo(...to);
    context.stroke();
    from = to;
    look(true);
  };
  pad.addEventListener("pointermove", (e) => { if (from) stroke(at(e)); });
  const lift = () => { if (from) look(false); from = null; };
  pad.addEventListener("pointerup", lift);
  pad.addEventListener("pointercancel", lift);
  // By keys: the arrows move a pen that the space bar puts down and lifts.
  const pen = h("i", { cls: "ax-pen", hidden: true });
  let tip = [70, 30];
  pad.addEventListener("keydown", (e) => {
    const step = { ArrowUp: [0, -10], ArrowDown: [0, 10], ArrowLeft: [-10, 0], ArrowRight: [10, 0] }[e.key];
    if (!step && e.key !== " ") return;
    e.preventDefault();
    e.stopPropagation();
    if (step) {
      tip = tip.map((value, i) => Math.min(135, Math.max(5, value + step[i])));
      if (from) stroke(tip);
    } else if (from) lift();
    else { from = tip; stroke(tip); }
    pen.classList.toggle("ax-down", from !== null);
    pen.style.transform = `translate(${tip[0]}px, ${tip[1]}px)`;
  });
  pad.addEventListener("focus", () => { pen.hidden = !pad.matches(":focus-visible"); });
  pad.addEventListener("blur", () => { pen.hidden = true; lift(); pen.classList.remove("ax-down"); });
  const drawing = h("div", { cls: "ax-draw" }, h("h4", {}, "Draw"), h("div", { cls: "ax-paper" }, pad, pen), button("Clear", "Clear the drawing and show the sample again", () => { clear(); send("show", { sample: state.sample || 0 }); }));
  root.append(notice, h("div", { cls: "ax-main ax-look" }, picture.el,
    h("section", { cls: "ax-side", "aria-label": "The layer" }, title, output, attention, dead, weights),
    h("section", { cls: "ax-side", "aria-label": "The sample" }, h("h4", {}, "Sample"), input, h("label", { cls: "ax-which" }, which, number), drawing,
      h("h4", {}, "Answer"), answer)));
  root.addEventListener("keydown", (e) => {
    if (e.target.matches("input") || !["ArrowUp", "ArrowDown"].includes(e.key)) return;
    const name = state.names[state.names.indexOf(state.selected) + (e.key === "ArrowDown" ? 1 : -1)];
    if (name !== undefined) pick(name);
    e.preventDefault();
  });
  const maps = (one, title, wide = false) => h("div", { cls: `ax-maps ${one.maps.length > 16 ? "ax-many" : one.maps.length > 4 ? "" : "ax-few"}` },
    one.maps.map((map, i) => wide ? h("figure", {}, canvas(map, title(map, i)), h("figcaption", {}, `head ${i}`)) : canvas(map, title(map, i))),
    one.more ? h("small", {}, `and ${one.more} more`) : "");
  const facts = (one) => `mean ${short(one.mean)}, deviation ${short(one.std)}, ${short(one.low)} to ${short(one.high)}`;
  return (patch) => {
    asked = 0;
    if (dirty) look(true);
    Object.assign(state, patch);
    picture.draw(patch);
    if ("boxes" in patch) state.names = [...patch.boxes.all.keys()];
    if ("selected" in patch || "boxes" in patch) picture.select(state.selected);
    if ("title" in patch || "shape" in patch) title.replaceChildren(state.title, h("small", {}, ` ${state.op} ${state.shape}`));
    if ("output" in patch) output.replaceChildren(...patch.output.flatMap((one) => [
      one.kind === "maps" ? maps(one, (map, i) => `map ${i}: ${short(map.low)} to ${short(map.high)}`)
        : one.kind === "table" ? h("div", { cls: "ax-one" }, canvas(one.map, `table: ${short(one.map.low)} to ${short(one.map.high)}`))
        : columns(one.values, { width: 400, height: 80, label: `${one.values.length} values`, best: one.best, names: one.values.length <= 20 }),
      h("p", { cls: "ax-faint" }, facts(one))]));
    if ("attention" in patch) attention.replaceChildren(...patch.attention.flatMap((one) => [
      h("h4", {}, "Attention", h("small", {}, ` where each of ${one.queries} places (rows) looks among ${one.keys} (columns), by head`)),
      maps(one, (map, i) => `head ${i}: up to ${short(map.high)}`, true)]));
    if ("dead" in patch) {
      const { units, dead: count, which, samples } = patch.dead;
      dead.textContent = units ? `${count} of ${units} units give nothing above 0 on ${samples} samples`
        + (count ? `: ${which.join(", ")}${count > which.length ? " …" : ""}` : "") : "";
    }
    if ("weights" in patch) weights.replaceChildren(...patch.weights.map((one) => h("figure", {},
      h("figcaption", {}, `${one.name} ${one.shape}`, h("small", {}, ` ${short(one.values.low)} … ${short(one.values.high)}`)),
      columns(one.values.counts, { label: `values of ${one.name}` }),
      one.gradient ? h("figcaption", {}, h("small", {}, `gradient ${short(one.gradient.low)} … ${short(one.gradient.high)}`)) : "",
      one.gradient ? columns(one.gradient.counts, { label: `gradient of ${one.name}` }) : "",
      one.maps.length ? h("div", { cls: one.maps.length > 1 ? "ax-maps ax-many" : "ax-one" },
        one.maps.map((map, i) => canvas(map, `${one.name}${one.maps.length > 1 ? ` of unit ${i}` : ""}`))) : "")));
    if ("input" in patch) input.replaceChildren(...(patch.input ? [canvas(patch.input, state.drawn ? "your drawing, as the model gets it" : "the sample that is shown")] : []));
    if ("answer" in patch) {
      const one = patch.answer;
      answer.replaceChildren(columns(one.values, { label: `the greatest of ${one.values.length} values is number ${one.best}`, best: one.best, names: one.values.length <= 20 }),
        one.flat ? h("strong", { role: "status", "aria-live": "polite" }, one.values.length > 1 ? `${one.best}` : short(one.values[0])) : "");
    }
    if ("count" in patch) { which.max = Math.max(0, patch.count - 1); which.disabled = patch.count < 2; }
    if ("sample" in patch || "drawn" in patch) { which.value = state.sample; number.textContent = state.drawn ? "your drawing" : `${state.sample + 1} of ${state.count}`; }
    if ("draws" in patch) drawing.hidden = !patch.draws;
    if ("notice" in patch) { notice.textContent = patch.notice; notice.hidden = !patch.notice; }
  };
}

const PAGES = { builder, what_if, live, trainer, explorer };

function render({ model, el }) {
  const root = h("div", { cls: "ax", tabindex: "0", "data-lm-suppress-shortcuts": "true", "data-kind": model.get("kind") });
  for (const type of ["keydown", "keyup", "keypress", "contextmenu"]) root.addEventListener(type, (e) => e.stopPropagation());
  // JupyterLab's keys are off here, where "d" "d" would delete the cell; saving is the one that people want.
  root.addEventListener("keydown", (e) => {
    if (!(e.ctrlKey || e.metaKey) || e.key.toLowerCase() !== "s" || !e.isTrusted) return;
    e.preventDefault();
    const { key, code, keyCode, ctrlKey, metaKey, shiftKey } = e;
    const outside = root.parentElement || document.body;
    outside.dispatchEvent(new KeyboardEvent("keydown", { key, code, keyCode, ctrlKey, metaKey, shiftKey, bubbles: true, cancelable: true }));
  });
  const send = (what, rest = {}) => model.send({ do: what, ...rest });
  const page = PAGES[model.get("kind")](root, send);
  const merged = merging();
  const take = (message) => {
    if (message) page(merged(message));
  };
  model.on("msg:custom", take);
  el.append(root);
  send("hello");
  return () => model.off("msg:custom", take);
}

export default { render };

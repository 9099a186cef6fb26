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
      const here = own ? at : 0;
      code.setSelectionRange(here, here);
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

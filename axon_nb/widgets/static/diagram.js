// The diagram, in boxes and arrows that are kept as long as they stay as they are.

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

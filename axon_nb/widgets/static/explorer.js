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

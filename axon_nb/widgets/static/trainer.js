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

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

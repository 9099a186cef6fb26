// The pages of axon_nb's widgets: plain DOM, nothing loaded from anywhere. Python says what to show (what has changed)
// and does what messages ask for. All text is put in as text, never as HTML. Files are joined to one module, in the
// order in which skin.py lists them: each uses what stands in those before.

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

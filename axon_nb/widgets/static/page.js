// What Jupyter calls.

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

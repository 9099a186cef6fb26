// The control of an option, from what its declaration says.

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

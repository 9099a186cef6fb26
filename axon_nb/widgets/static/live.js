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

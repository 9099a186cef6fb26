// What every page has: what it was told, kept up to date.

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

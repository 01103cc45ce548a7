// The two sides of a pair: covers, captions and images.

function drawSides(page, view) {
  const texts = SIDES.map((side) => view.items[`${side} text`].text);
  const isCompared = page.state.differences && texts.every((text) => text !== undefined);
  const marked = isCompared ? differences(...texts) : [];
  return element(
    "div",
    { class: "sides" },
    ...SIDES.map((side, at) => drawSide(page, view, side, marked[at])),
  );
}

function drawSide(page, view, side, marked) {
  const about = side === "unsafe" ? `${view.category} · ${view.severity}` : "";
  return element(
    "div",
    { class: "side", "data-side": side },
    element("header", {}, element("h2", {}, side), element("p", { class: "about" }, about)),
    drawText(page, view, side, marked),
    drawImage(page, view, side),
  );
}

function drawText(page, view, side, marked) {
  const what = `${side} text`;
  const item = view.items[what];
  if (item.state === "shown") {
    // A direction of its own, whatever the page's is; a group, as it may be in reach of Tab (fit.js).
    const attributes = { class: "caption", dir: "auto", role: "group", "aria-label": what };
    return element("div", attributes, ...(marked ? marked.map(drawRun) : [item.text]));
  }
  return drawCover(page, what, item, "Show the text");
}

function drawRun({ text, differs }) {
  return differs ? element("mark", {}, text) : text;
}

function drawImage(page, view, side) {
  const what = `${side} image`;
  const item = view.items[what];
  if (item.state === "absent") return null;
  if (item.state === "unknown") return element("p", { class: "unknown" }, "…");
  if (item.state === "broken") {
    return element("p", { class: "broken" }, `The ${what} cannot be shown.`);
  }
  if (item.state === "shown") return page.picture(view.token, what);
  return drawCover(page, what, item, "Show the image");
}

function drawCover(page, what, item, label) {
  const coming = item.state === "coming";
  return button(page, what, coming ? "…" : label, {
    class: "cover",
    "aria-label": coming ? `${what}: on its way` : `${label} of the ${what.split(" ")[0]} side`,
  });
}

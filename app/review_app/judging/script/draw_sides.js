// The two sides of a pair: covers, captions and images.

function drawSides(page, view) {
  return element("div", { class: "sides" }, ...SIDES.map((side) => drawSide(page, view, side)));
}

function drawSide(page, view, side) {
  const about = side === "unsafe" ? `${view.category} · ${view.severity}` : "";
  return element(
    "div",
    { class: "side", "data-side": side },
    element("h3", {}, side),
    element("p", { class: "about" }, about),
    drawText(page, view, side),
    drawImage(page, view, side),
  );
}

function drawText(page, view, side) {
  const what = `${side} text`;
  const item = view.items[what];
  if (item.state === "shown") {
    return element("p", { class: "caption", tabindex: item.text.length > 400 ? "0" : null }, item.text);
  }
  return drawCover(page, what, item, "Show the text");
}

function drawImage(page, view, side) {
  const what = `${side} image`;
  const item = view.items[what];
  if (item.state === "absent") return null;
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

// The two sides of a pair: covers, captions and images.

function drawSides(page, view) {
  const runs = runsOf(page, view);
  return element(
    "div",
    { class: "sides" },
    ...SIDES.map((side, at) => drawSide(page, view, side, runs[at])),
  );
}

// The texts in runs that differ or do not.
function runsOf(page, view) {
  const texts = SIDES.map((side) => view.items[`${side} text`].text);
  const isCompared = page.state.differences && texts.every((text) => text !== undefined);
  return isCompared ? differences(...texts) : texts.map((text) => [{ text, differs: false }]);
}

function drawSide(page, view, side, runs) {
  const about = side === "unsafe" ? `${view.category} · ${view.severity}` : "";
  return element(
    "div",
    { class: "side", "data-side": side },
    element("header", {}, element("h2", {}, side), element("p", { class: "about" }, about)),
    drawText(page, view, side, runs),
    drawImage(page, view, side),
  );
}

function drawText(page, view, side, runs) {
  const what = `${side} text`;
  const item = view.items[what];
  if (item.state === "shown") {
    return element("div", { class: "words" }, drawCaption(what, runs), drawMore(what));
  }
  return drawCover(page, what, item, "Show the text");
}

// A direction of its own, whatever the page's is.
function drawCaption(what, runs) {
  const attributes = { class: "caption", dir: "auto", role: "group", "aria-label": what };
  return element("div", attributes, ...runs.map(drawRun));
}

// Lies over a caption that is cut (fit.js), and shows it as large as the window.
function drawMore(what) {
  const attributes = { class: "more", type: "button", "data-command": what, hidden: true };
  const label = { "aria-label": `More of the ${what}`, "aria-haspopup": "dialog" };
  return element("button", { ...attributes, ...label }, element("span", {}, "More"));
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

// What lies over the page: the guidelines, and an image or a caption as large as the window.

// A dialog keeps the focus inside, closes by Escape, and gives the focus back: browsers see to it.
function makeDialog(name, title, closed) {
  const id = `${name}-title`;
  const close = element("button", { type: "button" }, "Close");
  const made = element(
    "dialog",
    { class: name, "aria-labelledby": id },
    element("header", {}, element("h2", { id }, title), close),
    element("div", { class: "text" }),
  );
  close.addEventListener("click", () => made.close());
  made.addEventListener("click", (event) => event.target === made && made.close()); // beside it
  made.addEventListener("close", closed);
  return made;
}

function drawDialogs(page, view) {
  const { guidelines, enlarged } = page.parts;
  const { state } = page;
  const html = page.guidelines.get(nameOf(state.data.guidelines));
  // This HTML was made by the server from Markdown, without HTML of people.
  show(guidelines, state.guidelines && html, html, (body) => {
    body.innerHTML = html;
    for (const link of body.querySelectorAll("a[href]")) link.target = "_blank";
  });
  const what = state.enlarged;
  const url = page.pictures.get(`${view.token}/${what}`);
  const isShown = view.items?.[what]?.state === "shown" && (what.endsWith("text") || !!url);
  show(enlarged, isShown, isShown && JSON.stringify([view.token, what, state.differences]), (body) => {
    enlarged.querySelector("h2").textContent = what;
    body.replaceChildren(url ? element("img", { src: url, alt: what }) : drawWhole(page, view, what));
  });
  if (isShown || !enlarged.shown) return;
  enlarged.querySelector(".text").replaceChildren();
  enlarged.shown = null;
}

function drawWhole(page, view, what) {
  return drawCaption(what, runsOf(page, view)[SIDES.findIndex((side) => what === `${side} text`)]);
}

// They are sent once.
function keepGuidelines(page, guidelines) {
  if (guidelines?.html !== undefined) page.guidelines.set(nameOf(guidelines), guidelines.html);
}

function nameOf(guidelines) {
  return `guidelines/${guidelines?.sha256}`;
}

function show(dialog, isOpen, content, fill) {
  if (isOpen && dialog.shown !== content) {
    fill(dialog.querySelector(".text"));
    dialog.shown = content;
  }
  if (isOpen && !dialog.open) dialog.showModal();
  if (!isOpen && dialog.open) dialog.close();
}

// Closed by the person: the state follows.
function overlayClosed(page, closed) {
  const [name] = Object.keys(closed);
  if (page.state?.[name]) page.change((state) => ({ ...state, ...closed }));
}

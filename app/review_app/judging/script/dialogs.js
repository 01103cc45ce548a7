// What lies over the page: the guidelines, and an image as large as the window.

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
  const url = state.enlarged && page.pictures.get(`${view.token}/${state.enlarged}`);
  const isShown = url && view.items?.[state.enlarged]?.state === "shown";
  show(enlarged, isShown, isShown ? url : "", (body) => {
    enlarged.querySelector("h2").textContent = state.enlarged;
    body.replaceChildren(element("img", { src: url, alt: state.enlarged }));
  });
  if (isShown || !enlarged.shown) return;
  enlarged.querySelector(".text").replaceChildren();
  enlarged.shown = null;
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

// Drawing the whole page: each part only where it has changed.

function draw(page) {
  const { state, parts } = page;
  const view = viewOf(state);
  const focused = focusedCommand(page);
  page.root.dataset.token = view.token;
  page.root.dataset.phase = view.phase;
  page.root.dataset.locked = state.lock ? "true" : "false";
  page.root.dataset.pending = String(state.pending.length);
  part(page, "counts", [view.judged, view.left], () => drawCounts(view));
  const pictures = [...page.pictures.keys()];
  const open = view.phase === "open";
  part(page, "sides", [open, view.token, view.items, page.keys, pictures, state.differences], () =>
    open ? drawSides(page, view) : element("div", { class: "sides" }),
  );
  part(page, "question", [open, view.token, view.question, view.items, view.answers, state.early, page.keys], () =>
    open ? drawQuestion(page, view) : drawWaiting(view),
  );
  part(page, "quick", [open, view.token, view.answers, view.undoable, page.keys], () =>
    open ? drawQuick(page, view) : element("div", { class: "quick" }),
  );
  const pressable = [view.answers.ask_lead, state.differences, state.leaving, !!state.data.guidelines];
  part(page, "others", [open, view.token, pressable, page.keys], () =>
    open ? drawOthers(page, view) : element("div", { class: "others" }),
  );
  drawFields(page, view);
  setText(parts.said, state.lock ? `${state.said} Keys act again after half a second without keys.` : state.said);
  setText(parts.alert, state.alert);
  announce(page, view);
  keepFocus(page, focused);
  drawDialogs(page, view);
  fit(page);
}

function part(page, name, signature, make) {
  const text = JSON.stringify(signature);
  const old = page.parts[name];
  if (old.signature === text) return;
  const made = make();
  made.signature = text;
  old.replaceWith(made);
  page.parts[name] = made;
}

function setText(where, text) {
  if (where.textContent !== text) where.textContent = text;
}

// Say that the question changed, and note when it could be seen.
function announce(page, view) {
  const pair = `${view.token}/${view.phase}`;
  const question = `${pair}/${view.question?.name}`;
  const states = Object.values(view.items).map(({ state }) => state);
  const screen = { pair, question, items: `${pair}/${states}` };
  const changed = Object.keys(screen).filter((name) => page.screen[name] !== screen[name]);
  if (changed.length === 0) return;
  page.screen = screen;
  for (const name of changed) page.shown[name] = Infinity;
  page.root.dataset.ready = "false";
  if (changed.includes("question")) {
    // Without the pair, the same question twice would be no news, and not be read out.
    const about = changed.includes("pair") ? `Next pair: ${view.category}, ${view.severity}. ` : "";
    setText(page.parts.live, view.question ? about + spoken(view.question) : "Waiting for the next pair");
    if (changed.includes("pair")) toTop(page);
  }
  const seen = () => {
    for (const name of changed) {
      if (page.screen[name] === screen[name] && page.shown[name] === Infinity) {
        page.shown[name] = performance.now();
      }
    }
    page.root.dataset.ready = String(!Object.values(page.shown).includes(Infinity));
  };
  requestAnimationFrame(() => setTimeout(seen)); // after the frame was drawn
}

function spoken({ text, about }) {
  return about ? `${text} ${about}` : text;
}

function focusedCommand(page) {
  const active = page.root.getRootNode().activeElement;
  return page.root.contains(active) ? active : null;
}

// What had the focus may be gone: the same button has it again, or else the page.
function keepFocus(page, before) {
  if (!before || page.root.contains(before)) return;
  const name = before.dataset?.command;
  const again = name && page.root.querySelector(`[data-command="${CSS.escape(name)}"]`);
  if (again) again.focus({ preventScroll: true });
  else page.focus();
}

function pictureOf(page, token, what) {
  const url = page.pictures.get(`${token}/${what}`);
  if (!url) return element("p", { class: "coming" }, "…");
  // Of an image, no more is said than where it belongs.
  const image = element("img", { src: url, alt: what });
  image.addEventListener("load", () => fit(page)); // it has its size now
  image.addEventListener("error", () =>
    page.change((state) => {
      const view = viewOf(state);
      if (view.token !== token || view.items[what].state !== "shown") return state;
      return act(state, view, { do: "broken", what });
    }),
  );
  const attributes = { class: "picture", type: "button", "data-command": what, title: "Enlarge" };
  return element("button", { ...attributes, "aria-haspopup": "dialog" }, image);
}

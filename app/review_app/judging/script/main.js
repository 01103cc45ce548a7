// The page: it holds the state, draws it, and talks with the server.

const AGAIN_MS = 3000;
const FRESH_MS = 300;
const KEPT = "nsfwcaps-judging";
const pages = new WeakMap();

export default function ({ data, parentElement, setStateValue }) {
  let page = pages.get(parentElement);
  if (!page) {
    page = makePage(parentElement);
    pages.set(parentElement, page);
  }
  page.send = (outbox) => setStateValue("outbox", outbox);
  page.receive(data);
  return page.close;
}

function makePage(parent) {
  const page = { pictures: new Map(), guidelines: new Map(), screen: {}, shown: {}, since: 0 };
  Object.assign(page, { again: false, tries: 0, sent: 0 });
  page.parts = makeParts(page);
  page.root = page.parts.root;
  parent.append(page.root);
  page.focus = () => page.root.focus({ preventScroll: true });
  page.keyOf = (command) => page.keys?.[command] ?? "";
  page.change = (change) => update(page, change(page.state));
  page.run = (name) => apply(page, command(page.state, name));
  page.picture = (token, what) => pictureOf(page, token, what);
  page.receive = (data) => receive(page, data);
  const onKey = (event) => keyDown(page, event);
  const onClick = (event) => clicked(page, event);
  const onPointer = () => (page.writing = null);
  window.addEventListener("keydown", onKey, true);
  window.addEventListener("pointerdown", onPointer, true);
  page.root.addEventListener("click", onClick);
  // Streamlit sees keys of this page as keys outside of fields, and acts on C and R.
  page.root.addEventListener("keydown", (event) => event.stopPropagation());
  const stopFitting = keepFitting(page);
  const timer = setInterval(() => tick(page), 100);
  page.close = () => {
    window.removeEventListener("keydown", onKey, true);
    window.removeEventListener("pointerdown", onPointer, true);
    clearInterval(timer);
    stopFitting();
    page.root.remove();
    pages.delete(parent);
  };
  return page;
}

function makeParts(page) {
  const parts = {
    title: element("h1", { class: "live" }, "Pair to judge"),
    counts: element("div"),
    sides: element("div"),
    bar: element("div", { class: "bar" }),
    question: element("div"),
    advice: element("p", { class: "advice" }),
    fields: element("div", { class: "fields" }),
    save: element("button", { type: "button", class: "save", "data-command": "save" }, "Save", element("kbd", { "aria-hidden": "true" }, "Ctrl+Enter")),
    said: element("p", { class: "said", role: "status" }),
    alert: element("p", { class: "alert", role: "alert" }),
    quick: element("div"),
    others: element("div"),
    guidelines: makeDialog("guidelines", "Guidelines", () => overlayClosed(page, { guidelines: false })),
    enlarged: makeDialog("enlarged", "", () => overlayClosed(page, { enlarged: null })),
    live: element("p", { class: "live", role: "status", "aria-live": "polite" }),
  };
  const { title, counts, sides, bar, question, advice, fields, save, said, alert, quick } = parts;
  const asked = element("div", { class: "asked" }, question, advice, fields); // scrolls, if it must
  bar.append(asked, save, said, alert, quick);
  parts.root = element(
    "section",
    { class: "judging", tabindex: "-1", "aria-label": "Pair to judge" },
    ...[title, counts, sides, bar, parts.others, parts.live, parts.guidelines, parts.enlarged],
  );
  return parts;
}

function receive(page, data) {
  const first = !page.state;
  if (first) page.state = newState(crypto.randomUUID(), null);
  if (first) page.state = restored(page.state, data.account);
  const isNew = !first && page.session !== data.session;
  page.session = data.session;
  page.keys = Object.fromEntries(
    Object.entries(data.keys).flatMap(([key, names]) => names.map((name) => [name, key])),
  );
  if (data.keys_off) page.keys = {};
  for (const [name, url] of Object.entries(data.pictures)) page.pictures.set(name, url);
  for (const name of page.pictures.keys()) {
    if (!name.startsWith(data.task.token)) page.pictures.delete(name);
  }
  keepGuidelines(page, data.guidelines);
  if (isNew || first) page.sent = 0; // another server, which has heard of nothing
  if (isNew) page.tries += 1;
  page.again ||= isNew || (first && page.state.pending.length > 0);
  const next = received(page.state, data);
  update(page, first ? flushed(next) : next); // fields are drawn with what was typed before
  if (first && !hasFocus()) page.focus();
}

function hasFocus() {
  return document.activeElement && document.activeElement !== document.body;
}

// Actions and text that the server has not heard of yet outlive a reload of the page.
function restored(state, account) {
  const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
  if (!kept || kept.account !== account) return state;
  return { ...newState(kept.client, kept), typed: kept.typed ?? null };
}

function keep(page) {
  const { client, epoch, n, pending, typed, data } = page.state;
  if (pending.length === 0 && !typed) sessionStorage.removeItem(KEPT);
  else {
    const kept = { client, epoch, n, pending, typed, account: data.account };
    sessionStorage.setItem(KEPT, JSON.stringify(kept));
  }
}

function update(page, state) {
  const before = page.state;
  page.state = state;
  draw(page);
  if (state.pending !== before.pending || state.typed !== before.typed) keep(page);
  if (state.pending.some(({ n }) => n > page.sent)) post(page);
}

function post(page) {
  const { client, epoch, n, pending } = page.state;
  page.sent = n;
  page.since = performance.now();
  const { again, tries } = page;
  const have = [...page.pictures.keys(), ...page.guidelines.keys()];
  page.send({ client, epoch, actions: pending, have, again, tries });
}

function tick(page) {
  const { state } = page;
  if (!state) return;
  const now = performance.now();
  if (state.pending.length && now - page.since > AGAIN_MS) {
    page.tries += 1;
    post(page);
    page.parts.alert.textContent ||= "Not saved yet; trying again.";
  }
  // What had the focus is gone, perhaps to a message that lay over the page.
  const isLost = document.activeElement === document.body;
  if (isLost || (page.writing && document.activeElement === hostOf(page))) {
    if (!backToField(page) && isLost) page.focus();
  }
  const next = rested(state, now);
  if (next !== state) update(page, next);
}

function apply(page, { state, refusal, focus }) {
  update(page, refusal ? { ...page.state, alert: refusal } : state);
  if (focus) focusField(page, focus);
}

const FIELDS_OF = { comment: "[data-field=comment]", fix: "[data-field$=_caption]" };

function focusField(page, which) {
  const field = FIELDS_OF[which] && page.parts.fields.querySelector(FIELDS_OF[which]);
  const button = page.root.querySelector(`[data-command=${which}]`);
  if (field) {
    field.focus();
    field.setSelectionRange(field.value.length, field.value.length);
  } else if (!FIELDS_OF[which] && button) button.focus();
  else page.focus();
}

function keyDown(page, event) {
  const inside = event.composedPath().includes(page.root);
  if (event.repeat && inside && !isTyped(event) && ["Enter", " "].includes(event.key)) {
    event.preventDefault(); // a key that is held down presses a button once
  }
  if (isSave(page, event)) return page.run("save");
  if (!page.state || !isOurs(event)) return;
  if (event.key === "Escape" && page.state.guidelines) return apply(page, command(page.state, "guidelines"));
  const key = { name: keyName(event), isCharacter: isCharacter(event) };
  if (!key.name && !key.isCharacter) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (event.repeat || backToField(page)) return;
  const result = pressed(page.state, key, event.timeStamp, page.shown);
  update(page, result.state);
  if (result.focus) focusField(page, result.focus);
}

function isSave(page, event) {
  if (!page.state || event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return false;
  const field = event.composedPath()[0].dataset?.field;
  return !event.repeat && !event.isComposing && field !== "comment" && isFix(page.state);
}

function clicked(page, event) {
  const pressedButton = event.target.closest("[data-command]");
  if (!pressedButton) return;
  // A second click would hit what came under the pointer after the first.
  const isPointer = event.detail > 0;
  if (isPointer && event.timeStamp < page.shown.question + FRESH_MS) return;
  page.run(pressedButton.dataset.command);
}

// Fields to write in. They are made once for a pair and stay, so that drawing takes no focus.

const NAMES_OF_FIELDS = {
  comment: "Comment",
  safe_caption: "Safe caption",
  unsafe_caption: "Unsafe caption",
};
const SEND_MS = 700;

function fieldsShown(state, view) {
  if (view.phase !== "open") return [];
  const fixed = view.question.name === "fix" ? editable(view).map((side) => `${side}_caption`) : [];
  const hasComment = state.comment === view.token || view.answers.comment != null;
  return [...fixed, ...(hasComment ? ["comment"] : [])];
}

function valueOf(view, name) {
  const given = view.answers[name];
  if (given != null || name === "comment") return given ?? "";
  return view.items[`${name.split("_")[0]} text`].text;
}

function makeField(page, view, name) {
  const id = `field-${name}`;
  const area = element("textarea", {
    id,
    rows: name === "comment" ? "2" : "4",
    maxlength: "2000",
    "data-field": name,
  });
  area.value = valueOf(view, name);
  const { token } = view;
  let timer = null;
  const send = () => {
    clearTimeout(timer);
    timer = null;
    page.change(flushed);
  };
  area.addEventListener("input", () => {
    page.state = typing(page.state, token, name, area.value);
    keep(page);
    timer ??= setTimeout(send, SEND_MS);
  });
  area.addEventListener("focus", () => (page.writing = { token, name }));
  area.addEventListener("blur", send);
  area.addEventListener("keydown", (event) => {
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === "Escape" || event.key === "Tab") page.writing = null;
    if (event.key === "Escape") page.focus();
  });
  area.setAttribute("aria-describedby", `${id}-hint`);
  const hint = element("small", { id: `${id}-hint` }, hintOf(page, name));
  const label = element("label", { for: id }, NAMES_OF_FIELDS[name]);
  return element("div", { class: "field" }, label, area, hint);
}

// Keys answer questions only outside a field, which is not plain to see.
function hintOf(page, name) {
  const saved = name === "comment" ? "Saved as you type." : "";
  const keys = page.state.data.keys_off ? "" : "Esc leaves the field, so that keys answer again.";
  return [saved, keys].filter(Boolean).join(" ");
}

// A field that was left by nobody's will, such as by a message over the page, is where letters
// still belong. Gives the focus back to it; says whether there was one.
function backToField(page) {
  if (!page.writing || isTypedIn(page)) return false;
  const { token, name } = page.writing;
  const field = page.parts.fields.querySelector(`[data-field=${name}]`);
  if (!field || page.parts.fields.dataset.token !== token) {
    page.writing = null;
    return false;
  }
  field.focus();
  return true;
}

function hostOf(page) {
  return page.root.getRootNode().host ?? page.root;
}

function isTypedIn(page) {
  return page.root.getRootNode().activeElement?.matches("textarea") ?? false;
}

// Make the fields that are missing, and take away those that are no longer asked for.
function drawFields(page, view) {
  const { fields } = page.parts;
  const names = fieldsShown(page.state, view);
  if (fields.dataset.token !== view.token) fields.replaceChildren();
  fields.dataset.token = view.token;
  for (const child of [...fields.children]) {
    if (!names.includes(child.dataset.name)) child.remove();
  }
  names.forEach((name, at) => {
    if (fields.children[at]?.dataset.name === name) return;
    const made = makeField(page, view, name);
    made.dataset.name = name;
    fields.insertBefore(made, fields.children[at] ?? null);
    // The text was asked for to be edited.
    if (name !== "comment" && !isTypedIn(page)) made.querySelector("textarea").focus();
  });
  const fixing = view.question?.name === "fix";
  page.parts.save.hidden = !fixing;
  page.parts.advice.textContent =
    fixing && editable(view).length === 0 ? "Show the text of a side to edit it." : "";
}

// Parts of the page. Text of people and data sets is set as text, never as HTML.

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) {
      made.setAttribute(name, value);
    }
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// A button that runs a command; `page.run` finds it by its attribute.
function button(page, command, label, attributes = {}) {
  const key = page.keyOf(command);
  const shown = key ? [element("kbd", { "aria-hidden": "true" }, key)] : [];
  return element(
    "button",
    { type: "button", "data-command": command, "aria-keyshortcuts": ariaKey(key), ...attributes },
    element("span", {}, label),
    ...shown,
  );
}

function ariaKey(key) {
  return key ? key.toLowerCase().replace("shift+", "Shift+") : null;
}

function drawCounts(view) {
  const { left } = view;
  return element(
    "p",
    { class: "counts" },
    `${view.judged} judged · left in this session: ${left.pairs} pairs, ${left.reveals} reveals, ` +
      `${left.minutes} min`,
  );
}

function drawQuestion(page, view) {
  const { name, text, options } = view.question;
  const early = page.state.early;
  const buttons = options.map((option) =>
    button(page, option.command, option.label, {
      "data-value": option.value,
      "aria-pressed": early?.name === name && early.value === option.value ? "true" : null,
      dir: "auto",
    }),
  );
  const missing = name === "fix" || name === "choice" ? [] : unseen(view);
  const first = missing.length && !early ? `Look at the ${missing.join(" and the ")} side first.` : "";
  return element(
    "div",
    { class: "question", "data-question": name },
    element("h2", {}, text),
    element("p", { class: "first" }, first),
    element("div", { class: "options" }, ...buttons),
    element("p", { class: "first" }, keyless(page, options)),
    // Last: where there is little room, this scrolls and the answers stay.
    element("p", { class: "so-far", dir: "auto" }, answeredSoFar(page, view)),
  );
}

// There are fewer keys than some data sets have categories.
function keyless(page, options) {
  if (page.state.data.keys_off || options.every(({ command }) => page.keyOf(command))) return "";
  return "Answers without a key: click them, or reach them with Tab.";
}

function answeredSoFar(page, view) {
  const said = page.state.data.questions
    .filter(({ name }) => view.answers[name] != null)
    .map(({ name, options }) => {
      const value = view.answers[name];
      const label = options.find((option) => option.value === value)?.label ?? value;
      return `${name.replaceAll("_", " ")}: ${label}`;
    });
  return said.length ? `So far: ${said.join(" · ")}` : "";
}

function drawWaiting(view) {
  const words = { undo: "Fetching the pair again …", stop: "Ending the session …" };
  return element("div", { class: "question" }, element("h2", {}, words[view.why] ?? "Next pair …"));
}

// What must be at hand at every question.
function drawQuick(page, view) {
  const undo = view.undoable && `Undo the last ${view.undoable.kind}`;
  return element(
    "div",
    { class: "quick" },
    lastAnswered(view) || view.question?.name === "fix" ? button(page, "back", "Back") : null,
    button(page, "skip", "Skip"),
    undo ? button(page, "undo", undo) : null,
  );
}

function drawOthers(page, view) {
  const flag = view.answers.ask_lead ? "true" : "false";
  const leaving = page.state.leaving === view.token;
  return element(
    "div",
    { class: "others" },
    button(page, "comment", "Comment"),
    button(page, "ask_lead", "Ask the lead", { "aria-pressed": flag }),
    button(page, "differences", "Differences", { "aria-pressed": String(page.state.differences) }),
    button(page, "stop", "Stop for now"),
    page.state.data.guidelines ? button(page, "guidelines", "Guidelines") : null,
    leaving ? null : button(page, "leave_out", "Leave out this category"),
    leaving ? button(page, "leave_out_now", `Show me no more pairs of ${view.category}`) : null,
    leaving ? button(page, "stay", "Keep it") : null,
  );
}

// What is on the screen: the state that the server told, and the actions it has not heard of yet.

const ANSWERS = ["safe_is_safe", "unsafe_is_unsafe", "category", "meaning"];
const FIELDS = ["comment", "safe_caption", "unsafe_caption"];
const SIDES = ["safe", "unsafe"]; // in the order of the questions

function viewOf(state) {
  let view = opened(state.data.task, state.data);
  for (const action of state.pending) view = after(view, action);
  return { ...view, question: view.phase === "open" ? questionOf(view, state.data) : null };
}

function opened(task, data) {
  const { judged, undoable } = data;
  const answers = task.answers ?? {};
  return { phase: "open", judged, undoable, next: data.next, ...task, answers };
}

// An action that is about another pair than the open one changes nothing.
function after(view, action) {
  const { token } = action.do === "undo" ? (view.undoable ?? {}) : view;
  if (view.phase !== "open" || action.token !== token) return view;
  switch (action.do) {
    case "uncover": {
      const shown = view.items[action.what];
      return shown.state === "covered" ? withItem(view, action.what, { state: "coming" }) : view;
    }
    case "broken":
      return withItem(view, action.what, { state: "broken" });
    case "answer":
    case "draft":
      return { ...view, answers: { ...view.answers, ...action.values } };
    case "decide":
      return left(view, { kind: "verdict", token: action.token }, 1);
    case "skip":
      return left(view, { kind: "skip", token: action.token }, 0);
    case "stop":
      return { ...view, phase: "waiting", why: "stop" };
    case "leave_out":
      return { ...view, phase: "waiting", why: "next" };
    default:
      return { ...view, phase: "waiting", why: action.do };
  }
}

function withItem(view, what, changed) {
  return { ...view, items: { ...view.items, [what]: { ...view.items[what], ...changed } } };
}

// The pair after this one, covered; its token and category were announced.
function left(view, undoable, judged) {
  const base = { ...view, undoable, judged: view.judged + judged, next: null };
  if (!view.next) return { ...base, phase: "waiting", why: "next" };
  return { ...base, ...view.next, answers: {} };
}

function questionOf(view, data) {
  const { answers } = view;
  if (answers.choice === "fix") return { name: "fix", text: "How should it read?", options: [] };
  const failed = answers.safe_is_safe === "no" || answers.unsafe_is_unsafe === "no";
  const open = failed ? null : data.questions.find(({ name }) => answers[name] == null);
  if (!open) return { ...data.choice, options: choices(data.choice.options, failed) };
  if (open.name !== "category") return open;
  const others = data.categories.filter(({ value }) => value !== view.category);
  // The side that says its category may be out of sight.
  const here = open.options.map((option) => ({ ...option, label: `${option.label}: ${view.category}` }));
  return { ...open, about: view.category, options: [...here, ...others] };
}

function choices(options, failed) {
  return options.filter(({ value }) => !(failed && value === "accept"));
}

// Sides that the question is about and of which nothing was shown yet.
function unseen(view) {
  const seen = (side) =>
    ["text", "image"].some((kind) => view.items[`${side} ${kind}`].state === "shown");
  return (view.question.sides ?? []).filter((side) => !seen(side));
}

function isComing(view, side) {
  return ["text", "image"].some((kind) => view.items[`${side} ${kind}`].state === "coming");
}

function lastAnswered(view) {
  return ANSWERS.filter((name) => view.answers[name] != null).at(-1) ?? null;
}

// Sides whose caption can be edited: their text was shown.
function editable(view) {
  return SIDES.filter((side) => view.items[`${side} text`].state === "shown");
}

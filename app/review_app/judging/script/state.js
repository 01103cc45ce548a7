// What keys, clicks and the server's messages do to the state of the page. Nothing here touches the
// page itself: every function returns a new state.

const PAUSE_MS = 500;
const TOO_EARLY = "pressed before the text was shown";

function newState(client, kept) {
  return {
    client,
    epoch: kept?.epoch ?? 0,
    n: kept?.n ?? 0,
    pending: kept?.pending ?? [],
    data: null,
    early: null, // an answer pressed before the text it is about was shown
    typed: null, // text of fields that was not sent yet, and its pair: {token, values}
    lock: null, // keys were dropped: when the last key came
    said: "",
    alert: "",
    comment: null, // token of the pair whose comment is open
    guidelines: false,
    enlarged: null, // the image or caption that is shown as large as the window
    differences: false,
    leaving: null, // token of the pair whose category may be left out
  };
}

function received(state, data) {
  const acked = data.client === state.client ? data.acked : 0;
  let next = { ...state, data, pending: state.pending.filter(({ n }) => n > acked) };
  if (data.client === state.client && data.refused && data.refused.epoch === state.epoch) {
    const drafts = next.pending.filter((one) => one.do === "draft" && one.n !== data.refused.n);
    next = { ...next, pending: [], early: null, epoch: state.epoch + 1 };
    next = { ...next, alert: data.refused.message, lock: { last: performance.now() } };
    next = drafted(next, drafts);
  }
  const view = viewOf(next);
  for (const name of ["early", "typed"]) {
    if (next[name] && next[name].token !== view.token) next = { ...next, [name]: null };
  }
  return takeEarly(next);
}

// Text outlives the refusal of something before it: the field still shows it.
function drafted(state, drafts) {
  const view = viewOf(state);
  const mine = drafts.filter(({ token }) => view.phase === "open" && token === view.token);
  if (mine.length === 0) return state;
  const values = Object.assign({}, ...mine.map((one) => one.values));
  return { ...act(state, view, { do: "draft", values }), alert: state.alert };
}

function takeEarly(state) {
  const { early } = state;
  const view = viewOf(state);
  if (!early || view.phase !== "open") return state;
  if (view.question.name !== early.name) return { ...state, early: null };
  const missing = unseen(view);
  if (missing.length === 0) {
    const done = answered({ ...state, early: null }, view, early.name, early.value);
    return { ...done, said: `${early.label}: ${TOO_EARLY}` };
  }
  return missing.every((side) => isComing(view, side)) ? state : { ...state, early: null };
}

function act(state, view, action) {
  const n = state.n + 1;
  return { ...state, n, pending: [...state.pending, { n, token: view.token, ...action }], alert: "" };
}

function answered(state, view, name, value) {
  return act(state, view, { do: "answer", values: { [name]: value } });
}

// Text that was typed and not sent yet goes before whatever comes next.
function flushed(state) {
  if (!state.typed) return state;
  const view = viewOf(state);
  const isHere = view.phase === "open" && view.token === state.typed.token;
  const next = { ...state, typed: null };
  return isHere ? act(next, view, { do: "draft", values: state.typed.values }) : next;
}

function typing(state, token, name, value) {
  return { ...state, typed: { token, values: { ...state.typed?.values, [name]: value } } };
}

// Do what a command says: `{state, focus}`, or `{refusal}` where it does not fit what is shown.
function command(before, name) {
  const state = flushed(before);
  const view = viewOf(state);
  if (name === "guidelines") {
    if (!state.data.guidelines) return { refusal: "This review has no guidelines." };
    return { state: { ...state, guidelines: !state.guidelines } };
  }
  if (view.phase !== "open") return { refusal: "The next pair is not here yet." };
  if (name in view.items) return uncover(state, view, name);
  const option = view.question.options.find((one) => one.command === name);
  if (option) return choose(state, view, option);
  return (OTHERS[name] ?? unknown)(state, view);
}

const OTHERS = {
  back,
  skip: (state, view) => ({ state: act(closed(state), view, { do: "skip" }) }),
  stop: (state, view) => ({ state: act(closed(state), view, { do: "stop" }) }),
  undo: (state, view) =>
    view.undoable
      ? { state: act(closed(state), { token: view.undoable.token }, { do: "undo" }) }
      : { refusal: "There is nothing to undo." },
  comment: (state, view) => ({ state: { ...state, comment: view.token }, focus: "comment" }),
  differences: (state, view) => ({ state: compared(state, view, !state.differences) }),
  ask_lead: (state, view) => ({
    state: answered(state, view, "ask_lead", view.answers.ask_lead ? null : true),
  }),
  save: (state, view) =>
    view.question.name === "fix" ? decide(state, view, "fix") : unknown(state, view),
  leave_out: (state, view) => ({ state: { ...state, leaving: view.token }, focus: "leave_out_now" }),
  stay: (state) => ({ state: { ...state, leaving: null }, focus: "leave_out" }),
  leave_out_now: (state, view) =>
    state.leaving === view.token
      ? { state: act(closed(state), view, { do: "leave_out", category: view.category }) }
      : unknown(state, view),
};

function unknown() {
  return { refusal: "This key answers no question that is shown." };
}

function compared(state, view, isOn) {
  const [one, other] = SIDES.map((side) => view.items[`${side} text`].text);
  const isShown = one !== undefined && other !== undefined;
  const marked = one === other ? "The two texts are the same." : "Words that differ are marked.";
  const said = isShown ? marked : "Differences are marked once both texts are shown.";
  return { ...state, differences: isOn, said: isOn ? said : "" };
}

function closed(state) {
  return { ...state, early: null, comment: null, leaving: null, enlarged: null, said: "" };
}

function uncover(state, view, what) {
  const item = view.items[what].state;
  if (item === "covered") return { state: act(state, view, { do: "uncover", what }) };
  if (item === "shown") {
    return { state: { ...state, enlarged: state.enlarged === what ? null : what } };
  }
  if (item === "coming") return { state };
  if (item === "unknown") return { refusal: "The pair is not here yet." };
  return { refusal: item === "broken" ? `The ${what} cannot be shown.` : `There is no ${what}.` };
}

function choose(state, view, option) {
  const { name } = view.question;
  if (name === "choice" && option.value === "fix") {
    return { state: answered(state, view, "choice", "fix"), focus: "fix" };
  }
  if (name === "choice") return decide(state, view, option.value);
  const missing = unseen(view);
  if (missing.length === 0) {
    return { state: answered({ ...state, early: null, said: "" }, view, name, option.value) };
  }
  if (missing.every((side) => isComing(view, side))) {
    const early = { token: view.token, name, value: option.value, label: option.label };
    return { state: { ...state, early, said: `${option.label}: kept until the text is shown` } };
  }
  return { refusal: `Look at the ${missing.join(" and the ")} side first, or skip the pair.` };
}

// All that the page shows goes along, so that the verdict is what was seen when it was given.
function decide(state, view, choice) {
  const shown = [...ANSWERS, "ask_lead", ...FIELDS].map((name) => [name, view.answers[name] ?? null]);
  const values = Object.fromEntries(shown);
  if (choice !== "fix") Object.assign(values, { safe_caption: null, unsafe_caption: null });
  return { state: act(closed(state), view, { do: "decide", choice, values }) };
}

function back(state, view) {
  if (state.early) return { state: { ...state, early: null, said: "" } };
  if (view.question.name === "fix") return { state: answered(state, view, "choice", null) };
  const last = lastAnswered(view);
  if (!last) return { refusal: "This is the first question." };
  return { state: answered({ ...state, said: "" }, view, last, null) };
}

// A key was pressed at `when`. What it answers must have been on the screen by then.
// `shown` says since when the pair, the question and the items above it can be seen.
function pressed(state, key, when, shown) {
  if (isLocked(state, when)) return dropped(state, when, "");
  const free = { ...state, lock: null };
  const names = key.name && !state.data.keys_off ? (state.data.keys[key.name] ?? []) : [];
  const over = state.guidelines ? "guidelines" : state.enlarged; // lies over the question
  const name = over ? names.find((one) => one === over) : fitting(free, names);
  if (!name) {
    const isNothing = names.length === 0 && !key.isCharacter;
    return isNothing ? { state: free } : dropped(free, when, whyNot(state, names));
  }
  if (!over && when < shown.items + PAUSE_MS && viewOf(free).items?.[name]?.state === "shown") {
    return { state: free }; // meant to show it, and not to enlarge what had just come
  }
  const isAnswer = isOption(viewOf(free), name) || name === "back";
  if (when < (isAnswer ? shown.question : shown.pair)) {
    return dropped(free, when, "The key came before its question was shown.");
  }
  const result = command(free, name);
  if (result.refusal) return dropped(free, when, result.refusal);
  const isEarly = isOption(viewOf(free), name) && when < shown.items && !result.state.early;
  return isEarly ? { ...result, state: { ...result.state, said: TOO_EARLY } } : result;
}

function whyNot(state, names) {
  if (state.data.keys_off) return "";
  return names.length ? "This key answers no question that is shown." : "This key does nothing here.";
}

// Two questions that never follow each other may share a key: the one that is shown counts.
function fitting(state, names) {
  const view = viewOf(state);
  if (view.phase !== "open") return names[0];
  const isShown = (name) => isOption(view, name);
  if (isWithoutField(view) && !names.some((name) => name in view.items || name === "back")) {
    return null; // what is typed is meant for a field that is not there yet
  }
  return names.find(isShown) ?? names.find((name) => name in view.items || name in OTHERS || name === "guidelines");
}

function isFix(state) {
  const view = viewOf(state);
  return view.phase === "open" && view.question.name === "fix";
}

function isOption(view, name) {
  return view.phase === "open" && view.question.options.some(({ command }) => command === name);
}

function isWithoutField(view) {
  return view.question.name === "fix" && editable(view).length === 0;
}

function dropped(state, when, why) {
  if (state.data.keys_off) return { state };
  const said = why || state.said;
  return { state: { ...state, said, lock: { last: Math.max(when, state.lock?.last ?? 0) } } };
}

function isLocked(state, when) {
  return state.lock !== null && !(when - state.lock.last >= PAUSE_MS && isSettled(state));
}

function isSettled(state) {
  return state.pending.length === 0 && viewOf(state).phase === "open";
}

// The lock is over by itself once nobody types and the page has come to rest.
function rested(state, when) {
  return state.lock && !isLocked(state, when) ? { ...state, lock: null, said: "" } : state;
}

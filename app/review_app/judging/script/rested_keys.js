// Keys of the pages around the pairs. They press a button only after a rest: what is typed on the
// judging page, as a break begins, must not take verdicts back.

const REST_MS = 1500;
const waiting = new Map(); // one for each mounted component, by its element

export default function ({ data, parentElement }) {
  waiting.get(parentElement)?.();
  const buttons = data.buttons;
  let quietSince = performance.now();
  const onKey = (event) => {
    if (event.key === "Shift") return; // of a key that comes with it
    const rested = performance.now() - quietSince >= REST_MS;
    quietSince = performance.now();
    const name = event.key === "Enter" && !event.shiftKey ? "Enter" : keyName(event);
    const button = buttons[name];
    if (!button || !rested || event.repeat || !isOurs(event)) return;
    if (name === "Enter" && targetOf(event).closest("button, a, summary")) return;
    document.querySelector(`.st-key-${button} button:not(:disabled)`)?.click();
  };
  window.addEventListener("keydown", onKey, true);
  const close = () => {
    window.removeEventListener("keydown", onKey, true);
    waiting.delete(parentElement);
  };
  waiting.set(parentElement, close);
  return close;
}

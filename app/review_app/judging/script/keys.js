// Which key was pressed: a name as in `nsfwcaps/review/people/keys.py`, such as "S", "Shift+S", "7".

const TYPED = "input, textarea, select, [contenteditable]";
const CHOSEN = "[role=dialog], [role=menu], [role=listbox], [role=combobox]";

// Keys of people who write, choose from a list or use the browser's own shortcuts are not ours.
function isOurs(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.getModifierState("AltGraph")) {
    return false;
  }
  if (event.isComposing || event.keyCode === 229) return false;
  return !isTyped(event) && !targetOf(event).closest(`[contenteditable], ${CHOSEN}`);
}

function isTyped(event) {
  const target = targetOf(event);
  return target.matches(TYPED) && !target.matches("[type=checkbox], [type=radio]");
}

function targetOf(event) {
  const target = event.composedPath()[0];
  return target instanceof Element ? target : document.body;
}

// Digits by their place: some layouts need Shift for them, others write their own digits. Letters
// as they are written on the key, which is their place where the layout has no Latin ones.
function keyName(event) {
  const digit = /^(?:Digit|Numpad)([0-9])$/.exec(event.code);
  if (digit && (event.code.startsWith("Digit") || event.key.length === 1)) return digit[1];
  if (/^[0-9]$/.test(event.key)) return event.key;
  const letter = /^[a-z]$/i.test(event.key) ? event.key : placeOf(event);
  if (!letter) return null;
  return `${event.shiftKey ? "Shift+" : ""}${letter.toUpperCase()}`;
}

function placeOf(event) {
  const place = /^Key([A-Z])$/.exec(event.code);
  return place && event.key.length === 1 && event.key > "\x7f" ? place[1] : null;
}

// What would be typed into a field, if there were one with the focus.
function isCharacter(event) {
  return event.key === "Dead" || ([...event.key].length === 1 && event.key !== " ");
}

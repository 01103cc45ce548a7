// How much room the window leaves: style.css shapes the page by it.

const BELOW = 8; // pixels between the page and the lower edge of the window

// Measure now and whenever the window, the sidebar or the bar of questions changes.
function keepFitting(page) {
  const watch = new ResizeObserver(() => fit(page));
  const scroller = scrollerOf(page.root);
  for (const watched of [scroller, page.parts.bar]) watch.observe(watched);
  return () => watch.disconnect();
}

function fit(page) {
  const { root, parts } = page;
  const scroller = scrollerOf(root);
  const seen = scroller.clientHeight;
  const from = scroller.getBoundingClientRect().top - scroller.scrollTop;
  const bar = parts.bar.offsetHeight;
  set(root, "--room", seen - (root.getBoundingClientRect().top - from) - BELOW);
  set(root, "--free", seen - (parts.sides.getBoundingClientRect().top - from) - bar);
  set(root, "--bar", bar);
  for (const caption of parts.sides.querySelectorAll(".caption")) reachable(caption);
}

function set(root, name, pixels) {
  const value = `${Math.max(0, Math.floor(pixels))}px`;
  if (root.style.getPropertyValue(name) !== value) root.style.setProperty(name, value);
}

// What scrolls must be in reach of the keyboard.
function reachable(caption) {
  const scrolls = caption.scrollHeight > caption.clientHeight + 1;
  if (scrolls) caption.tabIndex = 0;
  else caption.removeAttribute("tabindex");
}

function scrollerOf(root) {
  let at = root.getRootNode().host ?? root.parentElement;
  while (at && !/auto|scroll/.test(getComputedStyle(at).overflowY)) at = at.parentElement;
  return at ?? document.scrollingElement;
}

// A new pair begins at its top.
function toTop(page) {
  const scroller = scrollerOf(page.root);
  if (scroller.scrollTop > 0) scroller.scrollTop = 0;
}

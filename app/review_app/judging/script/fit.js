// How much room the window leaves: style.css shapes the page by it.

const BELOW = 8; // pixels between the page and the lower edge of the window

const USUAL_LINES = 9; // of a caption on a phone; such captions are not cut

// Measure now and whenever the window, the sidebar, the bar of questions or a font changes.
function keepFitting(page) {
  const again = () => fit(page);
  const watch = new ResizeObserver(again);
  const scroller = scrollerOf(page.root);
  for (const watched of [scroller, page.parts.bar]) watch.observe(watched);
  document.fonts.addEventListener("loadingdone", again); // text in another font has another height
  return () => {
    watch.disconnect();
    document.fonts.removeEventListener("loadingdone", again);
  };
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
  for (const words of parts.sides.querySelectorAll(".words")) cut(words);
}

function set(root, name, pixels) {
  const value = `${Math.max(0, Math.floor(pixels))}px`;
  if (root.style.getPropertyValue(name) !== value) root.style.setProperty(name, value);
}

// A caption that does not fit says so. It takes no more room than it needs.
function cut(words) {
  const [caption, more] = words.children;
  // Cut in any case: then less of it is enough, and more of the side fits into the window.
  words.toggleAttribute("data-long", caption.offsetHeight > USUAL_LINES * lineOf(caption));
  set(words, "--whole", caption.offsetHeight + 1);
  more.hidden = caption.offsetHeight <= words.clientHeight + 1;
}

function lineOf(caption) {
  return parseFloat(getComputedStyle(caption).lineHeight);
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

"use strict";
// Reveals one unsafe item, or covers it again. Nothing reveals several at once.
document.addEventListener("click", (event) => {
  const button = event.target.closest("button.cover");
  if (!button) return;
  const mask = button.parentElement;
  const shown = mask.querySelector(".uncovered");
  button.setAttribute("aria-expanded", String(!shown));
  button.querySelector(".do").textContent = shown ? "show" : "hide";
  if (shown) {
    shown.remove();
    return;
  }
  const uncovered = document.createElement("div");
  uncovered.className = "uncovered";
  uncovered.append(mask.querySelector("template").content.cloneNode(true));
  mask.append(uncovered);
});
// Opens what is folded before printing, and folds it again.
addEventListener("beforeprint", () => {
  for (const item of document.querySelectorAll("details:not([open])")) {
    item.open = true;
    item.dataset.printed = "";
  }
});
addEventListener("afterprint", () => {
  for (const item of document.querySelectorAll("details[data-printed]")) {
    item.open = false;
    delete item.dataset.printed;
  }
});

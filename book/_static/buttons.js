/* What the theme's buttons do. The policy of the pages (book/policy.py) lets no handler stand in a page, so it takes
their words out, and here is what they mean. */

const MEANINGS = {
  "window.print()": () => window.print(),
  "toggleFullScreen()": () => window.toggleFullScreen(), // the theme's own
};

document.querySelectorAll("[data-press]").forEach((button) => {
  button.addEventListener("click", MEANINGS[button.dataset.press]);
});

/* Point at a reference, or reach it with Tab, and a card shows where it leads: a figure, an equation, a source, a term,
or the record behind a number.

What lies on another page of the book is fetched when it is asked for, and kept; where that fails (a book opened as a
file, say) there is no card, and the link is still a link. The card stays while the pointer is on it, goes with Escape,
and has nothing in it that takes the focus. A finger follows the link, as ever.
*/

const SHOWN = "figure, div.math, div.citation, dt, tr[id]";
const REFERENCE = "a[href*='#']:not(.headerlink)";
const LEFT_OUT = ".headerlink, .legend, .backrefs, .copybtn, script";
const DELAY = { show: 250, hide: 200 }; // milliseconds

const article = document.querySelector("article.bd-article");
const pages = new Map();
let card, shown, timer;

function page(url) {
  if (url.pathname === location.pathname) return document;
  if (!pages.has(url.pathname)) {
    const text = fetch(url.pathname).then((answer) => (answer.ok ? answer.text() : ""));
    pages.set(url.pathname, text.then((html) => new DOMParser().parseFromString(html, "text/html")).catch(() => null));
  }
  return pages.get(url.pathname);
}

function copy(element, base) {
  const content = element.cloneNode(true);
  content.querySelectorAll(LEFT_OUT).forEach((part) => part.remove());
  content.querySelectorAll("a").forEach((link) => link.replaceWith(...link.childNodes));
  content.querySelectorAll("img").forEach((image) => (image.src = new URL(image.getAttribute("src"), base)));
  [content, ...content.querySelectorAll("[id]")].forEach((part) => part.removeAttribute("id"));
  content.removeAttribute("role"); // an item of a list, where there was one
  return content;
}

function named(hash) {
  try {
    return decodeURIComponent(hash.slice(1));
  } catch {
    return hash.slice(1); // a percent sign that codes nothing
  }
}

async function found(link) {
  const url = new URL(link.href);
  const there = url.origin === location.origin && (await page(url));
  const target = there && there.getElementById(named(url.hash))?.closest(SHOWN);
  if (!target || target.contains(link)) return [];
  if (target.matches("div.math") && there !== document && !window.MathJax?.typesetPromise) return [];
  const rest = target.matches("dt") ? [target.nextElementSibling] : [];
  return (target.cells ? [...target.cells] : [target, ...rest]).map((part) => copy(part, url));
}

function place(link) {
  const [here, line] = [article.getBoundingClientRect(), link.getClientRects()[0]];
  const room = window.innerHeight - line.bottom;
  const above = room < card.offsetHeight + 12 && line.top > room;
  const left = Math.min(line.left - here.left, here.width - card.offsetWidth);
  card.style.left = `${Math.max(0, left)}px`;
  card.style.top = `${above ? line.top - here.top - card.offsetHeight - 4 : line.bottom - here.top + 4}px`;
}

function hide() {
  clearTimeout(timer);
  card?.remove();
  shown?.removeAttribute("aria-describedby");
  card = shown = undefined;
}

function cell(part) {
  const box = document.createElement("div");
  box.append(...part.childNodes);
  return box;
}

async function show(link) {
  const content = await found(link);
  if (!content.length || !(link.matches(":hover") || link === document.activeElement)) return;
  hide();
  card = document.createElement("div");
  Object.assign(card, { className: "hover-card", id: "hover-card", role: "tooltip" });
  for (const part of content) card.append(part.matches("td, th") ? cell(part) : part);
  article.append(card);
  shown = link;
  link.setAttribute("aria-describedby", card.id);
  if (content[0].matches("div.math") && !content[0].querySelector("mjx-container")) await MathJax.typesetPromise([card]);
  await Promise.all([...card.querySelectorAll("img")].map((image) => image.decode().catch(() => {})));
  if (shown === link) place(link);
}

function later(action, wait) {
  clearTimeout(timer);
  timer = setTimeout(action, wait);
}

if (article) {
  article.addEventListener("pointerover", ({ target, pointerType }) => {
    const link = target.closest(REFERENCE);
    if (pointerType === "touch") return;
    if (target.closest(".hover-card") || (link && link === shown)) clearTimeout(timer);
    else if (link) later(() => show(link), DELAY.show);
    else later(hide, DELAY.hide);
  });
  article.addEventListener("pointerleave", () => later(hide, DELAY.hide));
  article.addEventListener("focusin", ({ target }) => {
    if (target.matches(REFERENCE) && target.matches(":focus-visible")) later(() => show(target), DELAY.show);
  });
  article.addEventListener("focusout", () => later(hide, DELAY.hide));
  document.addEventListener("keydown", ({ key }) => key === "Escape" && hide());
}

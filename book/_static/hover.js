/* What a reference leads to, in a card beside it: a figure, an equation, an entry of the bibliography.

A target on another page is fetched from there, once, when a reader stays on its link. Escape puts the card away. */
{
  const [STAY, LEAVE] = [250, 200]; // ms
  const LINKS = '.bd-article a.reference.internal[href*="#"]';
  const card = Object.assign(document.createElement("div"), { id: "hover-card", className: "hover-card", hidden: true });
  card.setAttribute("role", "tooltip");
  const pages = new Map([[location.pathname, document]]);
  let link = null; // the one that the card is for, or will be
  let timer;

  async function pageOf({ pathname, origin, protocol }) {
    if (origin !== location.origin || (protocol === "file:" && pathname !== location.pathname)) return null;
    if (!pages.has(pathname)) {
      const answer = await fetch(pathname).catch(() => null);
      if (!answer?.ok) return null;
      pages.set(pathname, new DOMParser().parseFromString(await answer.text(), "text/html"));
    }
    return pages.get(pathname);
  }

  /* A copy without ids and links, whose pictures are found from here; null where there is nothing to show. */
  async function copyOf(address) {
    const page = await pageOf(address);
    const target = page?.getElementById(decodeURIComponent(address.hash.slice(1)));
    if (!target?.matches("figure, .citation, div.math")) return null;
    const copy = target.cloneNode(true);
    copy.querySelectorAll(".headerlink, .files").forEach((part) => part.remove());
    for (const part of [copy, ...copy.querySelectorAll("*")])
      for (const name of ["id", "href", "tabindex", "role"]) if (part.localName !== "use") part.removeAttribute(name);
    for (const image of copy.querySelectorAll("img")) {
      image.src = new URL(image.getAttribute("src"), address).href;
      image.loading = "eager";
    }
    return copy;
  }

  function place() {
    const [at, box] = [link.getClientRects()[0], card.getBoundingClientRect()];
    const wide = document.documentElement.clientWidth;
    const above = at.bottom + box.height > innerHeight && at.top > box.height;
    card.style.left = `${scrollX + Math.max(8, Math.min(at.left, wide - box.width - 8))}px`;
    card.style.top = `${scrollY + (above ? at.top - box.height : at.bottom)}px`;
  }

  async function show(wanted) {
    const copy = await copyOf(new URL(wanted.href));
    const untypeset = copy && (copy.matches(".math") || copy.querySelector(".math")) && !copy.querySelector("mjx-container");
    if (!copy || wanted !== link || (untypeset && !window.MathJax?.typesetPromise)) return;
    card.replaceChildren(copy);
    card.hidden = false;
    if (untypeset) await MathJax.typesetPromise([card]);
    await Promise.all([...card.querySelectorAll("img")].map((image) => image.decode().catch(() => {})));
    if (wanted !== link) return;
    place();
    link.setAttribute("aria-describedby", card.id);
  }

  function hide() {
    clearTimeout(timer);
    link?.removeAttribute("aria-describedby");
    link = null;
    card.hidden = true;
  }

  function enter({ target, type }) {
    if (card.contains(target)) return clearTimeout(timer);
    const found = target.closest?.(LINKS);
    if (!found || (type === "focusin" && !found.matches(":focus-visible"))) return;
    clearTimeout(timer);
    if (found === link) return;
    timer = setTimeout(() => (hide(), (link = found), show(found)), STAY);
  }

  function leave({ target, relatedTarget }) {
    if (!card.contains(target) && !target.closest?.(LINKS)) return;
    if (card.contains(relatedTarget) || (link && link === document.activeElement)) return;
    clearTimeout(timer);
    timer = setTimeout(hide, LEAVE);
  }

  if (matchMedia("(hover: hover)").matches) {
    document.body.append(card);
    for (const name of ["pointerover", "focusin"]) document.addEventListener(name, enter);
    for (const name of ["pointerout", "focusout"]) document.addEventListener(name, leave);
    document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
  }
}

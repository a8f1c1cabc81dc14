/* A slider over pictures computed beforehand: it needs no kernel, no network and, to be read, no script.

<figure class="strip" data-label="kernel size" data-values="13 px|15 px|17 px" data-start="1" data-notes="24.1 dB|23.0 dB|22.2 dB">
  <img src="blurred.webp" alt="A face blurred by kernels of 13, 15 and 17 pixels" title="blurred">
  <img src="restored.webp" alt="The same face, restored from each" title="restored">
  <figcaption>…</figcaption>
</figure>

data-label   what the slider changes
data-values  its positions, separated by |; every <img> holds as many equally wide frames, side by side
data-start   the position shown first, counted from 0 (default: 0)
data-notes   optional: a few words per position, separated by |, shown and announced with the value; lines stay lines
img title    optional: a caption under that picture; img alt is required
data-scale   optional: screen pixels per pixel of the frame (default: 2)

All pictures of a figure move together. Without scripts the reader sees the whole strips. `src` may be a data: URI.

The book's pages load this file once. `umsn.pages.interactive.strip` also puts it beside its figure, so that the slider moves in
JupyterLab too (which would else take the arrow keys: data-lm-suppress-shortcuts); a figure that moves already is left
alone. What must hold everywhere is set here, the rest by book.css.
*/

const list = (text) => (text ?? "").split("|").map((part) => part.trim()).filter(Boolean);

function made(tag, name, style = {}) {
  const element = document.createElement(tag);
  element.className = name;
  Object.assign(element.style, style);
  return element;
}

function frame(image, count, scale) {
  const view = made("div", "strip-view", { overflow: "hidden", maxWidth: "100%" });
  const size = () => {
    view.style.width = `${(image.naturalWidth / count) * scale}px`;
    view.style.aspectRatio = `${image.naturalWidth / count} / ${image.naturalHeight}`;
  };
  image.replaceWith(view);
  view.append(image);
  Object.assign(image.style, { display: "block", maxWidth: "none", width: `${count * 100}%` });
  image.complete ? size() : image.addEventListener("load", size);
  if (!image.title) return view;
  const part = document.createElement("div");
  const caption = made("div", "strip-caption");
  caption.textContent = image.title;
  image.removeAttribute("title");
  part.append(view, caption);
  return part;
}

function enliven(figure) {
  const id = `strip-${document.querySelectorAll("figure.strip.is-live").length}`;
  const values = list(figure.dataset.values);
  const notes = list(figure.dataset.notes);
  const images = [...figure.querySelectorAll("img")];
  const row = made("div", "strip-row", { display: "flex", flexWrap: "wrap", gap: "0.75rem" });
  row.append(...images.map((image) => frame(image, values.length, Number(figure.dataset.scale ?? 2))));

  const control = made("div", "strip-control");
  control.innerHTML = `<label for="${id}"></label> <input id="${id}" type="range" min="0" step="1" data-lm-suppress-shortcuts>
    <output for="${id}" aria-live="polite" style="white-space: pre-line"></output>`;
  const [label, input, output] = control.children;
  label.textContent = figure.dataset.label;
  input.max = values.length - 1;
  input.value = figure.dataset.start ?? 0;

  const show = () => {
    const at = Number(input.value);
    for (const image of images) image.style.transform = `translateX(${(-100 * at) / values.length}%)`;
    output.textContent = notes[at] ? `${values[at]}: ${notes[at]}` : values[at];
    input.setAttribute("aria-valuetext", output.textContent);
  };
  input.addEventListener("input", show);
  figure.prepend(row, control);
  figure.classList.add("is-live");
  show();
}

document.querySelectorAll("figure.strip:not(.is-live)").forEach(enliven);

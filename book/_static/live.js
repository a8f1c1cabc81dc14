/* The live page (book/live.md): what the reader chooses goes to live-worker.js, what comes back is drawn.

Every result is also an event "live:result" of #live, whose detail holds the numbers behind the pictures.
*/

import { paced, rasterise } from "./live-blur.js";
import { photograph } from "./live-photo.js";

const element = (name) => document.getElementById(`live-${name}`);
const address = (path) => new URL(path, import.meta.url).href;
const root = document.getElementById("live");
const PIXELS = 4; // on the screen for one of the kernel

/* By the name of the button that starts it: who computes, and with which program. */
const RUNTIMES = {
  start: { provider: "wasm", runtime: "ort.wasm.min.js", program: "ort-wasm-simd-threaded" },
  "start-card": { provider: "webgpu", runtime: "ort.webgpu.min.js", program: "ort-wasm-simd-threaded.asyncify" },
};

const starters = Object.keys(RUNTIMES).map(element);

let manifest, kernels, worker, own;
let started; // when the button was pressed, or a control let go
let face = null; // {picture, blurred}: planar RGB with its margin, and whether it is blurred already
let path = null; // a kernel drawn by hand: [row, column] points
let busy = false;
let onCard = false; // whether the graphics card computes
let waiting = false; // something changed while the worker was busy
let sent = {}; // what the worker was asked, beside the picture
let loaded = () => {}; // called when the networks are there
let told = 0; // when the reader was last told how much is fetched

function say(words, bad = false) {
  element("status").textContent = words;
  element("status").classList.toggle("live-bad", bad);
}

async function read(file, how) {
  const answer = await fetch(address(`live/${file}`));
  if (!answer.ok) throw new Error(`${file} cannot be read (${answer.status})`);
  return answer[how]();
}

/* The pixels of a picture without transparency, planar in [0, 1]. */
function planar(image) {
  const { width, height } = image;
  const paper = Object.assign(document.createElement("canvas"), { width, height }).getContext("2d");
  paper.drawImage(image, 0, 0);
  const pixels = paper.getImageData(0, 0, width, height).data;
  const count = width * height;
  return Float32Array.from({ length: 3 * count }, (_, i) => pixels[4 * (i % count) + Math.floor(i / count)] / 255);
}

/* Draw side x side values in [0, 1]: value(pixel, colour). */
function paint(canvas, side, value) {
  [canvas.width, canvas.height] = [side, side];
  const paper = canvas.getContext("2d");
  const pixels = paper.createImageData(side, side);
  for (let i = 0; i < side * side; i++) {
    for (let colour = 0; colour < 3; colour++) pixels.data[4 * i + colour] = Math.round(255 * value(i, colour));
    pixels.data[4 * i + 3] = 255;
  }
  paper.putImageData(pixels, 0, 0);
}

function paintKernel(kernel, size) {
  const paper = element("kernel").getContext("2d");
  const most = kernel.reduce((a, b) => Math.max(a, b), 0);
  const border = (Math.max(...manifest.kernels.sizes) - size) / 2;
  paper.fillStyle = "#fff";
  paper.fillRect(0, 0, paper.canvas.width, paper.canvas.height);
  kernel.forEach((value, i) => {
    const grey = Math.round(255 * (1 - value / most));
    paper.fillStyle = `rgb(${grey} ${grey} ${grey})`;
    paper.fillRect((border + (i % size)) * PIXELS, (border + Math.floor(i / size)) * PIXELS, PIXELS, PIXELS);
  });
}

function kernelOf(size, shape) {
  if (path) return rasterise(paced(path, size), size);
  const { sizes, shapes } = manifest.kernels;
  const before = sizes.filter((other) => other < size).reduce((sum, other) => sum + shapes * other * other, 0);
  return kernels.slice(before + (shape - 1) * size * size, before + shape * size * size);
}

function label() {
  const words = { size: `${element("size").value} pixels`, shape: path ? "your own" : element("shape").value, noise: element("noise").value };
  for (const [name, value] of Object.entries(words)) {
    document.querySelector(`output[for=live-${name}]`).textContent = value;
    element(name).setAttribute("aria-valuetext", value);
  }
}

/* Ask the worker for what the controls say; while it works, only the last change waits. */
function ask() {
  label();
  waiting = busy;
  if (busy || !face) return;
  busy = true;
  started ??= performance.now();
  root.dataset.state = "running";
  say("Restoring …");
  const size = Number(element("size").value);
  const kernel = face.blurred ? null : kernelOf(size, Number(element("shape").value));
  if (kernel) paintKernel(kernel, size);
  root.classList.toggle("is-given", face.blurred); // blurred already: no kernel, no sharp picture
  element("shake").disabled = face.blurred;
  const sigma = Number(element("noise").value);
  worker.postMessage({ run: true, picture: face.picture, ...manifest.picture, kernel, size, sigma });
  sent = { kernel, size, sigma, path: path && paced(path, size) };
}

function choose(picture, blurred = false) {
  face = { picture, blurred };
  ask();
}

const decibel = (value) => `${value.toFixed(1)} dB`;

function show(result) {
  const { sharp, blurred, restored, masks, psnr } = result;
  const side = manifest.picture.side - 2 * manifest.picture.margin;
  const count = side * side;
  for (const [name, picture] of Object.entries({ sharp, before: blurred, after: restored, "wipe-before": blurred, "wipe-after": restored }))
    paint(element(name), side, (i, colour) => picture[colour * count + i]);
  const mask = (k, i) => masks[k * count + i];
  manifest.classes.forEach((_, k) => {
    paint(element(`mask-${k}`), side, (i) => mask(k, i));
    paint(element(`residual-${k}`), side, (i, colour) => {
      const at = colour * count + i;
      return Math.min(1, Math.max(0, 0.5 + 2 * mask(k, i) * (restored[at] - blurred[at])));
    });
  });
  element("before-psnr").textContent = psnr ? `, ${decibel(psnr.blurred)}` : "";
  element("after-psnr").textContent = psnr ? `, ${decibel(psnr.restored)}` : "";
  const seconds = (performance.now() - started) / 1000;
  started = undefined;
  const words = psnr
    ? `${decibel(psnr.blurred)} blurred, ${decibel(psnr.restored)} restored: ${psnr.restored < psnr.blurred ? "further from" : "nearer to"} the sharp face.`
    : "Restored. Without the sharp face there is no PSNR.";
  say(`${words} It took ${seconds.toFixed(1)} s.`);
  root.dataset.state = "ready";
  root.dispatchEvent(new CustomEvent("live:result", { detail: { ...result, ...sent, seconds } }));
}

function answered({ data }) {
  if (data.fetched && performance.now() - told > 1000) {
    told = performance.now();
    say(`Fetching the networks: ${Math.round(data.fetched / 1e6)} MB`);
  }
  if (data.prepares) say("Preparing the networks …");
  if (data.ready) loaded();
  if (data.done) {
    busy = false;
    show(data);
    if (waiting) ask();
  }
  if (data.failed) failed(data.failed);
}

function failed(words) {
  [busy, started] = [false, undefined];
  root.dataset.state = "failed";
  const advice = onCard ? " Without the GPU it may: load this page anew." : "";
  say(`That did not work: ${words}.${advice}`, true);
  if (!element("panel").hidden) return;
  worker?.terminate();
  for (const button of starters) button.disabled = false;
}

async function start({ provider, runtime, program }) {
  started = performance.now();
  onCard = provider === "webgpu";
  root.dataset.state = "loading";
  for (const button of starters) button.disabled = true;
  say("Fetching the networks …");
  try {
    worker = new Worker(address("live-worker.js"), { type: "module" });
    worker.addEventListener("message", answered);
    worker.addEventListener("error", (event) => failed(event.message || "the worker cannot be started"));
    const ready = new Promise((resolve) => (loaded = resolve));
    worker.postMessage({
      load: {
        model: address(`live/${manifest.model.file}`),
        provider,
        runtime: address(`vendor/${runtime}`),
        loader: address(`vendor/${program}.js`),
        wasm: address(`vendor/${program}.wasm`),
      },
    });
    const [numbers, ...faces] = await Promise.all([
      read(manifest.kernels.file, "arrayBuffer"),
      ...manifest.faces.map(({ file }) => read(file, "blob")),
      ready,
    ]);
    kernels = new Float32Array(numbers);
    await open(faces.slice(0, -1));
  } catch (error) {
    failed(error.message);
  }
}

/* The panel, with a choice for each face; the first is deblurred at once. */
async function open(blobs) {
  for (const [i, { title }] of manifest.faces.entries()) {
    const picture = planar(await createImageBitmap(blobs[i], { colorSpaceConversion: "none" }));
    const input = choice(title, address(`live/${manifest.faces[i].file}`));
    input.addEventListener("change", () => choose(picture));
  }
  for (const [k, name] of manifest.classes.entries()) {
    for (const [list, kind, words] of [["masks", "mask", "mask of"], ["residuals", "residual", "added to"]]) {
      const figure = document.createElement("figure");
      figure.innerHTML = `<canvas id="live-${kind}-${k}" role="img" aria-label="${words} ${name}"></canvas><figcaption>${name}</figcaption>`;
      element(list).append(figure);
    }
  }
  own = photograph({ ...manifest.picture, say, changed: chooseOwn });
  for (const button of starters) button.hidden = true;
  element("panel").hidden = false;
  const first = element("faces").querySelector("input");
  first.focus({ preventScroll: true });
  first.click();
}

/* A radio button among the faces, with a picture where there is one. */
function choice(title, picture) {
  const line = document.createElement("label");
  line.innerHTML = `<input type="radio" name="live-face">${picture ? `<img src="${picture}" alt="" width="64" height="64">` : ""}<span></span>`;
  line.querySelector("span").textContent = title;
  element("faces").querySelector(".live-choices").append(line);
  line.querySelector("input").addEventListener("change", () => own?.(false));
  return line.querySelector("input");
}

let ownChoice; // the radio button of the reader's photograph, once there is one
function chooseOwn(picture, blurred) {
  if (!ownChoice) {
    ownChoice = choice("your photograph");
    ownChoice.addEventListener("change", () => own(true));
  }
  ownChoice.checked = true;
  choose(picture, blurred);
}

/* A line drawn over the kernel, by pointer or by arrow keys, becomes the kernel. */
function drawing() {
  const pad = element("kernel");
  const paper = pad.getContext("2d");
  let points = null;
  const begin = (point) => {
    points = [point];
    paper.fillStyle = "#fff";
    paper.fillRect(0, 0, pad.width, pad.height);
    [paper.strokeStyle, paper.lineWidth, paper.lineJoin] = ["#0072b2", PIXELS, "round"];
  };
  const lead = (point) => {
    const [row, column] = points.at(-1);
    points.push(point);
    paper.beginPath();
    paper.moveTo(column, row);
    paper.lineTo(...point.toReversed());
    paper.stroke();
  };
  const end = () => {
    if (!points) return;
    const [rows, columns] = [0, 1].map((axis) => points.map((at) => at[axis]));
    const extent = Math.max(Math.max(...rows) - Math.min(...rows), Math.max(...columns) - Math.min(...columns));
    if (extent >= 2 * PIXELS) path = points;
    points = null;
    ask();
  };
  const point = (event) => {
    const box = pad.getBoundingClientRect();
    return [((event.clientY - box.top) / box.height) * pad.height, ((event.clientX - box.left) / box.width) * pad.width];
  };
  pad.addEventListener("pointerdown", (event) => {
    pad.setPointerCapture(event.pointerId);
    begin(point(event));
  });
  pad.addEventListener("pointermove", (event) => points && pad.hasPointerCapture(event.pointerId) && lead(point(event)));
  pad.addEventListener("pointerup", end);
  pad.addEventListener("pointercancel", () => (points = null));
  pad.addEventListener("blur", end);
  pad.addEventListener("keydown", (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (step) {
      if (!points) begin([pad.height / 2, pad.width / 2]);
      lead(points.at(-1).map((at, axis) => Math.min(pad.height, Math.max(0, at + PIXELS * step[axis]))));
      const [down, right] = points.at(-1).map((at) => (at - pad.height / 2) / PIXELS);
      say(`Pen ${Math.abs(right)} ${right < 0 ? "left" : "right"}, ${Math.abs(down)} ${down < 0 ? "up" : "down"} of the middle. Enter ends the line.`);
    } else if (event.key === "Enter" || event.key === " ") {
      end();
    } else if (event.key === "Escape" || event.key === "Delete") {
      [points, path] = [null, null];
      ask();
    } else return;
    event.preventDefault();
  });
}

async function offer() {
  try {
    manifest = await read("manifest.json", "json");
  } catch (error) {
    return say(`The networks of this page are not there: ${error.message}. \`doit live\` makes them.`, true);
  }
  element("shape").max = manifest.kernels.shapes;
  element("noise").value = manifest.sigma;
  element("start").hidden = false;
  for (const [button, what] of Object.entries(RUNTIMES)) element(button).addEventListener("click", () => start(what));
  element("shape").addEventListener("change", () => (path = null));
  for (const name of ["size", "shape", "noise"]) element(name).addEventListener("change", ask);
  const wipe = () => (element("wipe-before").style.clipPath = `inset(0 ${100 - element("wipe").value}% 0 0)`);
  element("wipe").addEventListener("input", wipe);
  wipe();
  drawing();
  const card = await navigator.gpu?.requestAdapter(); // one that the processor plays would be slower than the processor
  if (card && !card.info?.isFallbackAdapter && !root.dataset.state) element("start-card").hidden = false;
}

offer();

/* Blurs a face and runs S-Net and UMSN on it, beside the page, so that the page answers all the while.

in:   {load: {model, runtime, loader, wasm, provider}}            addresses, and who computes
      {run: true, picture, side, margin, kernel, size, sigma}    kernel null: the picture is blurred already
out:  {fetched: bytes} while loading, {prepares: true}, {ready: true}
      {done: true, sharp, blurred, restored, masks, psnr: {blurred, restored} or null}
      {failed: words}
*/

import { addNoise, blur, crop, psnr } from "./live-blur.js";

const NOISE = 1; // the seed: the same settings give the same picture
let ort;
let session;
let fetched = 0;

async function bytes(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address} cannot be read (${answer.status})`);
  const parts = [];
  for (const reader = answer.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    fetched += value.length;
    postMessage({ fetched });
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

async function load({ model, runtime, loader, wasm, provider }) {
  const [program, network, code] = await Promise.all([bytes(wasm), bytes(model), import(runtime)]);
  ort = code;
  ort.env.wasm.numThreads = 1; // more need headers that plain file servers do not send
  ort.env.wasm.wasmBinary = program;
  ort.env.wasm.wasmPaths = { mjs: loader };
  postMessage({ prepares: true });
  session = await ort.InferenceSession.create(network, { executionProviders: [provider] });
  postMessage({ ready: true });
}

async function run({ picture, side, margin, kernel, size, sigma }) {
  const sharp = crop(picture, side, margin);
  const blurred = kernel ? addNoise(blur(picture, side, margin, kernel, size), sigma, NOISE) : sharp;
  const inner = side - 2 * margin;
  const found = await session.run({ blurred: new ort.Tensor("float32", blurred, [1, 3, inner, inner]) });
  const [restored, masks] = [found.restored.data, found.masks.data];
  const scores = kernel ? { blurred: psnr(blurred, sharp), restored: psnr(restored, sharp) } : null;
  postMessage({ done: true, sharp, blurred, restored, masks, psnr: scores });
}

// One after the other: a session runs one picture at a time.
let queue = Promise.resolve();
addEventListener("message", ({ data }) => {
  queue = queue
    .then(() => (data.load ? load(data.load) : run(data)))
    .catch((error) => postMessage({ failed: String(error?.message ?? error) }));
});

/* A photograph of the reader's own, by file, drop or camera, and the square that frames the face in it. */

const element = (name) => document.getElementById(`live-${name}`);
const LARGEST = 480; // pixels of the photograph as shown

/* `side` and `margin` as in manifest.json; `changed(picture, blurred)` gets the framed face, planar RGB in [0, 1], and
   whether it is blurred already; `say(words, bad)` tells the reader. */
export function photograph({ side, margin, changed, say }) {
  const inner = side - 2 * margin;
  const view = element("photo");
  const [across, down, size] = [element("across"), element("down"), element("side")];
  const video = element("video").querySelector("video");
  let image = null;

  const frame = () => {
    const edge = (Math.min(image.width, image.height) * size.value) / 100;
    return { x: ((image.width - edge) * across.value) / 100, y: ((image.height - edge) * down.value) / 100, edge };
  };

  function show() {
    const scale = Math.min(1, LARGEST / Math.max(image.width, image.height));
    view.width = Math.max(1, Math.round(image.width * scale));
    view.height = Math.max(1, Math.round(image.height * scale));
    const { x, y, edge } = frame();
    const paper = view.getContext("2d");
    paper.drawImage(image, 0, 0, view.width, view.height);
    for (const [colour, width] of [["#000", 4], ["#fff", 2]]) {
      paper.strokeStyle = colour;
      paper.lineWidth = width;
      paper.strokeRect(x * scale, y * scale, edge * scale, edge * scale);
      paper.beginPath();
      paper.moveTo(x * scale, (y + edge * 0.37) * scale);
      paper.lineTo((x + edge) * scale, (y + edge * 0.37) * scale);
      paper.stroke();
    }
  }

  /* The frame and its margin at the networks' scale; beyond its edge the photograph goes on mirrored. */
  function cut() {
    const { x, y, edge } = frame();
    const scale = inner / edge;
    const paper = Object.assign(document.createElement("canvas"), { width: side, height: side }).getContext("2d");
    paper.imageSmoothingQuality = "high";
    const [left, top] = [margin - x * scale, margin - y * scale];
    paper.drawImage(image, left, top, image.width * scale, image.height * scale);
    const pixels = paper.getImageData(0, 0, side, side).data;
    const within = (start, length) => [Math.max(0, Math.ceil(start - 1e-6)), Math.min(side, Math.floor(start + length + 1e-6))];
    const [columns, rows] = [within(left, image.width * scale), within(top, image.height * scale)];
    const mirrored = (i, [first, end]) => (i < first ? 2 * first - i : i >= end ? 2 * end - 2 - i : i);
    const picture = new Float32Array(3 * side * side);
    for (let row = 0; row < side; row++)
      for (let column = 0; column < side; column++) {
        const at = 4 * (mirrored(row, rows) * side + mirrored(column, columns));
        for (let colour = 0; colour < 3; colour++)
          picture[(colour * side + row) * side + column] = pixels[at + colour] / 255;
      }
    return picture;
  }

  const tell = () => image && changed(cut(), element("blurred").checked);

  async function take(source) {
    try {
      image = await createImageBitmap(source);
    } catch {
      return say("This file is no image that the browser can read. JPEG, PNG or WebP were expected.", true);
    }
    [across.value, down.value, size.value] = [50, 50, 100];
    element("own").hidden = false;
    show();
    tell();
  }

  element("file").addEventListener("change", ({ target }) => {
    if (target.files[0]) take(target.files[0]);
    target.value = ""; // so that the same file can be chosen again
  });

  const panel = element("panel");
  panel.addEventListener("dragover", (event) => event.preventDefault());
  panel.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
  });

  const close = () => {
    video.srcObject?.getTracks().forEach((track) => track.stop());
    video.srcObject = null;
    element("video").hidden = true;
  };
  element("camera").hidden = !navigator.mediaDevices?.getUserMedia;
  element("camera").addEventListener("click", async () => {
    try {
      video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user" } });
      element("video").hidden = false;
      await video.play();
    } catch {
      close();
      say("The camera cannot be used: there is none, or it was not allowed.", true);
    }
  });
  element("close").addEventListener("click", close);
  element("shoot").addEventListener("click", async () => {
    await take(video);
    close();
  });

  for (const slider of [across, down, size]) {
    slider.addEventListener("input", show);
    slider.addEventListener("change", tell);
  }
  element("blurred").addEventListener("change", tell);

  let held = null; // where in the square the pointer took hold of it
  const pointed = (event) => {
    const box = view.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * image.width, ((event.clientY - box.top) / box.height) * image.height];
  };
  view.addEventListener("pointerdown", (event) => {
    const [x, y] = pointed(event);
    held = [x - frame().x, y - frame().y];
    view.setPointerCapture(event.pointerId);
  });
  view.addEventListener("pointermove", (event) => {
    if (!held) return;
    const [x, y] = pointed(event);
    const { edge } = frame();
    across.value = (100 * (x - held[0])) / Math.max(1, image.width - edge);
    down.value = (100 * (y - held[1])) / Math.max(1, image.height - edge);
    show();
  });
  for (const end of ["pointerup", "pointercancel"])
    view.addEventListener(end, () => {
      if (held) tell();
      held = null;
    });

  /* Show or hide the frame; shown again, its face is told again. */
  return (shown) => {
    element("own").hidden = !shown || !image;
    if (shown) tell();
  };
}

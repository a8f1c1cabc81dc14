/* The blur of umsn.data.blur, in the page. Pictures are planar RGB, Float32Array(3 x side x side) in [0, 1], row by row. */

/* The time a path spends on each pixel of a size x size kernel, as umsn.data.blur.rasterise has it: points [row, column] in
   pixels, the middle of their bounding box in the middle of the kernel; what lies outside is lost, the sum is 1. */
export function rasterise(points, size) {
  const reach = (size - 1) / 2;
  const middle = [0, 1].map((axis) => {
    const values = points.map((point) => point[axis]);
    return (Math.min(...values) + Math.max(...values)) / 2;
  });
  const kernel = new Float64Array(size * size);
  for (const point of points) {
    const [row, column] = point.map((value, axis) => value - middle[axis] + reach);
    if (Math.min(row, column) < 0 || Math.max(row, column) > 2 * reach) continue;
    const [top, left] = [Math.floor(row), Math.floor(column)];
    for (const [r, rows] of [[top, 1 - (row - top)], [top + 1, row - top]])
      for (const [c, columns] of [[left, 1 - (column - left)], [left + 1, column - left]])
        if (r < size && c < size) kernel[r * size + c] += rows * columns;
  }
  const sum = kernel.reduce((total, value) => total + value, 0);
  return Float32Array.from(kernel, (value) => value / sum);
}

/* A line drawn by hand as a path of constant speed that fills a size x size kernel: points [row, column] in any unit,
   at least two that differ -> `steps` points in pixels. */
export function paced(points, size, steps = 2000) {
  const spans = [0, 1].map((axis) => {
    const values = points.map((point) => point[axis]);
    return Math.max(...values) - Math.min(...values);
  });
  const scale = ((size - 1) / Math.max(...spans)) * (1 - 1e-6); // rounding may not push its ends out of the kernel
  const along = [0];
  for (let i = 1; i < points.length; i++)
    along.push(along[i - 1] + Math.hypot(points[i][0] - points[i - 1][0], points[i][1] - points[i - 1][1]));
  const path = [];
  for (let step = 0, i = 1; step < steps; step++) {
    const at = (along.at(-1) * step) / (steps - 1);
    while (i < points.length - 1 && along[i] < at) i++;
    const share = along[i] > along[i - 1] ? Math.min(1, (at - along[i - 1]) / (along[i] - along[i - 1])) : 0;
    path.push([0, 1].map((axis) => scale * (points[i - 1][axis] + share * (points[i][axis] - points[i - 1][axis]))));
  }
  return path;
}

/* k * x where the picture's margin leaves no border: side x side -> (side - 2 margin) x (side - 2 margin). */
export function blur(picture, side, margin, kernel, size) {
  const inner = side - 2 * margin;
  const half = (size - 1) / 2;
  const sums = new Float64Array(3 * inner * inner);
  for (let tap = 0; tap < kernel.length; tap++) {
    const weight = kernel[tap];
    if (weight === 0) continue;
    const down = margin + half - Math.floor(tap / size);
    const right = margin + half - (tap % size);
    for (let colour = 0; colour < 3; colour++)
      for (let row = 0; row < inner; row++) {
        const from = (colour * side + row + down) * side + right;
        const to = (colour * inner + row) * inner;
        for (let column = 0; column < inner; column++) sums[to + column] += weight * picture[from + column];
      }
  }
  return Float32Array.from(sums);
}

/* The picture without its margin. */
export function crop(picture, side, margin) {
  return blur(picture, side, margin, [1], 1);
}

/* Gaussian noise of standard deviation sigma, clipped to [0, 1]; the same seed gives the same noise. */
export function addNoise(picture, sigma, seed) {
  let state = seed >>> 0;
  const uniform = () => {
    // a Weyl sequence through MurmurHash3's last step
    state = (state + 0x9e3779b9) >>> 0;
    let z = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return ((z ^ (z >>> 16)) >>> 0) / 2 ** 32;
  };
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  return picture.map((value) => Math.min(1, Math.max(0, value + (sigma ? sigma * normal() : 0))));
}

/* Peak signal-to-noise ratio in dB (umsn.evaluation.metrics.psnr). */
export function psnr(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) ** 2;
  return -10 * Math.log10(sum / a.length);
}

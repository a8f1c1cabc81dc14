"""`umsn evaluate`: methods on blurred faces."""

from __future__ import annotations

import argparse

from umsn.cli.options import Add, add_fast, add_layout, add_seed, add_weights, bar, decimal, number, place

ABOUT = "measure methods on blurred faces", "umsn evaluate --method blurred,umsn --faces 100 --json rows.json"


def add_options(add: Add) -> None:
    add(
        "--method",
        default="umsn",
        help="blurred, cho, krishnan, pan, shan, xu, zhong, bnet, maps, nrl, umsn or, with --weights, kupyn, nah, "
        "shen, shen-gan, song; several with commas, or all that can run (default: umsn)",
    )
    add("--faces", default="20", metavar="FOLDER|N", help="a folder of sharp faces, or a number of synthetic ones (20)")
    add_layout(add)
    add("--window", metavar="R,C,H,W", help="part of each image that is measured: row, column, height, width")
    add("--sizes", default="13:27:2", help="kernel sizes, FIRST:LAST:STEP or A,B,C (default: 13:27:2)")
    add("--kernels", type=number(1, 1000), default=10, metavar="N", help="kernels of each size (default: 10)")
    add("--centre", default="box", help="where a kernel has its middle: its path's box, or its mass (default: box)")
    add(
        "--noise",
        type=decimal(0, 1),
        default=0.01,
        metavar="SIGMA",
        help="standard deviation, of [0, 1] (default: 0.01)",
    )
    add("--shifted", action="store_true", help="also PSNR under the best shift within 5 pixels")
    add(
        "--descriptor",
        type=place,
        metavar="FILE",
        help="also the distance to the sharp face in this network: ONNX, or face-api's folder (make recogniser)",
    )
    add_seed(add, "of kernels, noise and synthetic faces")
    add_weights(add, folder=True)
    add_fast(add)
    add("--device", default="auto", help="cpu, cuda, or auto (default)")
    add("--json", type=place, metavar="FILE", help="write all rows, their means and where they come from")


def run(options: argparse.Namespace) -> None:
    from umsn import processes
    from umsn.experiments import evaluate
    from umsn.files import check_place, is_record, write_json
    from umsn.recognition import judge

    if options.json:
        check_place(options.json, ours=is_record)
    descriptor = judge(options.descriptor) if options.descriptor else None
    with processes.joined(processes.device_called(options.device)) as device:
        first = processes.first()
        if first:
            print(f"{'method':10}{'measure':18}{'mean':>10}   95% interval", flush=True)
        record = evaluate.measure(
            method=options.method,
            faces=options.faces,
            layout=options.layout,
            window=options.window,
            sizes=options.sizes,
            kernels=options.kernels,
            noise=options.noise,
            seed=options.seed,
            centre=options.centre,
            limit=options.limit,
            shifted=options.shifted,
            descriptor=descriptor,
            weights=options.weights,
            fast=options.fast,
            device=device,
            progress=bar("picture") if first else None,
        )
    if not first:
        return
    for row in record["summary"]["by_method"]:
        if row["measure"] in ("psnr", "psnr_shifted", "ssim", "ssim_volumetric", "distance"):
            mean, low, high = (f"{row[name]:.3f}" if row[name] is not None else "-" for name in ("mean", "low", "high"))
            print(f"{row['method']:10}{row['measure']:18}{mean:>10}   {low} .. {high}")
    if options.json:
        write_json(options.json, record)

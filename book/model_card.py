"""Write the scores of results/measured into the model card: `python book/model_card.py`."""

from __future__ import annotations

from pathlib import Path

from umsn.files import read_json, whole

HOME = Path(__file__).resolve().parent.parent
CARD = HOME / "umsn/pretrained/MODEL_CARD.md"
MEASURED = HOME / "results/measured"
BEGIN, END = "<!-- scores -->\n", "<!-- end of scores -->\n"
SETS = {"real": "100 real validation faces (CelebAMask-HQ)", "drawn": "40 synthetic people, unseen"}
MEASURES = {"psnr": "PSNR (dB)", "ssim": "SSIM", "ssim_volumetric": "SSIM, volumetric"}


def scores() -> str:
    """The table of the card, from the records: means with 95% intervals clustered by face."""
    lines = ["| faces | measure | blurred | restored |", "|---|---|---|---|"]
    for name, title in SETS.items():
        found = {}
        for method in ("blurred", "umsn"):
            rows = read_json(MEASURED / f"evaluate-{method}-{name}.json")["summary"]["by_method"]
            found[method] = {row["measure"]: row for row in rows}
        for measure, words in MEASURES.items():
            places = 2 if measure == "psnr" else 3
            cells = [
                f"{row['mean']:.{places}f} [{row['low']:.{places}f}, {row['high']:.{places}f}]"
                for row in (found[method][measure] for method in ("blurred", "umsn"))
            ]
            lines.append(f"| {title} | {words} | {cells[0]} | {cells[1]} |")
    means = read_json(MEASURED / "astronaut.json")["mean psnr"]
    title = "the astronaut under eight real shakes (Levin et al. 2009)"
    for how in ("", ", centred"):
        lines.append(f"| {title}{how} | PSNR (dB) | {means['blurred' + how]:.2f} | {means['umsn' + how]:.2f} |")
    descriptor = read_json(MEASURED / "descriptor.json")
    faces, found = descriptor["provenance"]["measured on"], descriptor["scores"]
    low, high = (f"{100 * v:.1f}" for v in found["top-1 95% interval"])
    people = faces["count"] // faces["shots_per_identity"]
    top, small = (f"{100 * found[key]:.1f} %" for key in ("top-1", "thumbnails top-1"))
    lines += [
        "",
        f"The descriptor names {top} [{low}, {high}] of {faces['count']} sharp synthetic images of {people} unseen",
        f"people by their nearest neighbour; thumbnails of 8 x 8 pixels name {small}.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    before, _, rest = CARD.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    with whole(CARD) as beside:
        beside.write_text(before + BEGIN + scores() + END + after, encoding="utf-8")


if __name__ == "__main__":
    main()

"""Figures are small, say what they show and come out the same; diagrams agree with networks; tables name sources."""

import base64
import re
import shutil
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib import rcParams
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from PIL import Image
from scipy.signal import convolve2d

from umsn import places
from umsn.data import blur
from umsn.faces import CLASSES, K
from umsn.files import InputError
from umsn.networks.blocks import ResBlock
from umsn.networks.confidence import ConfidenceNetwork
from umsn.networks.deblurring import FirstStage, FNet, build
from umsn.networks.parsing import SNet
from umsn.pages import figures
from umsn.pages.figures import curves, diagrams, methods, tables
from umsn.pages.figures.canvas import LIMIT
from umsn.pages.figures.gridding import influence, share
from umsn.records import reported

ALT = "An image of a test, with words enough"


@pytest.fixture(autouse=True)
def place(home, tmp_path, monkeypatch):
    """Figures of these tests are kept elsewhere; the working folder is a notebook's."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "figures").mkdir()
    shutil.copyfile(home / "figures/paper.mplstyle", tmp_path / "figures/paper.mplstyle")
    shutil.copytree(home / "results/reported", tmp_path / "results/reported")
    monkeypatch.chdir(tmp_path / "notebooks")
    monkeypatch.setenv("UMSN_FIGURES", str(tmp_path / "figures"))
    return tmp_path


def smooth(seed, size=64):
    """An image with many colours and no pixel noise."""
    coarse = torch.rand(1, 3, 5, 5, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, (size, size), mode="bicubic").clamp(0, 1)[0]


def embedded(path):
    """The images inside an SVG."""
    found = re.findall(r'href="data:image/(\w+);base64,([^"]+)"', path.read_text("utf-8"))
    return [(kind, Image.open(BytesIO(base64.b64decode(data)))) for kind, data in found]


def words_of(figure):
    return [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text")) if text.get_text()]


def test_a_figure_is_the_same_bytes_twice_and_carries_its_words():
    once, again = (
        figures.save(figures.grid([[smooth(0), smooth(1)]], column_titles=["sharp", "blurred"]), "twice", alt=ALT)
        for _ in range(2)
    )
    first = once.read_bytes()
    figures.save(figures.grid([[smooth(0), smooth(1)]], column_titles=["sharp", "blurred"]), "twice", alt=ALT)
    assert again.read_bytes() == first
    tree = ET.fromstring(first)
    space = {"svg": "http://www.w3.org/2000/svg"}
    assert tree.find("svg:title", space).text == ALT
    assert {"sharp", "blurred"} <= {text.text for text in tree.iterfind(".//svg:text", space)}
    assert b"dc:date" not in first


def test_photographs_become_webp_and_few_colours_stay_exact():
    photo, masks = smooth(3), torch.nn.functional.one_hot(torch.arange(64).reshape(8, 8) % K, K).movedim(-1, 0)
    path = figures.save(figures.grid([[photo, figures.colour_masks(masks)]]), "two", alt=ALT)
    (kind, kept), (other, exact) = embedded(path)
    assert (kind, other) == ("webp", "png")
    error = np.asarray(kept.convert("RGB")) / 255 - photo.movedim(0, -1).numpy()
    assert -10 * np.log10((error**2).mean()) > 33
    wanted = (figures.colour_masks(masks).movedim(0, -1) * 255).round().byte()
    assert np.array_equal(np.asarray(exact.convert("RGB")), wanted)
    assert path.read_text("utf-8").count("pixelated") == 1


def test_what_is_refused_leaves_no_file(place):
    noise = torch.rand(3, 540, 540, generator=torch.Generator().manual_seed(0))
    for name, alt, picture in (("short", "a figure", smooth(0)), ("Bad Name", ALT, smooth(0)), ("big", ALT, noise)):
        with pytest.raises(ValueError, match=name if name != "big" else f"over {LIMIT // 1000}"):
            figures.save(figures.grid([[picture]]), name, alt=alt)
    assert [path.name for path in (place / "figures").iterdir()] == ["paper.mplstyle"]
    with pytest.raises(ValueError, match=r"\(2, 8, 8\)"):
        figures.grid([[torch.zeros(2, 8, 8)]])


def test_the_style_stays_inside(place, monkeypatch):
    before = rcParams["svg.fonttype"], rcParams["svg.hashsalt"]
    with figures.style():
        assert (rcParams["svg.fonttype"], rcParams["svg.hashsalt"]) == ("none", "umsn")
    assert (rcParams["svg.fonttype"], rcParams["svg.hashsalt"]) == before
    monkeypatch.chdir(place)
    assert places.path_of(places.MARK).is_file()


def test_class_colours_can_be_seen_on_white():
    def luminance(colour):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
        return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))

    assert tuple(figures.CLASS_COLOURS) == CLASSES
    assert all(1.05 / (luminance(colour) + 0.05) >= 3 for colour in figures.CLASS_COLOURS.values())


def test_mixed_masks_mix_their_colours():
    colours = [to_rgb(colour) for colour in figures.CLASS_COLOURS.values()]
    half = torch.tensor([0.5, 0.5, 0, 0]).reshape(K, 1, 1)
    expected = torch.tensor(colours[:2]).mean(0)
    assert torch.allclose(figures.colour_masks(half)[:, 0, 0], expected)


def test_every_kept_figure_is_small_and_says_what_it_shows(home):
    for path in (home / "figures").glob("*.svg"):
        tree = ET.parse(path).getroot()
        title = tree.find("{http://www.w3.org/2000/svg}title")
        assert title is not None and len(title.text.split()) >= 4, path.name
        assert path.stat().st_size <= LIMIT, path.name
        links = re.findall(r'href="(?!#|data:)[^"]*"', path.read_text("utf-8"))
        assert not links, path.name


# curves


def history(steps=20):
    terms = {"loss": 1.0, **{f"L_{name}": 0.01 * (i + 1) for i, name in enumerate(CLASSES)}}
    terms |= {f"C_{name}": 0.2 * (i + 1) for i, name in enumerate(CLASSES)}
    return [{"step": s} | {name: value / s**0.5 for name, value in terms.items()} for s in range(1, steps + 1)]


def test_training_curves_show_the_history():
    figure = curves.history({"parse-clean": history(), "umsn": history()})
    assert {axes.get_title(loc="left") for axes in figure.axes} == {"S-Net, sharp faces", "UMSN"}
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata(), [step["loss"] for step in history()])
    with pytest.raises(ValueError, match="C_background"):
        curves.by_class([{"step": 1, "loss": 1.0}])


def test_thin_lines_are_the_minimiser_of_eq_4():
    figure = curves.by_class(history(), lam=0.01)
    thin = [line for line in figure.axes[1].lines if line.get_linewidth() < 1]
    for name, line in zip(CLASSES, thin, strict=True):
        loss = np.array([step[f"L_{name}"] for step in history()])
        candidates = np.linspace(1e-4, 1, 5001)[:, None]
        best = candidates[(candidates * loss - 0.01 * np.log(candidates)).argmin(0), 0]
        np.testing.assert_allclose(line.get_ydata(), best, atol=3e-4)


def test_scores_by_size_have_their_bands():
    lines = [
        {"method": method, "size": size, "measure": "psnr", "mean": 25 - size / 10, "low": 20, "high": 26}
        for method in ("blurred", "umsn")
        for size in (27, 13)
    ]
    figure = curves.by_size(pd.DataFrame(lines))
    (axes,) = figure.axes
    assert [list(line.get_xdata()) for line in axes.lines] == [[13, 27]] * 2
    corners = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (corners.min(), corners.max()) == (20, 26)
    with pytest.raises(ValueError, match="ssim"):
        curves.by_size(pd.DataFrame(lines), "ssim")


def test_a_curve_is_kept_with_its_numbers_and_a_picture_has_none(place):
    size = {"method": "blurred", "measure": "psnr"}
    lines = [{**size, "size": s, "mean": 25.5 - s, "low": 24 - s, "high": 26.5 - s} for s in (13, 15, 17)]
    lines += [{**line, "method": "umsn", "mean": line["mean"] + 2, "high": 30} for line in lines]
    figure = curves.by_size(pd.DataFrame(lines))
    figure.axes[0].axvline(15)
    kept = pd.read_csv(figures.save(figure, "by-size", alt=ALT).with_suffix(".csv"))
    assert list(kept.columns) == ["panel", "line", "x", "y", "low", "high"]
    assert kept[["x", "y", "low", "high"]].to_numpy().tolist() == [
        [line["size"], line["mean"], line["low"], line["high"]] for line in lines
    ]
    assert list(kept["line"]) == ["Blurred images"] * 3 + ["UMSN"] * 3
    figures.save(figures.grid([[smooth(0)]]), "by-size", alt=ALT)
    assert not (place / "figures/by-size.csv").exists()


def test_confidences_are_kept_beside_their_closed_form():
    kept = pd.read_csv(figures.save(curves.by_class(history(), lam=0.01), "by-class", alt=ALT).with_suffix(".csv"))
    some = kept[kept["panel"].str.startswith("Conf") & (kept["line"] == "skin")]
    np.testing.assert_allclose(some["y"], [step["C_skin"] for step in history()], rtol=1e-5)
    assert "skin, closed form" in set(kept["line"])


def test_the_sheet_of_kernels_has_one_place_for_each():
    figure = curves.kernels(blur.protocol_kernels((13, 27), 3, 0))
    assert len(figure.axes) == 6
    assert all(axes.images[0].get_array().shape == (27, 27) for axes in figure.axes)


# tables


def numbers(rows, **others):
    return pd.DataFrame([{"method": m, "metric": k, "value": v, **others} for m, k, v in rows])


class Cells(HTMLParser):
    """The parts of a table."""

    def __init__(self, page):
        super().__init__()
        self.seen = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))


def test_paper_and_ours_stand_under_their_sources():
    printed = numbers([("B-Net", "PSNR", "25.10"), ("UMSN", "PSNR", "27.75"), ("UMSN", "SSIM", "0.90")])
    ours = numbers([("UMSN", "PSNR", 22.5), ("Blurred images", "PSNR", 21.0)], low=20.0, high=24.0)
    table = tables.against_paper(ours, printed, ours="smoke, 2 synthetic faces", caption="A <table>", difference=True)
    sources = list(dict.fromkeys(table.cells.columns.get_level_values("source")))
    assert sources == ["paper", "ours (smoke, 2 synthetic faces)", "ours − paper"]
    cells = table.cells.set_axis(["paper", "paper ssim", "ours", "ours ssim", "gap", "gap ssim"], axis=1)
    assert list(cells.index) == ["B-Net", "UMSN", "Blurred images"]
    assert list(cells["paper"]) == ["25.10", "27.75", "—"]
    assert list(cells["ours"]) == ["not yet", "22.50 (20.00–24.00)", "21.00 (20.00–24.00)"]
    assert list(cells["gap"]) == ["—", "−5.25", "—"]
    assert table.frame.to_numpy()[1, 4] == pytest.approx(22.5 - 27.75)
    page = table._repr_html_()
    assert "A &lt;table&gt;; this page ran on " in page
    assert "22.50<br><small>20.00–24.00</small>" in page
    parts = Cells(page).seen
    assert parts[1][0] == "caption"
    assert all("scope" in attributes for tag, attributes in parts if tag == "th")
    widths = [
        sum(int(attributes.get("colspan", 1)) for tag, attributes in Cells(row).seen if tag in ("td", "th"))
        for row in page.split("<tr>")[1:]
    ]
    assert set(widths) == {7}


def test_numbers_stand_on_the_right_and_words_on_the_left():
    frame = pd.DataFrame({"method": ["Xu et al. (CVPR 2013)"], "share": ["26.68%"], "gap": ["3.0e-07"], "said": ["no"]})
    page = tables.plain(frame, caption="One row")._repr_html_()
    parts = Cells(page).seen
    assert [attributes.get("class", "") for tag, attributes in parts if tag == "td"] == ["number", "number", "short"]
    heads = [attributes.get("class", "") for tag, attributes in parts if attributes.get("scope") == "col"]
    assert heads == ["", "number short", "number short", "short"]
    assert '<th scope="row" class="short">Xu et al.<br><small>CVPR 2013</small></th>' in page
    mixed = pd.DataFrame({"fact": ["width", "decay"], "value": ["64", "cosine"]})
    assert "number" not in tables.plain(mixed, caption="Facts")._repr_html_()


def test_two_numbers_for_one_place_are_refused():
    twice = numbers([("UMSN", "PSNR", 1.0), ("UMSN", "PSNR", 2.0)])
    with pytest.raises(ValueError, match="2 numbers for 1 places"):
        tables.against_paper(twice, twice[:1], ours="x", caption="y")


def test_the_papers_numbers_keep_their_zeros_and_their_order():
    printed = reported("table6")
    assert "26.90" not in set(printed["value"]) and "0.90" in set(printed["value"])
    with pytest.raises(InputError, match="table9"):
        reported("table9")


def test_a_table_brings_its_numbers_along():
    frame = pd.DataFrame({"method": ["UMSN, again"], "PSNR": [22.512345]})
    page = tables.plain(frame, caption="A table of one row, and more", formats={"PSNR": ".1f"})._repr_html_()
    kind, content = re.search(r'href="data:([^,]+),([^"]+)" download="a-table-of-one-row-and.csv"', page).groups()
    assert kind == "text/csv;charset=utf-8;base64"
    assert base64.b64decode(content).decode() == 'method,PSNR\n"UMSN, again",22.512345\n'


def test_a_summary_is_renamed_by_measure_and_class():
    summary = pd.DataFrame(
        [
            {"method": "umsn", "measure": m, "mean": 1.0, "low": 0.0, "high": 2.0, "faces": 3}
            for m in ("psnr", "ssim", "ssim_volumetric", "psnr_skin", "ssim_hair")
        ]
    )
    found = tables.tidy(summary)
    assert set(found["method"]) == {"UMSN"}
    whole = found[found["class"].isna()]
    assert list(whole["metric"]) == ["PSNR", "SSIM"]
    of_classes = found.dropna(subset="class")[["metric", "class"]]
    assert of_classes.to_numpy().tolist() == [["PSNR", "skin"], ["SSIM", "hair"]]


# diagrams and Fig. 4


NETWORKS = {
    "umsn": (
        diagrams.umsn,
        lambda: build("umsn", width=24),
        ["(7, 24)", "(36, 24)", "6 × ResBlock (24, 24)", "(24, 6)"],
    ),
    "snet": (
        diagrams.snet,
        lambda: SNet(widths=(5, 7, 9)),
        ["(3, 5)", "ResBlock (5, 7)\nResBlock (7, 7)", "(12, 5)", "(5, 4)"],
    ),
    "first": (
        diagrams.first_stage,
        lambda: FirstStage(FNet(channels=(10, 10, 10, 6))),
        ["(4, 10)", "2 × ResBlock (10, 10)", "(10, 6)", "(6, 6)", "Conv 3×3 (6, 3)"],
    ),
    "confidence": (diagrams.confidence, lambda: ConfidenceNetwork(channels=(9, 8)), ["(6, 9)", "(9, 8)", "(8, 1)"]),
    "resblock": (
        diagrams.resblock,
        lambda: ResBlock(11, 6, expansion=2),
        ["1×1 (11, 12)", "(12, 12)", "(12, 6)", "(11, 6)"],
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_diagram_says_what_the_network_is(name):
    draw, make, expected = NETWORKS[name]
    words = words_of(draw(make()))
    assert [one for one in expected if not any(one in word for word in words)] == []


@pytest.mark.parametrize("name", NETWORKS)
def test_no_word_of_a_diagram_leaves_its_sheet_or_its_box(name):
    figure = NETWORKS[name][0]()
    (axes,) = figure.axes
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [patch.get_window_extent() for patch in axes.patches if type(patch).__name__ == "FancyBboxPatch"]
    for text in axes.texts:
        place = text.get_window_extent(renderer)
        assert figure.bbox.x0 <= place.x0 and place.x1 <= figure.bbox.x1, text.get_text()
        middle = (place.x0 + place.x1) / 2, (place.y0 + place.y1) / 2
        inside = [box for box in boxes if box.contains(*middle)]
        if text.get_zorder() == 4 and inside:
            box = min(inside, key=lambda box: box.width * box.height)
            assert box.x0 <= place.x0 and place.x1 <= box.x1, text.get_text()


def test_a_diagram_of_umsn_wants_streams():
    with pytest.raises(ValueError, match="streams"):
        diagrams.umsn(build("bnet", width=16, equal=False))


@pytest.mark.parametrize("smoothed", [False, True])
def test_influence_is_repeated_convolution(smoothed):
    taps = np.zeros((5, 5))
    taps[::2, ::2] = 1 / 9
    step = convolve2d(taps, np.full((3, 3), 1 / 9)) if smoothed else taps
    seen, expected = np.ones((1, 1)), np.ones((1, 1))
    for layers in (1, 2, 3):
        expected = convolve2d(expected, step)
        seen = influence(layers, smoothed=smoothed, side=expected.shape[0]).numpy()
        np.testing.assert_allclose(seen, expected, atol=1e-7)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_dilation_leaves_holes_and_smoothing_none(layers):
    assert share(influence(layers, smoothed=False)) == ((2 * layers + 1) ** 2, (4 * layers + 1) ** 2)
    used, window = share(influence(layers, smoothed=True))
    assert used == window == (6 * layers + 1) ** 2
    assert f"{used} of {window} pixels" in words_of(figures.gridding())


def test_quality_for_time_has_a_point_for_each_method_that_computes():
    summary = pd.DataFrame({"method": ["blurred", "xu", "umsn"], "measure": "psnr", "mean": [20.0, 22.0, 25.0]})
    figure = methods.quality_for_time(summary, {"blurred": 1e-5, "xu": 0.5, "umsn": 0.25})
    (axes,) = figure.axes
    points = {line.get_label(): line.get_xydata().tolist() for line in axes.lines if line.get_marker() != "None"}
    assert points == {"Xu et al.": [[0.5, 22.0]], "UMSN": [[0.25, 25.0]]}
    (level,) = [line for line in axes.lines if line.get_marker() == "None"]
    assert set(level.get_ydata()) == {20.0}

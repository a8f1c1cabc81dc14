"""The live page computes in the browser what the library computes, and answers in words."""

import json
from html.parser import HTMLParser
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from waiting import until

from umsn.data import blur
from umsn.evaluation.metrics import psnr
from umsn.faces import CLASSES
from umsn.networks.onnx_export import AGREES, Exported
from umsn.networks.weights import shipped
from umsn.pages import live
from umsn.pages.interactive import LIMIT, shake

HEAVY = (".wasm", ".onnx", "kernels.bin", "ort.wasm.min.js", "ort.webgpu.min.js")
#: Away from the line at the bottom, which stays in sight.
CENTRE = "(element) => element.scrollIntoView({block: 'center', behavior: 'instant'})"
REMEMBER = """() => {
    window.results = [];
    document.getElementById("live").addEventListener("live:result", ({detail}) => window.results.push(detail));
}"""
#: Some numbers of the last result, as lists.
LAST = """(names) => {
    const last = window.results.at(-1);
    return Object.fromEntries(names.map((name) => [name, last[name]?.length ? Array.from(last[name]) : last[name]]));
}"""


@pytest.fixture(scope="module")
def fed(home):
    folder = home / "book/_static/live"
    if not (folder / "manifest.json").exists():
        pytest.fail("book/_static/live is missing: `doit live` makes it")
    return SimpleNamespace(folder=folder, manifest=json.loads((folder / "manifest.json").read_text("utf-8")))


def face(fed, number):
    """The face that the page offers at this place, with its margin: (1, 3, SIDE, SIDE) in [0, 1]."""
    pixels = np.array(Image.open(fed.folder / fed.manifest["faces"][number]["file"]))
    return torch.from_numpy(pixels).movedim(-1, 0)[None].float() / 255


class Panel:
    """The page in a browser, and what happened in it."""

    def __init__(self, page, site):
        self.page, self.requests, self.errors = page, [], []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda line: self.errors.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.route(lambda url: not url.startswith((site, "data:", "blob:")), lambda route: route.abort())
        page.goto(f"{site}book/live.html", wait_until="networkidle")
        page.evaluate(REMEMBER)

    def start(self, button="#live-start", seconds=120):
        self.page.click(button)
        until(self.page, "window.results.length > 0", seconds=seconds)

    def after(self, act):
        """Do something, wait for the result of it, and return its numbers as tensors."""
        before = self.page.evaluate("window.results.length")
        act()
        ready = "(n) => window.results.length > n && document.getElementById('live').dataset.state === 'ready'"
        until(self.page, ready, before, seconds=60)
        return self.last()

    def last(self):
        found = self.page.evaluate(LAST, ["sharp", "blurred", "restored", "masks", "kernel", "size", "psnr", "path"])
        for name, channels in {"sharp": 3, "blurred": 3, "restored": 3, "masks": 4}.items():
            found[name] = torch.tensor(found[name]).reshape(1, channels, 128, 128)
        if found["kernel"]:
            found["kernel"] = torch.tensor(found["kernel"]).reshape(found["size"], found["size"])
        return SimpleNamespace(**found)

    def set(self, **values):
        """Place sliders as a script would, and let the last of them go."""
        order = """(values) => {
            const sliders = Object.entries(values).map(([name, value]) => {
                const slider = document.getElementById(`live-${name}`);
                slider.value = value;
                return slider;
            });
            sliders.at(-1).dispatchEvent(new Event("change"));
        }"""
        return self.after(lambda: self.page.evaluate(order, values))

    def choose(self, number):
        radio = self.page.locator("#live-faces input[type=radio]").nth(number)
        return self.last() if radio.is_checked() else self.after(radio.check)

    def status(self):
        return self.page.locator("#live-status").inner_text()


@pytest.fixture(scope="module")
def panel(browser, site):
    """The page, started once for all tests of this module; no test leaves it broken."""
    page = browser.new_page()
    opened = Panel(page, site)
    opened.before = list(opened.requests)
    opened.start()
    yield opened
    page.close()


# What the page is fed


def test_what_it_is_fed_is_small_and_from_the_weights_of_the_package(fed):
    manifest = fed.manifest
    assert manifest["model"]["weights"] == shipped().digest, "stale: `doit live` makes it anew"
    model = fed.folder / manifest["model"]["file"]
    numbers = sum(p.numel() for network in shipped()[:2] for p in network.parameters())
    assert manifest["model"]["bytes"] == model.stat().st_size < 2.2 * numbers
    assert manifest["classes"] == list(CLASSES)
    for offered in manifest["faces"]:
        assert (fed.folder / offered["file"]).stat().st_size < 60_000
    kernels = np.fromfile(fed.folder / manifest["kernels"]["file"], "<f4")
    assert kernels.size == manifest["kernels"]["shapes"] * sum(size**2 for size in blur.SIZES)


def test_half_the_bytes_restore_what_torch_restores(fed):
    blurred = torch.cat([live.INNER.crop(blur.blur(face(fed, n), shake_of(21, n))) for n in (0, 1)])
    restored, masks = Exported(fed.folder / "model.onnx")(blurred)
    assert (restored - shipped()(blurred).restored).abs().max() <= AGREES
    assert (masks - shipped().masks(blurred)).abs().max() <= AGREES


def shake_of(size, seed):
    """The library's kernel of this size and seed."""
    return blur.kernels([size], torch.Generator().manual_seed(seed))[0]


def test_kernels_are_the_librarys(fed):
    values, at = np.fromfile(fed.folder / "kernels.bin", "<f4"), 0
    for size in fed.manifest["kernels"]["sizes"]:
        for seed in range(fed.manifest["kernels"]["shapes"]):
            kernel = torch.from_numpy(values[at : at + size**2].reshape(size, size))
            at += size**2
            if seed in (0, 11):
                whole = live.Sitter("a", "a", torch.zeros(3, 64, 64)).photo
                assert torch.equal(kernel, shake(SimpleNamespace(photo=whole), size, seed=seed)[0])
            assert kernel.sum() == pytest.approx(1, abs=1e-5) and (kernel >= 0).all()
    assert at == values.size


def test_the_astronaut_is_framed_as_umsn_deblur_frames_faces(fed):
    from skimage.data import astronaut

    from umsn.photos.detection import find_faces
    from umsn.photos.restore import small_copies

    photo = torch.from_numpy(astronaut()).movedim(-1, 0).float() / 255
    (expected,) = small_copies(photo, find_faces(photo)[:1])
    assert fed.manifest["faces"][0]["name"] == "astronaut"
    assert (live.INNER.crop(face(fed, 0))[0] - expected).abs().mean() < 0.02


class Strips(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.figures = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag == "figure":
            self.figures.append((dict(attributes), []))
        if tag == "img":
            self.figures[-1][1].append(dict(attributes))


def test_strips_say_what_each_size_gives(fed):
    figures = Strips((fed.folder / "strips.html").read_text("utf-8")).figures
    assert len(figures) == len(live.STRIPS)
    for figure, pictures in figures:
        assert len(figure["data-values"].split("|")) == len(figure["data-notes"].split("|")) == len(blur.SIZES)
        assert sum(len(picture["src"]) for picture in pictures) < 1.4 * LIMIT
        assert all(len(picture["alt"]) > 20 for picture in pictures)


def test_costs_are_those_of_the_record_or_none(tmp_path):
    assert "Nobody has measured" in live.cost(tmp_path / "none.json")
    where = {"date": "2026-01-02T03:04:05+00:00", "platform": {"cpu": "a processor", "cores": 2}}
    rows = [{"what": "first result", "seconds": 3.25}]
    record = {"provenance": where, "browser": "Browser 1", "fetched": {"networks": 4.5}, "rows": rows}
    (tmp_path / "live.json").write_text(json.dumps(record))
    table = live.cost(tmp_path / "live.json")
    assert all(words in table for words in ("3.25", "a processor", "2026-01-02", "networks 4.5 MB", "Browser 1"))


# The page


def test_before_the_button_strips_answer_and_nothing_heavy_is_loaded(browser, site):
    page = browser.new_page()
    panel = Panel(page, site)
    figure = page.locator("figure.strip").first
    figure.locator("input").focus()
    page.keyboard.press("Home")
    first = figure.screenshot(), figure.locator("output").inner_text()
    page.keyboard.press("End")
    assert figure.screenshot() != first[0]
    assert "29 pixels" in figure.locator("output").inner_text() != first[1]
    assert not [url for url in panel.requests if url.endswith(HEAVY)]
    assert not page.locator("#live-panel").is_visible()
    page.close()


def test_it_deblurs_the_astronaut(panel):
    result = panel.choose(0)
    assert result.psnr["restored"] > result.psnr["blurred"] + 0.5
    assert f"{result.psnr['restored']:.1f} dB restored" in panel.status()
    assert panel.page.locator("#live-status").get_attribute("aria-live") == "polite"
    assert f"{result.psnr['restored']:.1f} dB" in panel.page.locator("#live-after + figcaption").inner_text()


@pytest.mark.parametrize(("number", "size", "shape"), [(0, 13, 1), (0, 27, 5), (1, 21, 12)])
def test_it_computes_what_the_library_computes(panel, fed, number, size, shape):
    panel.choose(number)
    result = panel.set(noise=0, size=size, shape=shape)
    photo, kernel = face(fed, number), shake_of(size, shape - 1)
    sharp, blurred = live.INNER.crop(photo), live.INNER.crop(blur.blur(photo, kernel)).clamp(0, 1)
    expected = shipped()(blurred).restored
    assert torch.equal(result.kernel, kernel)
    assert torch.equal(result.sharp, sharp)
    assert (result.blurred - blurred).abs().max() < 1e-5
    assert (result.restored - expected).abs().max() <= AGREES
    assert (result.masks - shipped().masks(blurred)).abs().max() <= AGREES
    assert result.psnr["blurred"] == pytest.approx(float(psnr(blurred, sharp)), abs=0.05)
    assert result.psnr["restored"] == pytest.approx(float(psnr(expected, sharp)), abs=0.05)


def shown(panel):
    """The pixels of the images that a change of the kernel must change, and the words beside them."""
    canvases = ("kernel", "before", "after", "mask-1", "residual-1")
    pixels = [panel.page.locator(f"#live-{name}").evaluate("(canvas) => canvas.toDataURL()") for name in canvases]
    return [*pixels, panel.page.locator("#live-after-psnr").inner_text(), panel.status()]


def test_the_size_follows_keyboard_and_pointer(panel):
    slider = panel.page.locator("#live-size")
    panel.set(size=19)
    before = shown(panel)
    slider.focus()
    assert panel.after(lambda: panel.page.keyboard.press("ArrowRight")).size == 21
    assert slider.get_attribute("aria-valuetext") == "21 pixels"
    by_key = shown(panel)
    slider.evaluate(CENTRE)
    box = slider.bounding_box()
    assert (
        panel.after(lambda: panel.page.mouse.click(box["x"] + box["width"] - 3, box["y"] + box["height"] / 2)).size
        == 29
    )
    by_pointer = shown(panel)
    assert all(a != b for a, b in zip(before, by_key, strict=True))
    assert all(a != b for a, b in zip(by_key, by_pointer, strict=True))


def test_noise_is_as_strong_as_its_slider_says_and_repeats(panel):
    clean = panel.set(size=13, noise=0).blurred
    noisy = panel.set(noise=0.05).blurred
    inside = (clean > 0.25) & (clean < 0.75)  # where nothing is clipped
    noise = (noisy - clean)[inside]
    assert float(noise.std()) == pytest.approx(0.05, rel=0.03)
    assert float(noise.mean()) == pytest.approx(0, abs=0.002)
    assert torch.equal(panel.set(noise=0.05).blurred, noisy)


def test_a_line_drawn_by_hand_becomes_the_kernel(panel):
    pad = panel.page.locator("#live-kernel")
    pad.evaluate(CENTRE)
    box, mouse = pad.bounding_box(), panel.page.mouse

    def draw():
        mouse.move(box["x"] + 20, box["y"] + 20)
        mouse.down()
        mouse.move(box["x"] + 80, box["y"] + 30, steps=5)
        mouse.move(box["x"] + 50, box["y"] + 90, steps=5)
        mouse.up()

    result = panel.after(draw)
    expected = blur.rasterise(torch.tensor([result.path]), torch.tensor([result.size]), pad_to=result.size)[0]
    torch.testing.assert_close(result.kernel, expected, atol=1e-3, rtol=0)
    assert result.kernel[:, 0].sum() > 0 or result.kernel[0].sum() > 0  # it fills its support
    assert "your own" in panel.page.locator("output[for=live-shape]").inner_text()
    assert panel.set(size=25).kernel.shape == (25, 25)
    assert torch.equal(panel.set(shape=3).kernel, shake_of(25, 2))


def test_a_line_drawn_by_arrow_keys_becomes_the_kernel(panel):
    pad, keys = panel.page.locator("#live-kernel"), panel.page.keyboard
    given = panel.set(size=21, shape=3).kernel
    pad.focus()
    for key in ["ArrowRight"] * 6 + ["ArrowUp"] * 3:
        keys.press(key)
    assert "6 right, 3 up" in panel.status()
    drawn = panel.after(lambda: keys.press("Enter"))
    expected = blur.rasterise(torch.tensor([drawn.path]), torch.tensor([21]), pad_to=21)[0]
    torch.testing.assert_close(drawn.kernel, expected, atol=1e-3, rtol=0)
    assert (drawn.kernel.sum(0) > 0).sum() == 21 > 12 > (drawn.kernel.sum(1) > 0).sum()  # twice as wide as high
    assert "your own" in panel.page.locator("output[for=live-shape]").inner_text()
    assert torch.equal(panel.after(lambda: keys.press("Escape")).kernel, given)


def test_a_change_while_it_computes_is_not_lost(panel):
    order = """(sizes) => { for (const size of sizes) {
        const slider = document.getElementById("live-size");
        slider.value = size;
        slider.dispatchEvent(new Event("change"));
    } }"""
    before = panel.page.evaluate("window.results.length")
    panel.page.evaluate(order, [13, 15, 17, 19, 23])
    until(panel.page, "window.results.at(-1).size === 23", seconds=60)
    assert panel.page.evaluate("window.results.length") - before == 2  # those in between are skipped


def test_the_page_answers_while_it_computes(panel):
    watch = """() => new Promise((done) => {
        const root = document.getElementById("live");
        const slider = document.getElementById("live-size");
        let last = performance.now();
        let longest = 0;
        const timer = setInterval(() => {
            longest = Math.max(longest, performance.now() - last);
            last = performance.now();
        }, 10);
        root.addEventListener("live:result", ({detail}) => {
            clearInterval(timer);
            done([longest / 1000, detail.seconds]);
        }, {once: true});
        slider.value = slider.value === "13" ? 15 : 13;
        slider.dispatchEvent(new Event("change"));
    })"""
    longest, seconds = panel.page.evaluate(watch)
    assert longest < seconds / 2


def test_the_wipe_follows_the_keyboard(panel):
    edge, picture = panel.page.locator("#live-wipe"), panel.page.locator(".live-pair")
    edge.focus()
    panel.page.keyboard.press("Home")
    restored = picture.screenshot()
    panel.page.keyboard.press("End")
    assert picture.screenshot() != restored


# A photograph of the reader's own


@pytest.fixture
def photo(fed, tmp_path):
    """The window of a synthetic face as a file: (path, (1, 3, 128, 128))."""
    pixels = live.INNER.crop(face(fed, 2))
    Image.fromarray((pixels[0] * 255).round().byte().movedim(0, -1).numpy()).save(tmp_path / "mine.png")
    return tmp_path / "mine.png", pixels


def test_a_photograph_given_by_file_is_deblurred(panel, photo):
    panel.page.locator("#live-noise").evaluate("(slider) => { slider.value = 0; }")
    path, pixels = photo
    result = panel.after(lambda: panel.page.set_input_files("#live-file", path))
    assert torch.equal(result.sharp, pixels)
    mirrored = torch.nn.functional.pad(pixels, (live.MARGIN,) * 4, mode="reflect")
    blurred = live.INNER.crop(blur.blur(mirrored, result.kernel))
    assert (result.blurred - blurred).abs().max() < 1e-5
    assert (result.restored - shipped()(blurred).restored).abs().max() <= AGREES
    assert result.psnr["restored"] > result.psnr["blurred"]


def test_a_photograph_that_is_blurred_already_is_only_restored(panel, photo):
    path, pixels = photo
    panel.after(lambda: panel.page.set_input_files("#live-file", path))
    result = panel.after(lambda: panel.page.check("#live-blurred"))
    assert result.psnr is None and result.kernel is None
    assert (result.restored - shipped()(pixels).restored).abs().max() <= AGREES
    assert panel.page.locator("#live-size").is_disabled()
    assert "no PSNR" in panel.status()
    panel.after(lambda: panel.page.uncheck("#live-blurred"))
    assert panel.page.locator("#live-size").is_enabled()


def test_the_square_is_placed_by_keyboard_and_by_pointer(panel, tmp_path):
    from skimage.data import astronaut

    Image.fromarray(astronaut()).save(tmp_path / "whole.jpg", quality=95)
    whole = panel.after(lambda: panel.page.set_input_files("#live-file", tmp_path / "whole.jpg"))
    smaller = panel.set(side=25)
    panel.page.locator("#live-across").focus()
    moved = panel.after(lambda: panel.page.keyboard.press("ArrowLeft"))
    view = panel.page.locator("#live-photo")
    view.evaluate(CENTRE)
    box, mouse = view.bounding_box(), panel.page.mouse

    def drag():
        mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        mouse.down()
        mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 4, steps=4)
        mouse.up()

    dragged = panel.after(drag)
    pictures = [whole.sharp, smaller.sharp, moved.sharp, dragged.sharp]
    assert all((a - b).abs().mean() > 1e-3 for a, b in pairwise(pictures))
    assert float(panel.page.locator("#live-down").input_value()) == pytest.approx(50 - 25 / 0.75, abs=1)


def test_a_photograph_can_be_dropped_or_filmed(panel, photo):
    path, pixels = photo
    order = """async (bytes) => {
        const carried = new DataTransfer();
        carried.items.add(new File([new Uint8Array(bytes)], "mine.png", {type: "image/png"}));
        const drop = new DragEvent("drop", {dataTransfer: carried, cancelable: true});
        document.getElementById("live-panel").dispatchEvent(drop);
    }"""
    dropped = panel.after(lambda: panel.page.evaluate(order, list(path.read_bytes())))
    assert torch.equal(dropped.sharp, pixels)
    panel.page.click("#live-camera")
    until(panel.page, "document.querySelector('#live-video video').videoWidth > 0")
    filmed = panel.after(lambda: panel.page.click("#live-shoot"))
    assert not torch.equal(filmed.sharp, pixels)
    assert not panel.page.locator("#live-video").is_visible()


def test_what_cannot_be_used_is_said_in_words(panel, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no image")
    panel.page.set_input_files("#live-file", tmp_path / "bad.png")
    until(panel.page, "document.getElementById('live-status').textContent.includes('no image')")


#: A GPU that the processor plays. The page would leave it aside, for it is slow: it has to hide what it is.
PLAYED = ("--enable-unsafe-webgpu", "--enable-features=Vulkan", "--use-webgpu-adapter=swiftshader")
DISGUISED = "Object.defineProperty(GPUAdapterInfo.prototype, 'isFallbackAdapter', { get: () => false })"


def test_a_graphics_card_computes_the_same(browser, chromium, site, fed):
    with browser.browser_type.launch(executable_path=chromium, args=["--no-sandbox", *PLAYED]) as other:
        page = other.new_page()
        page.add_init_script(DISGUISED)
        on_card = Panel(page, site)
        if not page.evaluate("navigator.gpu?.requestAdapter().then((card) => Boolean(card))"):
            pytest.skip("this Chromium plays no GPU: the page was not tried with one")
        on_card.start("#live-start-card", seconds=600)
        assert [url for url in on_card.requests if url.endswith("asyncify.wasm")]
        assert on_card.errors == []
        found = on_card.last()
    restored, masks = Exported(fed.folder / "model.onnx")(found.blurred)
    assert (found.restored - restored).abs().max() <= AGREES
    assert (found.masks - masks).abs().max() <= AGREES


def test_without_a_graphics_card_none_is_offered(panel):
    assert panel.page.locator("#live-start-card").is_hidden()


def test_networks_that_do_not_come_are_said_in_words_and_asked_for_again(browser, site):
    page = browser.new_page()
    page.route("**/model.onnx", lambda route: route.abort())
    panel = Panel(page, site)
    page.click("#live-start")
    page.wait_for_selector("#live[data-state=failed]")
    assert "did not work" in panel.status()
    page.unroute("**/model.onnx")
    panel.start()
    assert "restored" in panel.status()
    page.close()


def test_nothing_left_this_machine_and_nothing_was_wrong(panel, site):
    assert [url for url in panel.requests if not url.startswith((site, "data:", "blob:"))] == []
    assert panel.errors == []
    assert not [url for url in panel.before if url.endswith(HEAVY)]
    assert [url for url in panel.requests if url.endswith(".onnx")]

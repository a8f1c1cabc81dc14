"""The paper's drawings of its networks, Fig. 2 to 6, drawn from the networks: their numbers are read off the weights.

(p, q) are a block's input and output channels, as in the paper.
"""

from __future__ import annotations

from itertools import groupby, pairwise

from matplotlib.figure import Figure
from torch import nn

from umsn.faces import CLASSES, K
from umsn.networks.blocks import ResBlock, SharedSmoothing
from umsn.networks.confidence import ConfidenceNetwork
from umsn.networks.deblurring import UMSN, FirstStage, FNet, build
from umsn.networks.parsing import SNet
from umsn.pages.figures.canvas import CLASS_COLOURS
from umsn.pages.figures.sheet import SOFT, Box, Sheet

COLOURS = tuple(CLASS_COLOURS.values())
TINTS = ("#ececec", "#fbe4d6", "#dcebf6", "#d8f0e7")


def umsn(network: UMSN | None = None) -> Figure:
    """UMSN (Fig. 2): four streams and the first block of B-Net, joined; two residual paths, one within the other.

    Raises ValueError for a network without streams (B-Net).
    """
    network = network or build("umsn")
    if not network.streams:
        raise ValueError("a network without streams: UMSN was expected")
    (first,), middle, (last,) = (
        [ends(block) for block in part] for part in (network.first, network.middle, network.last)
    )
    sheet = Sheet(480, 640)
    blurred = sheet.box(86, 30, "blurred  $y$", below="3 × H × W", width=104, height=40, kind="data")
    snet_box = sheet.box(236, 30, "S-Net", below="Fig. 3", width=90, height=40)
    masks = sheet.swatches(382, 24, COLOURS, side=18)
    sheet.write(382, 45, f"class maps $\\hat{{m}}$,  {K} × H × W", size=8, colour=SOFT)
    sheet.arrow(blurred.right, snet_box.left)
    sheet.arrow(snet_box.right, (masks.x - masks.width / 2 - 6, 30))
    sheet.box(252, 84, "$y$  and  $\\hat{m}$", width=436, height=22, kind="plain")
    sheet.arrow(blurred.bottom, (86, 73))
    sheet.arrow((382, 54), (382, 73))

    sheet.panel(148, 110, 450, 208, "first stage: one stream for each class (Fig. 5)")
    base = sheet.box(86, 154, "ResBlock", below=pair(first), width=100, height=38)
    pooled = sheet.box(86, 202, "average pooling", width=100, height=24, kind="plain", size=8.5)
    sheet.arrow((86, 95), base.top)
    sheet.chain(base, pooled)
    sheet.box(240, 264, "", width=412, height=26, kind="plain")
    extra = " + ".join([str(first[1]), f"{K} × {network.streams[0].outputs}"])
    sheet.write(240, 264, f"concatenate:  {extra} = {middle[0][0]} maps,  H/2 × W/2")
    sheet.arrow(pooled.bottom, (86, 251), words=str(first[1]))
    for i, (stream, name) in enumerate(zip(network.streams, CLASSES, strict=True)):
        x = 186 + 74 * i
        box = sheet.box(x, 168, "", width=68, height=58, colours=(TINTS[i], COLOURS[i]))
        sheet.write(x, 152, f"F-Net-{i + 1}", zorder=4)
        sheet.write(x, 168, name, size=8, zorder=4)
        sheet.write(x, 183, pair((ends(stream.first[0])[0], stream.outputs)), size=8, colour=SOFT, zorder=4)
        sheet.arrow((x, 95), box.top, colour=COLOURS[i])
        sheet.arrow(box.bottom, (x, 251), words=str(stream.outputs), colour=COLOURS[i])

    stack = [
        sheet.box(200, y, *said, width=170, height=30, copies=n)
        for y, (said, n) in zip((312, 364), runs(middle), strict=False)
    ]
    up = sheet.box(200, 412, "bilinear upsampling", width=170, height=24, kind="plain", size=8.5)
    final = sheet.box(200, 456, f"ResBlock {pair(last)}", width=170, height=30)
    inner = sheet.plus(200, 496)
    image = sheet.box(200, 536, f"Conv 3×3 {pair(ends(network.to_image))}", width=170, height=30, kind="conv")
    outer = sheet.plus(200, 576)
    restored = sheet.box(200, 615, "restored  $\\hat{x}$", width=120, height=28, kind="data")
    sheet.arrow((200, 277), stack[0].top, words="H/2 × W/2")
    sheet.arrow(stack[0].bottom, (200, stack[1].top[1] - 8))
    sheet.chain(stack[1], up, final, inner, image, outer, restored, words=["", "H × W", str(last[1]), "", "3"])
    sheet.arrow((34, 30), (14, 30), (14, 576), outer.left)
    sheet.write(24, 420, "residual path", size=8, colour=SOFT, rotation=90)
    if network.nested is not None:
        of_class = ends(network.nested.of_class)
        words = f"{K} × Conv 1×1 {pair((of_class[0] // K, of_class[1]))}"
        nested = sheet.box(384, 496, words, below="one a class, added up", width=150, height=40, kind="conv")
        sheet.arrow((464, 95), (464, 440), (384, 440), nested.top)
        sheet.arrow(nested.left, inner.right)
        sheet.write(384, 528, "nested residual path", size=8, colour=SOFT)
    return sheet.figure


def snet(network: SNet | None = None) -> Figure:
    """S-Net (Fig. 3): down to small images and up again, each scale's features joined on the way back."""
    network = network or SNet()
    levels, gap = len(network.down), 84
    sheet = Sheet(480, 148 + gap * (levels - 1) + 34)
    image = sheet.box(110, 86, "photograph  $y$", below="3 × H × W", width=120, height=38, kind="data")
    sheet.swatches(352, 19, COLOURS, side=18)
    sheet.write(352, 39, f"class maps $\\hat{{m}}$,  {K} × H × W", size=8, colour=SOFT)
    classify = sheet.box(
        352, 86, f"Conv 3×3 {pair(ends(network.classify))}", below="then softmax", width=150, height=38, kind="conv"
    )
    sheet.arrow(classify.top, (352, 48))
    down: list[Box] = []
    up: list[Box] = []
    for i, blocks in enumerate(network.down):
        bottom = i == levels - 1
        x, y = (231 if bottom else 110), 148 + gap * i
        down.append(_blocks(sheet, x, y, blocks))
        if not bottom:
            up.append(_blocks(sheet, 352, y, network.up[levels - 2 - i]))
        side = "H × W" if i == 0 else f"H/{2**i} × W/{2**i}"
        sheet.write(14, y, side, size=8, colour=SOFT, rotation=90)
    sheet.arrow(image.bottom, down[0].top)
    sheet.arrow(up[0].top, classify.bottom)
    for i in range(levels - 2):
        sheet.arrow(down[i].bottom, down[i + 1].top, words="pool")
        sheet.arrow(up[i + 1].top, up[i].bottom, words="upsample")
    last, x = down[-1], down[-2].x
    sheet.arrow(down[-2].bottom, (x, last.y), last.left, words="pool")
    sheet.arrow(last.right, (352, last.y), up[-1].bottom)
    sheet.write(358, (last.y + up[-1].bottom[1]) / 2, "upsample", size=8, colour=SOFT, ha="left")
    for left, right in zip(down, up, strict=False):
        sheet.arrow(left.right, right.left)
        sheet.write((left.right[0] + right.left[0]) / 2, left.y - 8, "concatenate", size=8, colour=SOFT)
    return sheet.figure


def first_stage(network: FirstStage | None = None, *, of: int = 2) -> Figure:
    """The first-stage network of one class (Fig. 5); the dashed frame is F-Net, the part that UMSN keeps."""
    network = network or FirstStage(FNet())
    fnet, colours = network.fnet, (TINTS[of], COLOURS[of])
    sheet = Sheet(480, 566)
    x = 228
    blurred = sheet.box(154, 28, "blurred  $y$", below="3 × H × W", width=120, height=38, kind="data")
    sheet.box(
        304,
        28,
        f"mask  $\\hat{{m}}_{of + 1}$  ({CLASSES[of]})",
        below="1 × H × W",
        width=150,
        height=38,
        colours=colours,
    )
    sheet.panel(84, 66, 412, 330, f"F-Net-{of + 1}")
    joined = sheet.box(x, 104, "concatenate", width=220, height=24, kind="plain", size=8.5)
    first = sheet.box(x, 150, f"ResBlock {pair(ends(fnet.first[0]))}", width=150)
    pooled = sheet.box(x, 196, "average pooling", width=150, height=24, kind="plain", size=8.5)
    rest = [
        sheet.box(x, 250 + 58 * i, *said, width=150, copies=n)
        for i, (said, n) in enumerate(runs([ends(b) for b in fnet.rest]))
    ]
    up = sheet.box(x, 368, "bilinear upsampling", width=150, height=24, kind="plain", size=8.5)
    last = sheet.box(x, 414, f"ResBlock {pair(ends(network.last[0]))}", width=150)
    image = sheet.box(x, 460, f"Conv 3×3 {pair(ends(network.to_image))}", width=150, kind="conv")
    added = sheet.plus(x, 502)
    restored = sheet.box(x, 542, f"restored, class {of + 1} sharp", width=190, height=28, kind="data")
    sheet.arrow(blurred.bottom, (154, 92))
    sheet.arrow((302, 47), (302, 92))
    sheet.chain(joined, first, pooled, words=[str(ends(fnet.first[0])[0]), "H × W"])
    sheet.arrow(pooled.bottom, (x, rest[0].top[1] - 8), words="H/2 × W/2")
    for upper, lower in pairwise(rest):
        sheet.arrow(upper.bottom, lower.top)
    sheet.chain(rest[-1], up, last, image, added, restored, words=[f"{fnet.outputs} × H/2 × W/2", "H × W", "", "3"])
    sheet.arrow(blurred.left, (56, 28), (56, 502), added.left)
    sheet.write(46, 280, "residual path", size=8, colour=SOFT, rotation=90)
    sheet.write(316, 437, "only while this\nnetwork is trained", size=8, colour=SOFT, ha="left")
    return sheet.figure


def confidence(network: ConfidenceNetwork | None = None) -> Figure:
    """The confidence network (Fig. 6): one class at a time, how well was it restored? Used in training only."""
    network = network or ConfidenceNetwork()
    convs = [layer for layer in network.features if isinstance(layer, nn.Conv2d)]
    sheet = Sheet(480, 420 + 46 * (len(convs) - 3))
    x = 240
    restored = sheet.box(100, 28, "restored  $\\hat{x}$", below="3 × H × W", width=120, height=38, kind="data")
    sharp = sheet.box(380, 28, "sharp  $x$", below="3 × H × W", width=120, height=38, kind="data")
    sheet.swatches(x, 20, COLOURS, side=18)
    sheet.write(x, 40, f"masks $m_1$ .. $m_{K}$", size=8, colour=SOFT)
    left, right = sheet.plus(100, 84, "×"), sheet.plus(380, 84, "×")
    joined = sheet.box(
        x, 128, "concatenate", below=f"{convs[0].in_channels} × H × W", width=150, height=36, kind="plain", size=8.5
    )
    sheet.arrow(restored.bottom, left.top)
    sheet.arrow(sharp.bottom, right.top)
    sheet.arrow((x, 50), (x, 84), left.right)
    sheet.arrow((x, 84), right.left)
    sheet.write(170, 75, "$m_i$", size=9)
    sheet.write(310, 75, "$m_i$", size=9)
    sheet.arrow(left.bottom, (100, 128), joined.left)
    sheet.arrow(right.bottom, (380, 128), joined.right)
    steps = [joined]
    for i, layer in enumerate(convs):
        words = f"Conv {layer.kernel_size[0]}×{layer.kernel_size[1]} {pair(ends(layer))}, stride {layer.stride[0]}"
        steps.append(sheet.box(x, 184 + 46 * i, f"{words}, leaky ReLU", width=270, kind="conv"))
    y = 184 + 46 * len(convs)
    steps.append(
        sheet.box(x, y, f"mean, linear {pair((network.decide.in_features, 1))}, sigmoid", width=270, kind="plain")
    )
    sheet.chain(*steps)
    panel = (steps[1].y - 30, steps[-1].y + 24)
    sheet.panel(88, panel[0] + 4, 392, panel[1], "")
    sheet.write(404, (panel[0] + panel[1]) / 2, "the same\nfor every\nclass $i$", size=8, colour=SOFT, ha="left")
    sheet.arrow(steps[-1].bottom, (x, y + 48))
    for i, colour in enumerate(COLOURS):
        sheet.box(x + 62 * (i - 1.5), y + 64, f"$C_{i + 1}$", width=50, height=28, colours=(TINTS[i], colour))
    return sheet.figure


def resblock(block: ResBlock | None = None) -> Figure:
    """ResBlock (Fig. 4, third row) and its smoothed dilated convolutions. Default: the first after UMSN's join."""
    block = block or build("umsn").middle[0]
    convs = [layer[-1] for layer in block.body]
    sheet = Sheet(480, 430)
    x = 150
    start = sheet.box(x, 26, f"{convs[0].in_channels} maps", width=110, height=28, kind="data")
    boxes = []
    for i, (layer, conv) in enumerate(zip(block.body, convs, strict=True)):
        smoothed = any(isinstance(part, SharedSmoothing) for part in layer)
        words = f"Conv {conv.kernel_size[0]}×{conv.kernel_size[1]} {pair(ends(conv))}"
        below = f"smoothed, dilation {conv.dilation[0]}" if smoothed else ""
        boxes.append(
            sheet.box(x, 96 + 62 * i, words, below=below, width=150, height=40, kind="block" if smoothed else "conv")
        )
    added = sheet.plus(x, 346)
    end = sheet.box(x, 398, f"{convs[-1].out_channels} maps", width=110, height=28, kind="data")
    sheet.chain(start, *boxes, added, end)
    sheet.arrow((x, 52), (36, 52), (36, 346), added.left)
    if isinstance(block.shortcut, nn.Conv2d):
        words = f"Conv 1×1 {pair(ends(block.shortcut))}"
        sheet.box(36, 198, words, width=26, height=130, kind="conv", rotation=90)
    sheet.panel(262, 60, 470, 172, "Conv $l$×$l$ ($p$, $q$)")
    for i, (words, kind) in enumerate((("instance norm", "plain"), ("ReLU", "plain"), ("convolution", "conv"))):
        sheet.box(366, 94 + 27 * i, words, width=130, height=21, kind=kind, size=8.5)
    sheet.panel(262, 200, 470, 374, "smoothed, dilation 2")
    taps = SharedSmoothing(2).weight.shape[-1]
    sheet.box(366, 234, "instance norm, ReLU", width=150, height=21, kind="plain", size=8.5)
    shared, dilated = sheet.taps(310, 281, taps, colour="#0072B2"), sheet.taps(310, 342, 3, 2)
    sheet.write(336, 281, f"one {taps}×{taps} filter,\nshared by all channels", size=8, ha="left")
    sheet.write(336, 342, "3×3 convolution\nof every 2nd pixel", size=8, ha="left")
    sheet.arrow((310, 245), shared.top)
    sheet.arrow(shared.bottom, dilated.top)
    return sheet.figure


def ends(part: nn.Module) -> tuple[int, int]:
    """Input and output channels of a convolution, or of a block whose first and last convolution say so."""
    inside = part.body if isinstance(part, ResBlock) else part
    convs = [layer for layer in inside.modules() if isinstance(layer, nn.Conv2d)]
    return convs[0].in_channels, convs[-1].out_channels


def pair(channels: tuple[int, int]) -> str:
    """(p, q) as the paper writes it."""
    return f"({channels[0]}, {channels[1]})"


def runs(blocks: list[tuple[int, int]]) -> list[tuple[tuple[str], int]]:
    """Equal neighbours as one: the words in the box, and how many there are."""
    counted = [(channels, len(list(run))) for channels, run in groupby(blocks)]
    return [((f"{n} × ResBlock {pair(c)}" if n > 1 else f"ResBlock {pair(c)}",), n) for c, n in counted]


def _blocks(sheet: Sheet, x: float, y: float, blocks: nn.Sequential) -> Box:
    """The ResBlocks of one scale in one box."""
    words = [f"ResBlock {pair(ends(block))}" for block in blocks]
    height = 14 + 17 * len(words)
    return sheet.box(x, y, "\n".join(words), width=150, height=height)

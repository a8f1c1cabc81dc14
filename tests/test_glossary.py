"""The glossary's names are the library's, and its shapes those that the library gives."""

import importlib
import pkgutil
import re

import pytest
import torch

import umsn
from umsn import faces, recognition
from umsn.data import blur, synthetic
from umsn.evaluation import metrics
from umsn.networks import losses
from umsn.networks.confidence import ConfidenceNetwork, closed_form
from umsn.networks.deblurring import FirstStage, FNet, build
from umsn.networks.parsing import SNet
from umsn.recipes import PAPER, recipe
from umsn.training.batches import Source

#: Short names of modules, as the page has them, and where they are.
MODULES = {
    found.name.rpartition(".")[2]: found.name
    for found in sorted(pkgutil.walk_packages(umsn.__path__, "umsn."), key=lambda found: -found.name.count("."))
}

SIZES = {"B": 2, "K": faces.K, "H": 96, "W": 96, "k": 13}


@pytest.fixture(scope="module")
def page(home):
    return (home / "book/glossary.md").read_text("utf-8")


@pytest.fixture(scope="module")
def rows(page):
    """Symbol -> what its last column says."""
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in page.splitlines() if line[:2] == "| "]
    return {row[0] or row[1]: row[3].strip("| ") for row in cells if len(row) == 4 and row[0] != "symbol"}


@pytest.fixture(scope="module")
def found():
    """Symbol -> what the library gives for two images, or the number it holds."""
    generator = torch.Generator().manual_seed(0)
    kernels = blur.kernels([13, 13], generator)
    drawn = synthetic.faces(2, seed=0, size=96, shots_per_identity=1)
    x, m = drawn.photos.float() / 255, faces.masks_of(drawn.labels)
    y = blur.add_noise(blur.blur(x, kernels), 0.01, generator)
    network, snet, first = build("umsn"), SNet(), FirstStage(FNet())
    half = Source.of(drawn, recipe("smoke"), seed=0).batch(2, generator, only=2)
    (h,) = hooked(network.last, lambda: network(y, m))
    by_class = losses.class_losses(y, x, m)
    one = losses.reconstruction_loss(y, x, m)
    descriptor, who = recognition.Descriptor().eval(), torch.arange(2)
    vectors = descriptor.embed(x)
    vgg = recognition.d_vgg(x, y, lambda image: image)
    return {
        "$x$": x,
        "$y$": y,
        "$k$": kernels,
        r"$\eta$": y - blur.blur(x, kernels),
        "the eleven labels": drawn.labels,
        "$m_i$": m,
        r"$\hat m_i$": snet.masks(y),
        "$s_i$": snet(y),
        "$y^{(i)}$": (half.blurred, {"H": 48, "W": 48}),
        r"$\hat x^{(i)}$": first(y, m[:, :1]).restored,
        r"$\hat x$": network(y, m).restored,
        r"$r$, $\hat x - y$": network(y, m).residual,
        "$M$": faces.K,
        r"$F_i(y, \hat m_i)$": FNet()(y, m[:, :1]),
        "$S$": network.first[0].body[2][2].weight,
        "$h$": h,
        r"$W_i\,[\hat m_i \odot y, \hat m_i]$": network.nested.by_class(y, m),
        "$e$": PAPER.expansion,
        r"$\mathcal{L}(m_i \odot \hat x, m_i \odot x)$, $L_i$": by_class,
        r"$\mathcal{L}$": one,
        "$C_i$": ConfidenceNetwork()(y, x, m),
        "$C_i^*$": closed_form(by_class, PAPER.lam),
        r"$\lambda$": PAPER.lam,
        r"$\mathcal{L}_c$": losses.confidence_loss(by_class, closed_form(by_class, PAPER.lam), PAPER.lam),
        r"$\Phi$": descriptor.features(x),
        r"$\mathcal{L}_p$": losses.perceptual_loss(y, x, descriptor.features),
        r"$\lambda_1$": PAPER.lam1,
        r"$\mathcal{L}_{total}$": losses.total_loss(one, one, PAPER.lam1),
        "$F$": metrics.f_score(snet(y).argmax(1), m.argmax(1)),
        "PSNR, SSIM": metrics.psnr(y, x),
        r"$e(\cdot)$": vectors,
        "rank": recognition.ranks(vectors, who, vectors, who),
        "$d_{VGG}$": vgg,
    }


def hooked(module, call):
    """What a module inside a network gives while the network is called."""
    seen = []
    hook = module.register_forward_hook(lambda *given: seen.append(given[-1]))
    call()
    hook.remove()
    return seen


def test_every_shape_and_number_is_what_the_library_gives(rows, found):
    stated = {symbol: said for symbol, said in rows.items() if said}
    assert set(stated) == set(found)
    for symbol, said in stated.items():
        value, sizes = found[symbol] if isinstance(found[symbol], tuple) else (found[symbol], {})
        shape = re.match(r"\([^)]*\)", said)
        if shape:
            assert tuple(value.shape) == eval(shape[0].replace("/", "//"), {}, SIZES | sizes), symbol
        elif said == "scalar":
            assert value.shape == (), symbol
        else:
            assert float(said) == value, symbol


def test_every_name_is_in_the_library(page):
    names = set(re.findall(r"`([a-z_]+\.[A-Za-z_.]+)`", page))
    assert len(names) > 30
    for name in names - {"umsn.networks.losses.class_losses"}:
        module, *attributes = name.removeprefix("umsn.").split(".")
        thing = importlib.import_module(MODULES[module])
        for attribute in attributes:
            fields = {**getattr(thing, "__annotations__", {}), **getattr(thing, "__dataclass_fields__", {})}
            assert hasattr(thing, attribute) or attribute in fields, name
            thing = getattr(thing, attribute, None)

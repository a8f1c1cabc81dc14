"""Methods that share one S-Net restore what each of them would alone."""

from itertools import chain

import pytest
import torch

from umsn.data.chosen import chosen, faces_to_test
from umsn.evaluation import Protocol
from umsn.evaluation.methods import UNTRAINED, restoring, sharing
from umsn.evaluation.metrics import psnr
from umsn.evaluation.protocol import blurred_batches
from umsn.files import InputError
from umsn.networks.deblurring import build
from umsn.networks.parsing import SNet
from umsn.networks.weights import Pipeline


class Counted(SNet):
    """S-Net that counts how often it is asked."""

    asked = 0

    def masks(self, image):
        self.asked += 1
        return super().masks(image)


def pipelines(snet):
    return {row: Pipeline(snet, build(row, width=8).eval(), {}, row) for row in ("bnet", "maps", "nrl")}


def test_they_restore_as_alone_and_ask_s_net_once_a_batch():
    torch.manual_seed(0)
    snet = Counted(widths=(4, 8)).eval()
    networks, batches = pipelines(snet), torch.rand(2, 2, 3, 32, 32)
    alone = [[restoring(found)(blurred) for found in networks.values()] for blurred in batches]
    methods, snet.asked = sharing(networks), 0
    together = [[method(blurred) for method in methods.values()] for blurred in batches]
    assert snet.asked == len(batches)
    for one, other in zip(chain(*alone), chain(*together), strict=True):
        assert torch.equal(one, other)


@pytest.fixture(scope="module")
def blurred():
    """A synthetic face on which a rounding moves PSNR in 32 bits: with cho by up to 0.1 dB, with shan by 0.03."""
    faces, window = faces_to_test(chosen("2", layout="synthetic", limit=None), seed=0, window=None)
    return list(blurred_batches(faces, Protocol((13, 19, 25), 1, 0.01, 0, "mass", window), batch=1))[4]


@pytest.mark.parametrize("name", ["cho", "shan"])
def test_a_rounding_of_the_image_changes_nothing_that_shows(blurred, name):
    """As another processor rounds it."""
    rounding = torch.rand(blurred.blurred.shape, generator=torch.Generator().manual_seed(1)) - 0.5
    once, again = (UNTRAINED[name](image) for image in (blurred.blurred, blurred.blurred + 1.2e-7 * rounding))
    assert once.dtype == blurred.blurred.dtype
    assert psnr(once, blurred.sharp).item() == pytest.approx(psnr(again, blurred.sharp).item(), abs=1e-3)


def test_another_s_net_is_refused():
    networks = pipelines(SNet(widths=(4, 8)).eval())
    networks["maps"] = networks["maps"]._replace(snet=SNet(widths=(4, 8)).eval())
    with pytest.raises(InputError, match="method 'maps': another S-Net than 'bnet'"):
        sharing(networks)

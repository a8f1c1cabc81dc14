"""Methods that share one S-Net restore what each of them would alone."""

from itertools import chain

import pytest
import torch

from umsn.evaluation.methods import UNTRAINED, restoring, sharing
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


@pytest.mark.parametrize("name", ["cho", "shan", "xu"])
def test_a_rounding_of_the_image_changes_nothing_that_shows(name):
    """As another processor rounds; in 32 bits a kernel may jump, and PSNR by tenths of a dB."""
    blurred = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    once, again = (UNTRAINED[name](image) for image in (blurred, (blurred * (1 + 1e-7)).clamp(0, 1)))
    assert once.dtype == blurred.dtype
    assert not torch.equal(blurred, (blurred * (1 + 1e-7)).clamp(0, 1))
    assert (once - again).abs().max() < 1e-3


def test_another_s_net_is_refused():
    networks = pipelines(SNet(widths=(4, 8)).eval())
    networks["maps"] = networks["maps"]._replace(snet=SNet(widths=(4, 8)).eval())
    with pytest.raises(InputError, match="method 'maps': another S-Net than 'bnet'"):
        sharing(networks)

"""What the networks learn from: blurred before it is cropped, one class or all, by shakes of every kind."""

import pytest
import torch
from training import short, striped

from umsn.data.blur import blur, kernels
from umsn.training.batches import Source, drawn_faces

FACES = striped()


def test_a_batch_blurs_one_class_only_when_told_to():
    source = Source.of(FACES, short(sigma=(0.0, 0.0)), seed=0)
    batch = source.batch(3, torch.Generator().manual_seed(1), only=2)
    changed = (batch.blurred != batch.sharp).any(1)
    assert changed.any() and not (changed & (batch.masks[:, 2] == 0)).any()
    both = source.batch(3, torch.Generator().manual_seed(1))
    assert torch.equal(both.sharp, batch.sharp) and (both.blurred != both.sharp).any(1).float().mean() > 0.9


def test_a_batch_is_blurred_before_it_is_cropped():
    """Every training image is a window of its photograph blurred whole, so no border shows inside."""
    source = Source.of(striped(1, side=64), short(sigma=(0.0, 0.0), crop=64, kernels=1), seed=0)
    batch = source.batch(1, torch.Generator().manual_seed(1))
    torch.testing.assert_close(batch.blurred, blur(batch.sharp, source.kernels[:1]).clamp(0, 1))


def test_the_hand_trembles_as_the_recipe_says():
    """The more anxious, the less far the shake reaches from its middle; drawn anew for every kernel."""

    def spread(**recipe):
        stock = Source.of(FACES, short(kernels=90, **recipe), seed=0).kernels
        at = torch.arange(29.0) - 14
        middle = torch.stack([(stock.sum(2) * at).sum(1), (stock.sum(1) * at).sum(1)])
        return (stock.sum(2) * at**2).sum(1) + (stock.sum(1) * at**2).sum(1) - middle.pow(2).sum(0)

    calm, paper, anxious = (spread(anxiety=(a, a)) for a in (0.0005, 0.005, 0.05))
    assert calm.mean() > paper.mean() > anxious.mean()
    mixed = spread(anxiety=(0.0005, 0.05))
    assert anxious.mean() < mixed.mean() < calm.mean() and mixed.std() > max(anxious.std(), calm.std())


def test_kernels_of_one_anxiety_are_those_of_the_generator_alone():
    stock = Source.of(FACES, short(kernels=9), seed=3).kernels
    sizes = torch.arange(13, 30, 2)
    assert torch.equal(stock, kernels(sizes, torch.Generator().manual_seed(3), pad_to=29))


def test_drawn_faces_are_drawn_once(tmp_path, monkeypatch):
    first = drawn_faces(2, tmp_path / "faces", seed=3, margin=2)
    assert first.photos.shape == (2, 3, 132, 132)
    monkeypatch.setattr("umsn.data.synthetic.faces", lambda *_, **__: pytest.fail("drawn again"))
    again = drawn_faces(2, tmp_path / "faces", seed=3, margin=2)
    assert torch.equal(first.photos, again.photos) and torch.equal(first.labels, again.labels)

"""Whose face a restored face is nearest to (Sec. IV-B.c, Table V)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from umsn.files import InputError


def ranks(
    probes: Tensor,
    probe_ids: Tensor,
    gallery: Tensor,
    gallery_ids: Tensor,
    *,
    probe_sources: Tensor | None = None,
    gallery_sources: Tensor | None = None,
) -> Tensor:
    """At which place of the gallery each probe meets its own identity: (P,), from 1.

    probes: (P, D) embeddings
    probe_ids: (P,) whose faces they are
    gallery: (G, D) embeddings, sorted for each probe by Euclidean distance (OpenFace's; for unit vectors the order of
        cosines too); of equally near images the wrong identity comes first
    gallery_ids: (G,) whose faces they are
    probe_sources, gallery_sources: (P,) and (G,) numbers of the photographs; what is of the probe's own source is left
        out of its gallery: a restored face must not meet the photograph it was made from. By default all are kept

    Raises InputError for shapes that do not fit, numbers that are not finite, or a probe without its
    identity in the gallery.
    """
    if probes.ndim != 2 or gallery.ndim != 2 or probes.shape[1] != gallery.shape[1]:
        raise InputError(
            f"embeddings {tuple(probes.shape)} and {tuple(gallery.shape)}: (P, D) and (G, D) were expected"
        )
    if probe_ids.shape != probes.shape[:1] or gallery_ids.shape != gallery.shape[:1]:
        raise InputError(
            f"{len(probes)} probes of {len(probe_ids)} identities, a gallery of {len(gallery)} of {len(gallery_ids)}: "
            "one identity an image was expected"
        )
    if (probe_sources is None) != (gallery_sources is None):
        raise InputError("sources of only one side: those of the probes and of the gallery were expected")
    if not (probes.isfinite().all() and gallery.isfinite().all()):
        raise InputError("embeddings that are not finite numbers: nothing can be ranked by them")
    distance = torch.cdist(probes.double(), gallery.double(), compute_mode="donot_use_mm_for_euclid_dist")
    same = probe_ids[:, None] == gallery_ids
    if probe_sources is not None and gallery_sources is not None:
        distance = distance.masked_fill(probe_sources[:, None] == gallery_sources, torch.inf)
    nearest = distance.masked_fill(~same, torch.inf).amin(dim=1, keepdim=True)  # (P, 1)
    if not nearest.isfinite().all():
        lost = int(probe_ids[nearest[:, 0].isinf()][0])
        raise InputError(f"identity {lost}: a probe without another image of it in the gallery")
    return ((distance <= nearest) & ~same).sum(dim=1) + 1


def top_k(
    probes: Tensor,
    probe_ids: Tensor,
    gallery: Tensor,
    gallery_ids: Tensor,
    ks: Sequence[int] = (1, 3, 5),
    *,
    probe_sources: Tensor | None = None,
    gallery_sources: Tensor | None = None,
) -> dict[int, float]:
    """Table V: the share of probes, 0..1, that have an image of their own identity among the k nearest of the gallery.

    probes, probe_ids, gallery, gallery_ids, probe_sources, gallery_sources: as for `ranks`
    ks: the numbers of neighbours that are looked at

    Errors as of `ranks`, whose result gives intervals as well.
    """
    found = ranks(probes, probe_ids, gallery, gallery_ids, probe_sources=probe_sources, gallery_sources=gallery_sources)
    return {k: float((found <= k).double().mean()) for k in ks}


def each_in_turn(embeddings: Tensor, identities: Tensor) -> Tensor:
    """Table V's row of clear images, with every photograph a probe once: (N, D), (N,) -> ranks (N,).

    In each round one photograph of every identity is a probe and all the others are the gallery, as the paper's 100
    probes face 100 x 9 images. Raises InputError unless all identities have equally many photographs, two or more.
    """
    people, counts = identities.unique(return_counts=True)
    if counts.min() != counts.max() or counts.min() < 2:
        raise InputError(f"{int(counts.min())} to {int(counts.max())} photographs an identity: equally many, 2 or more")
    places = torch.stack([torch.nonzero(identities == p)[:, 0] for p in people])  # (identities, photographs)
    found = torch.empty(len(identities), dtype=torch.int64)
    for probes in places.T:
        kept = torch.ones(len(identities), dtype=torch.bool).index_fill_(0, probes, False)
        found[probes] = ranks(embeddings[probes], identities[probes], embeddings[kept], identities[kept])
    return found

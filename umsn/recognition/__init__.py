"""Face descriptors: for the perceptual loss (Eq. 5), for d_VGG (Table IV) and for recognition (Table V).

Four kinds fill the same places: our own small `Descriptor`, which comes with the package and is called a stand-in
wherever it is used; `DlibRecogniser`, which others trained and whoever wants it fetches; `VGGFace` for whoever has its
weights; any recognition network in ONNX (`OnnxEmbedder`).
"""

from umsn.recognition.alignment import aligned, by_box, by_points, five_points
from umsn.recognition.descriptor import Descriptor, shipped_descriptor, train_descriptor
from umsn.recognition.embedder import IMAGENET_MEAN, IMAGENET_STD, OnnxEmbedder
from umsn.recognition.independent import DlibRecogniser, Judge, check_judge, judge, judge_in_words
from umsn.recognition.ranking import each_in_turn, ranks, top_k
from umsn.recognition.vgg import VGGFace, d_vgg, read_vgg_face

__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "Descriptor",
    "DlibRecogniser",
    "Judge",
    "OnnxEmbedder",
    "VGGFace",
    "aligned",
    "by_box",
    "by_points",
    "check_judge",
    "d_vgg",
    "each_in_turn",
    "five_points",
    "judge",
    "judge_in_words",
    "ranks",
    "read_vgg_face",
    "shipped_descriptor",
    "top_k",
    "train_descriptor",
]

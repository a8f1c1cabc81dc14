import numpy as np
import pandas as pd

from umsn.experiments.curves import TARGET, TERMS, extrapolated
from umsn.pages.figures import lengths


def test_a_panel_a_term_and_a_fit_where_there_is_one():
    images = np.linspace(100, 4000, 20)
    columns = {"seed": 0, "images": images, "value": 25 - 4 * images**-0.3}
    points = [pd.DataFrame({"training": "umsn, gpu", "term": "validation psnr", **columns})]
    points.append(points[0].assign(training="bnet, gpu", term="l1").iloc[:5])
    fits = [extrapolated(some) for some in points]
    figure = lengths.extrapolated(pd.concat(points), fits, labels=TERMS)
    assert [axes.get_ylabel() for axes in figure.axes] == list(TERMS.values())
    above, below = figure.axes
    assert len(above.lines) == 2 and above.lines[1].get_xdata()[-1] > 0.9 * TARGET
    assert len(below.lines) == 1, "five lengths are too few for a fit"
    assert above.get_legend().get_texts()[0].get_text() == "UMSN, gpu" and len(above.get_legend().get_texts()) == 1

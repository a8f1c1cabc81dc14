"""The paper's tables as typed in: against its text where that is at hand, and against laws of their own everywhere."""

import csv
import re

import numpy as np
import pandas as pd
import pytest

from umsn.faces import CLASSES

ROWS = {"table1": 32, "table2": 12, "table3": 44, "table4": 12, "table5": 27, "table6": 20, "table7": 24, "table8": 16}
RANGES = {
    "PSNR": (10, 40),
    "SSIM": (0, 1),
    "F-score": (0, 1),
    "C": (0, 1),
    "d_VGG": (0, 20),
    "Top-1": (0, 100),
    "Top-3": (0, 100),
    "Top-5": (0, 100),
}
NUMERALS = dict(zip(ROWS, ("I", "II", "III", "IV", "V", "VI", "VII", "VIII"), strict=True))


@pytest.fixture(scope="module")
def reported(home):
    names = [*ROWS, "pubfig"]
    return {name: pd.read_csv(home / "results" / "reported" / f"{name}.csv") for name in names}


@pytest.fixture(scope="module")
def paper(home):
    text = home.parent / "shared" / "paper" / "umsn.md"
    if not text.exists():
        pytest.skip("the paper's text is not beside this checkout; the tables are checked by their own laws only")
    return text.read_text(encoding="utf-8")


def strings(home, name):
    with (home / "results" / "reported" / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def table_lines(paper, numeral):
    """The rows of a table that hold values, from the lines above its caption."""
    above = paper.split(f"TABLE {numeral}:")[0].rstrip().splitlines()
    rows = []
    while above and "\t" in above[-1]:
        rows.insert(0, above.pop())
    return [row for row in rows if values_of(row)]


def values_of(row):
    return [cell.rstrip("%") for cell in row.split("\t") if re.fullmatch(r"\d+\.\d+|\d+%", cell.strip())]


@pytest.mark.parametrize("name", ROWS)
def test_values_are_the_papers(home, paper, name):
    rows = strings(home, name)
    if name == "table2":  # printed class by class
        rows.sort(key=lambda row: CLASSES.index(row["class"]))
    printed = [value for line in table_lines(paper, NUMERALS[name]) for value in values_of(line)]
    assert [row["value"] for row in rows] == printed


@pytest.mark.parametrize("name", ["table3", "table4", "table5", "table6"])
def test_methods_are_the_papers(reported, paper, name):
    methods = reported[name]["method"].unique()
    for method, line in zip(methods, table_lines(paper, NUMERALS[name]), strict=True):
        assert re.split(r" et al\.| without", method)[0] in line
        year = re.search(r"\d{4}", method)
        assert year is None or year[0][2:] in re.findall(r"(\d\d)\)", line)
        assert ("GAN" in method) == ("GAN" in line)


def test_pubfig_is_the_papers(home, paper):
    said = re.search(
        r"achieved by \[12\] are ([\d.]+) and ([\d.]+), whereas our method achieved ([\d.]+) and ([\d.]+),", paper
    )
    assert [row["value"] for row in strings(home, "pubfig")] == list(said.groups())


def test_tables_are_tidy(reported):
    for name, table in reported.items():
        assert len(table) == {**ROWS, "pubfig": 4}[name]
        assert table["table"].unique().tolist() == [NUMERALS.get(name, "text")]
        assert not table.drop(columns="value").duplicated().any()
        assert set(table["class"].dropna()) in (set(), set(CLASSES))
        assert set(table["dataset"].dropna()) <= {"Helen", "CelebA", "PubFig"}
        for metric, values in table.groupby("metric")["value"]:
            low, high = RANGES[metric]
            assert values.between(low, high, inclusive="neither").all()


@pytest.mark.parametrize(("name", "best"), [("table1", "max"), ("table3", "max"), ("table4", "min"), ("table5", "max")])
def test_umsn_is_best(reported, name, best):
    table = reported[name]
    table = table[table["method"] != "Clear images"]
    columns = table.groupby(["dataset", "metric", "class"], dropna=False)
    for _, column in columns:
        values = column.set_index("method")["value"]
        assert values["UMSN"] == getattr(values, best)()
        assert (values == values["UMSN"]).sum() == 1


def test_recognition_grows_with_k(reported):
    wide = reported["table5"].pivot(index="method", columns="metric", values="value")
    assert (wide["Top-1"] < wide["Top-3"]).all()
    assert (wide["Top-3"] < wide["Top-5"]).all()
    assert (wide.loc["Clear images"] == wide.max()).all()


def test_every_step_of_the_ablation_gains(reported):
    table = reported["table6"]
    for _, column in table.groupby(["dataset", "metric"]):
        assert column["value"].is_monotonic_increasing
    last = table[table["method"] == "UMSN"].set_index(["dataset", "metric"])["value"]
    whole = reported["table3"].query("method == 'UMSN'").set_index(["dataset", "metric"])["value"]
    assert np.allclose(last, whole.round(2)[last.index])


def test_fine_tuning_helps_parsing_of_blurry_images(reported):
    wide = reported["table2"].pivot(index="class", columns=["method", "image"], values="value")
    trained, tuned = "S-Net, trained on clean images", "S-Net, fine-tuned with blurry images"
    assert (wide[trained, "clean"] > wide[tuned, "blurry"]).all()
    assert (wide[tuned, "blurry"] > wide[trained, "blurry"]).all()


def test_confidence_grows_with_training_and_falls_with_blur(reported):
    for _, column in reported["table7"].sort_values("iteration").groupby(["image", "class"]):
        assert column["iteration"].tolist() == [3000, 50000, 100000]
        assert column["value"].is_monotonic_increasing
    for _, column in reported["table8"].sort_values("kernel").groupby(["image", "class"]):
        assert column["kernel"].tolist() == [17, 27]
        assert column["value"].is_monotonic_decreasing


def test_tables_one_and_three_do_not_fit_together(reported, home):
    """The whole can have at most the PSNR that four disjoint classes add up to; all four of Table III have more."""
    classes = reported["table1"].query("metric == 'PSNR'").replace("Shen et al.", "Shen et al. (CVPR 2018)")
    whole = reported["table3"].query("metric == 'PSNR'").set_index(["dataset", "method"])["value"]
    note = (home / "results" / "reported" / "README.md").read_text(encoding="utf-8")
    for key, column in classes.groupby(["dataset", "method"]):
        at_most = -10 * np.log10((10 ** (-column["value"] / 10)).sum())
        assert whole[key] > at_most + 0.2
        assert whole[key] < column["value"].min()
        assert f"{at_most:.2f}" in note
        assert f"{whole[key]:.2f}" in note


def test_pubfig_gains(reported):
    wide = reported["pubfig"].pivot(index="method", columns="metric", values="value")
    assert (wide.loc["UMSN"] > wide.loc["Song et al. (IJCV 2019)"]).all()

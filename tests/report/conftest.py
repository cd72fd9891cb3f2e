"""Summaries made by hand: jets with a known response, dijets and balances with known numbers, one jet's particles."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coffea_mljec.report import Cloud
from coffea_mljec.validation.balance.summary import BalanceCell, BalancePoint, BalanceSummary
from coffea_mljec.validation.common.measured import NO_GENERATOR, Measured
from coffea_mljec.validation.dijet.cells import AlphaPoint, DijetCell, Distribution
from coffea_mljec.validation.dijet.summary import DijetSummary
from tests.patience import PATIENCE
from tests.validation.conftest import Toy

PROVIDERS = ["standard", "model"]
SAMPLE = {"origin": {"NanoAOD simulation": 5000}, "jets": {"AK4 PUPPI": 5000}, "sqrt_s": {"13.6 TeV": 5000}}


@pytest.fixture(scope="session")
def toy() -> Any:
    return Toy()


def dijets(data: bool = False) -> DijetSummary:
    """Resolutions that differ by provider and bin; on data the truth is unknown."""
    unknown = Measured(None, None, NO_GENERATOR)
    eta_edges, pt_edges = [0.0, 1.3, 2.5], [50.0, 100.0, 200.0]
    cells, distributions = [], []
    for provider, scale in zip(PROVIDERS, (1.0, 0.9), strict=True):
        for pair, ranges in (("same", [[0.0, 1.3], [1.3, 2.5]]), ("reference", [[1.3, 2.5]])):
            for eta in ranges:
                for pt in ([50.0, 100.0], [100.0, 200.0]):
                    width = scale * 10 / pt[0] ** 0.5 / 10
                    truth = unknown if data else Measured(width * 1.02, 0.001)
                    cells.append(
                        DijetCell(
                            provider, pair, eta, pt, 1234, Measured(width, 0.002), truth, Measured(width, 0.002),
                            Measured(width, 0.003), truth, unknown if data else Measured(0.98, 0.03),
                            Measured(0.001, 0.001),
                            [AlphaPoint(a, 1000, Measured(width + a / 10, 0.002), truth) for a in (0.1, 0.2, 0.3)],
                        )
                    )  # fmt: skip
                    edges = [-1.0 + 0.02 * k for k in range(101)]
                    counts = [max(0.0, 50.0 - abs(k - 50)) for k in range(100)]
                    distributions.append(
                        Distribution(provider, pair, eta, pt, edges, counts, None if data else counts[::-1])
                    )
    return DijetSummary(
        PROVIDERS, ["toy"], 30, {"events": 5000}, SAMPLE, {"events": 5000, "two_jets": 4000}, "quantiles",
        eta_edges, pt_edges, [0.0, 1.3], cells, distributions,
    )  # fmt: skip


def balance() -> BalanceSummary:
    cells = [
        BalanceCell(
            provider, [0.0, 1.3], pt, 777, Measured(0.9, 0.01), Measured(0.97, 0.01), Measured(0.91, 0.01),
            Measured(0.99, 0.01), Measured(0.99, 0.01), Measured(1.0, 0.02), Measured(0.1, 0.01),
            [BalancePoint(0.3, 777, Measured(0.9, 0.01), Measured(0.97, 0.01), Measured(0.91, 0.01))],
        )
        for provider in PROVIDERS
        for pt in ([30.0, 60.0], [60.0, 120.0])
    ]  # fmt: skip
    return BalanceSummary(
        PROVIDERS, ["toy"], 30, {"events": 900}, SAMPLE, {"events": 900, "pair": 800}, "quantile",
        [0.0, 1.3], [30.0, 60.0, 120.0], "Z boson", "PuppiMET", cells,
    )  # fmt: skip


def cloud(flavour: str | None = "b") -> Cloud:
    return Cloud(
        1, 2, 3, 0, flavour, 0.4, 1.2, 0.5, 95.0, None if flavour is None else 100.0,
        {"standard": 98.0, "model": 101.0}, ["charged hadron", "photon", "other"], [60.0, 30.0, 5.0],
        [0.01, -0.1, 0.2], [0.0, 0.1, -0.3], [[0.02, 0.01, 1.5]],
    )  # fmt: skip


@pytest.fixture(scope="session")
def screenshot(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """``screenshot(page, width, height)``: the page as headless Chromium shows it, as an array [y, x, 3]."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine to open the page with")

    def take(page: Path, width: int = 1280, height: int = 900) -> Any:
        import numpy as np
        from PIL import Image

        folder = tmp_path_factory.mktemp("browser")
        picture = folder / "page.png"
        subprocess.run(
            [
                chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
                f"--user-data-dir={folder / 'profile'}", f"--window-size={width},{height}",
                f"--screenshot={picture}", page.as_uri(),
            ],
            check=True, capture_output=True, timeout=PATIENCE,
        )  # fmt: skip
        with Image.open(picture) as image:
            return np.asarray(image.convert("RGB"))

    return take


@pytest.fixture
def open_file(tmp_path: Path) -> Callable[[], Any]:
    """``open_file()``: NanoEvents of a file with jets and without their constituents."""
    from tests.factories import two_jets, write

    def open_it() -> Any:
        from coffea.nanoevents import NanoAODSchema, NanoEventsFactory

        path = write(two_jets(), tmp_path / "nano.root")
        return NanoEventsFactory.from_root({str(path): "Events"}, schemaclass=NanoAODSchema, mode="virtual").events()

    return open_it

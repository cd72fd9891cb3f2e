"""Why the graphs are written by hand: torch's exporter has no ONNX function for sums over a jet's rows."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'coffea-mljec[train]'")
pytest.importorskip("onnxscript", reason="onnxscript is not installed: pip install 'coffea-mljec[train]'")

from training.networks.rows.segments import segment_sums  # noqa: E402


class Sums(torch.nn.Module):
    """What every network of ours does between constituents and jets."""

    def forward(self, rows: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
        return segment_sums(rows, offsets)


@pytest.mark.filterwarnings("ignore")  # of torch, about torch
def test_torch_cannot_export_the_sums_over_a_jets_rows() -> None:
    arguments = torch.ones(5, 2), torch.tensor([0, 2, 2, 5])
    assert Sums()(*arguments).tolist() == [[2.0, 2.0], [0.0, 0.0], [3.0, 3.0]]
    free = {0: torch.export.Dim.DYNAMIC}
    with pytest.raises(torch.onnx.OnnxExporterError, match="segment_reduce"):
        torch.onnx.export(Sums(), arguments, dynamo=True, dynamic_shapes=(free, free), verbose=False)

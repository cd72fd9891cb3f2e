"""Prepared jets: a production's files -> selected jets and their features in memory-mapped arrays -> flat batches."""

from __future__ import annotations

from training.dataset.cache import PreparedJets, prepare
from training.dataset.selection import JetTable, Selection, select_jets
from training.dataset.splits import SPLITS, first_scatters, split_of

__all__ = ["SPLITS", "JetTable", "PreparedJets", "Selection", "first_scatters", "prepare", "select_jets", "split_of"]

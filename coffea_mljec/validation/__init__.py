"""Validation: response, resolution and flavour dependence of providers, from files to tables and plots."""

from coffea_mljec.validation.processor import ResponseProcessor
from coffea_mljec.validation.report import Report, write_report
from coffea_mljec.validation.summary import Summary, summarise
from coffea_mljec.validation.table import markdown, rich_table

__all__ = ["Report", "ResponseProcessor", "Summary", "markdown", "rich_table", "summarise", "write_report"]

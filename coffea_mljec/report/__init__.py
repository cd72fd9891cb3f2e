"""The report of a validation: figures in the CMS style, numbers as JSON, tables, and one page that holds all of it."""

from __future__ import annotations

from coffea_mljec.report.files import Report, write_report
from coffea_mljec.validation.response.clouds import Cloud, find_clouds

__all__ = ["Cloud", "Report", "find_clouds", "write_report"]

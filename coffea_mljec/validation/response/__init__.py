"""The response to generator jets: processor, summary, tables, figures."""

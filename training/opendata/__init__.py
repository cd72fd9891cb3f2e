"""Public CMS samples: the jet tuples of CERN Open Data record 12100, in PFNano's layout and in published bins."""

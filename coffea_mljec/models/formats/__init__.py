"""Files of networks from elsewhere, read into models of this package."""

"""The same networks on other problems: jets under a heavy background, tagging, unfolding. One command each."""

"""Rows of constituents: batch norm with ReLU in few passes, and sums over each jet's rows."""

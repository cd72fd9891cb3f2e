"""Who runs a network: onnxruntime, or kernels of our own that read the weights from the same graph."""

"""Networks and trees as ONNX graphs on flat inputs."""

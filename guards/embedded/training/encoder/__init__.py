"""Training of the accurate tier; needs the ``encoder`` dependency group (torch, onnx)."""

"""One small rule for each operator of PyTorch (ATen) that has a meaning here."""

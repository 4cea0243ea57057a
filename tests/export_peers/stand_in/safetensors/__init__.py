"""A reader of safetensors files of 32-bit floats, for tests where the real one is not installed."""

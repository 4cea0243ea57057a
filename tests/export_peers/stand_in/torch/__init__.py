"""The part of PyTorch that an exported module.py uses, in NumPy: for tests where PyTorch itself is not installed.

It computes with the definitions of PyTorch's documentation and checks names and shapes as strictly.
"""

import numpy

from . import nn  # noqa: F401


class Tensor:
    def __init__(self, values):
        self.values = numpy.asarray(values)

    @property
    def shape(self):
        return self.values.shape

    def numpy(self):
        return self.values

    def float(self):
        return Tensor(self.values.astype("float32"))

    def view(self, *shape):
        return Tensor(self.values.reshape(shape))

    def flatten(self, start):
        return Tensor(self.values.reshape(*self.shape[:start], -1))

    def mean(self, axes):
        return Tensor(self.values.mean(axes, dtype="float32"))

    def new_zeros(self, *shape):
        return Tensor(numpy.zeros(shape, self.values.dtype))

    def __getitem__(self, at):
        return Tensor(self.values[at])

    def __setitem__(self, at, value):
        self.values[at] = value.values

    def __add__(self, other):
        return Tensor(self.values + plain(other))

    def __sub__(self, other):
        return Tensor(self.values - plain(other))

    def __mul__(self, other):
        return Tensor(self.values * plain(other))

    def __truediv__(self, other):
        return Tensor(self.values / plain(other))


def plain(value):
    """The array of a tensor; a number as it is."""
    return value.values if isinstance(value, Tensor) else value


def tensor(values):
    return Tensor(numpy.array(values, "float32"))


def from_numpy(values):
    return Tensor(values)


def cat(tensors, axis):
    return Tensor(numpy.concatenate([tensor.values for tensor in tensors], axis))


def relu(x):
    return Tensor(numpy.maximum(x.values, 0))


def tanh(x):
    return Tensor(numpy.tanh(x.values))

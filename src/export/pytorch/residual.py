class Residual(nn.Module):
    """The sum of a path of convolutions and a shortcut, then optional ReLU. `join` holds the number of channels of
    the sum and, for each path, the channel of the sum that each of its channels is added to."""

    def __init__(self, body, shortcut=None, join=None, relu=True):
        super().__init__()
        for index, conv in enumerate(body):
            setattr(self, f"conv{index}", conv)
        self.length = len(body)
        self.shortcut = shortcut
        self.join = join
        self.relu = relu

    def forward(self, x):
        body = x
        for index in range(self.length):
            body = getattr(self, f"conv{index}")(body)
        if self.shortcut is not None:
            x = self.shortcut(x)
        if self.join is not None:
            channels, of_body, of_shortcut = self.join
            body, x = spread(body, of_body, channels), spread(x, of_shortcut, channels)
        return torch.relu(body + x) if self.relu else body + x


def spread(x, places, channels):
    """Channel i of x becomes channel places[i] of `channels`; the others are zero."""
    y = x.new_zeros(x.shape[0], channels, *x.shape[2:])
    y[:, places] = x
    return y

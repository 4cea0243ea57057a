class Conv(nn.Module):
    """Convolution, then optional batch norm and ReLU."""

    def __init__(self, channels, kernels, size, stride=1, bias=True, norm=True, relu=True):
        super().__init__()
        self.conv = nn.Conv2d(channels, kernels, size, stride, size // 2, bias=bias)
        self.bn = nn.BatchNorm2d(kernels) if norm else None
        self.relu = relu

    def forward(self, x):
        x = self.conv(x)
        if self.bn is not None:
            x = self.bn(x)
        return torch.relu(x) if self.relu else x

class Conv(nn.Module):
    """Convolution, then optional batch norm, mask and ReLU. `mask` is the hidden width of the mask generator."""

    def __init__(self, channels, kernels, size, stride=1, bias=True, norm=True, mask=None, relu=True):
        super().__init__()
        self.conv = nn.Conv2d(channels, kernels, size, stride, size // 2, bias=bias)
        self.bn = nn.BatchNorm2d(kernels) if norm else None
        self.mask_generator = MaskGenerator(channels, mask, kernels) if mask else None
        self.relu = relu

    def forward(self, x):
        y = self.conv(x)
        if self.bn is not None:
            y = self.bn(y)
        if self.mask_generator is not None:
            y = y * self.mask_generator(x)[:, :, None, None]
        return torch.relu(y) if self.relu else y

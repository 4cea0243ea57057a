class MaskGenerator(nn.Module):
    """The weight of each kernel for an image: relu(tanh(W2 relu(W1 g) + b2)), g the mean of each channel."""

    def __init__(self, channels, hidden, kernels):
        super().__init__()
        self.hidden = nn.Linear(channels, hidden, bias=False)
        self.output = nn.Linear(hidden, kernels)

    def forward(self, x):
        return torch.relu(torch.tanh(self.output(torch.relu(self.hidden(x.mean((2, 3)))))))

//! What a convolution is, and which of its channels matter.

/// The sizes of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    /// Samples, about: what the scheme is chosen for. Any number can be computed.
    pub batch: usize,
    /// Rows of the input.
    pub height: usize,
    /// Columns of the input.
    pub width: usize,
    /// Channels of the input.
    pub cin: usize,
    /// Channels of the output.
    pub cout: usize,
    /// Rows and columns of a kernel.
    pub kernel: usize,
    /// Distance of neighbouring outputs, in input pixels.
    pub stride: usize,
    /// Zeros around the input, on each side.
    pub padding: usize,
}

impl ConvShape {
    /// Rows of the output.
    pub fn out_height(&self) -> usize {
        (self.height + 2 * self.padding - self.kernel) / self.stride + 1
    }

    /// Columns of the output.
    pub fn out_width(&self) -> usize {
        (self.width + 2 * self.padding - self.kernel) / self.stride + 1
    }

    /// Values of one sample's input.
    pub fn input_len(&self) -> usize {
        self.height * self.width * self.cin
    }

    /// Values of one sample's output.
    pub fn output_len(&self) -> usize {
        self.out_height() * self.out_width() * self.cout
    }
}

/// A set of channels for each sample: one row of bits a sample, 64 channels a word, channel 0 in the lowest
/// bit of the first word. Bits past the last channel are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Active<'a> {
    bits: &'a [u64],
    channels: usize,
}

impl<'a> Active<'a> {
    /// Bit rows `[batch, channels.div_ceil(64)]`.
    pub fn new(bits: &'a [u64], channels: usize) -> Self {
        debug_assert_eq!(bits.len() % channels.div_ceil(64), 0);
        Active { bits, channels }
    }

    /// Channels of a sample.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// The part of the channels that a sample has, in the mean.
    pub fn density(&self) -> f64 {
        let ones: usize = self.bits.iter().map(|word| word.count_ones() as usize).sum();
        let words = self.channels.div_ceil(64);
        (ones * words) as f64 / (self.bits.len() * self.channels).max(1) as f64
    }

    /// The words of one sample.
    pub fn sample(&self, sample: usize) -> &'a [u64] {
        let words = self.channels.div_ceil(64);
        &self.bits[sample * words..(sample + 1) * words]
    }

    /// Whether a sample has this channel.
    pub fn has(&self, sample: usize, channel: usize) -> bool {
        self.sample(sample)[channel / 64] >> (channel % 64) & 1 == 1
    }
}

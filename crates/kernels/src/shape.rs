//! The sizes of a convolution, and sets of its channels.

/// The sizes of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    /// Expected batch size; only used to choose an algorithm. Any batch can be run.
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
    /// Input pixels from one output to the next.
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
    ///
    /// # Panics
    ///
    /// If the bits are no whole number of rows, or one past the last channel is set.
    pub fn new(bits: &'a [u64], channels: usize) -> Self {
        let (words, rest) = (channels.div_ceil(64), channels % 64);
        assert!(bits.len().is_multiple_of(words), "bits for rows of {channels} channels");
        // Kernels take each set bit for a channel without looking again.
        let beyond = |row: &[u64]| row[words - 1] >> rest != 0;
        assert!(rest == 0 || !bits.chunks_exact(words).any(beyond), "bits past {channels} channels");
        Active { bits, channels }
    }

    /// Channels of a sample.
    #[inline]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// The mean share of the channels that a sample has, 0..1.
    pub fn density(&self) -> f64 {
        let ones: usize = self.bits.iter().map(|word| word.count_ones() as usize).sum();
        let words = self.channels.div_ceil(64);
        (ones * words) as f64 / (self.bits.len() * self.channels).max(1) as f64
    }

    /// The words of one sample.
    #[inline]
    pub fn sample(&self, sample: usize) -> &'a [u64] {
        let words = self.channels.div_ceil(64);
        &self.bits[sample * words..(sample + 1) * words]
    }

    /// Whether a sample has this channel.
    #[inline]
    pub fn has(&self, sample: usize, channel: usize) -> bool {
        self.sample(sample)[channel / 64] >> (channel % 64) & 1 == 1
    }
}

/// The channels that matter, of input and output; all where there is no set.
#[derive(Clone, Copy, Default)]
pub(crate) struct ChannelSets<'a> {
    pub input: Option<&'a Active<'a>>,
    pub output: Option<&'a Active<'a>>,
}

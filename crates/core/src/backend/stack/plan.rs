//! What the engine runs: values and the steps between them, in order, with neighbouring operations joined.

/// One thing that a network does, as the engine is told it. Convolutions carry what follows them.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// Convolution, then batch norm, mask and ReLU as asked.
    Conv(Conv),
    /// A sum of two paths, then ReLU if asked.
    Residual {
        /// The long path.
        body: Vec<Conv>,
        /// The projection on the short path, if any.
        shortcut: Option<Conv>,
        /// Target channels of the two paths, and how many there are; `None` where both have the same.
        join: Option<(Vec<usize>, Vec<usize>, usize)>,
        /// Whether ReLU follows the sum.
        relu: bool,
    },
    /// Max over non-overlapping windows of this side.
    MaxPool(usize),
    /// Mean over height and width.
    Average,
    /// Channels, height and width as one row of features, in that order.
    Flatten,
    /// max(x, 0).
    Relu,
    /// Zeroes activations with this probability while training and scales the others.
    Dropout(f64),
    /// A fully connected layer with this many outputs.
    Linear(usize),
}

/// A convolution with what follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conv {
    /// Output channels.
    pub kernels: usize,
    /// Side of the window; the padding is half of it.
    pub size: usize,
    /// Step of the window.
    pub stride: usize,
    /// Whether there is a bias.
    pub bias: bool,
    /// Whether batch norm follows.
    pub norm: bool,
    /// Width of the mask generator's hidden layer, where there is a generator.
    pub generator: Option<usize>,
    /// Whether ReLU follows.
    pub relu: bool,
}

/// The steps of a network.
///
/// Parameters are numbered as the pieces come: of a convolution its weight, bias, batch norm (scale, shift,
/// running mean, running variance) and generator (hidden weight, output weight, output bias), as far as it
/// has them; of a linear layer weight and bias. A residual's body comes before its shortcut.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(super) values: Vec<Value>,
    pub(super) steps: Vec<Step>,
    /// Length of each parameter.
    pub(super) parameters: Vec<usize>,
    /// Convolutions with a generator, in order.
    pub(super) masks: usize,
    /// The first steps that evaluation does better sample by sample.
    pub(super) head: usize,
}

/// What a step hands on, for one image: rows of `channels` floats, one a pixel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    /// Steps that read it.
    pub readers: usize,
    /// Whether a reader needs its mean over the pixels.
    pub averaged: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Step {
    pub input: usize,
    pub output: usize,
    pub kind: Kind,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Block(Block),
    Pool(usize),
    Add {
        shortcut: usize,
        join: Option<Join>,
        relu: bool,
    },
    Average,
    Flatten,
    Relu,
    /// `number`: among the dropout stages.
    Dropout {
        number: usize,
        probability: f64,
    },
    Linear {
        weight: usize,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Join {
    pub body: Vec<usize>,
    pub shortcut: Vec<usize>,
}

/// `pool(outer(inner(norm(conv(x)) * mask) + added))`.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// Its number among the blocks.
    pub index: usize,
    pub size: usize,
    pub stride: usize,
    /// Height and width of the convolution's output.
    pub height: usize,
    pub width: usize,
    pub weight: usize,
    pub bias: Option<usize>,
    /// The scale's number; shift, running mean and variance follow it.
    pub norm: Option<usize>,
    pub generator: Option<Generator>,
    /// ReLU before the sum, or the only one.
    pub relu: bool,
    /// The value that is added and whether ReLU follows.
    pub added: Option<(usize, bool)>,
    /// Side of the pooling window behind it; 1 for none.
    pub pool: usize,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Generator {
    /// Its number among the masks.
    pub mask: usize,
    /// The hidden weight's number; output weight and bias follow it.
    pub first: usize,
    pub hidden: usize,
}

impl Plan {
    /// The plan of these pieces for `[channels, height, width]` images. `None` for what the engine does not
    /// run: pieces that do not fit together, or layers without channels.
    pub fn new(input: [usize; 3], pieces: &[Piece]) -> Option<Plan> {
        let mut plan =
            Plan { values: Vec::new(), steps: Vec::new(), parameters: Vec::new(), masks: 0, head: 0 };
        let [channels, height, width] = input;
        let mut current = plan.value(channels, height, width);
        for piece in pieces {
            current = plan.piece(current, piece)?;
        }
        let used = plan.values.iter().all(|value| value.channels * value.height * value.width > 0);
        plan.fuse();
        plan.count_readers();
        plan.head = plan.find_head();
        used.then_some(plan)
    }

    /// How many numbers each parameter has.
    pub fn lengths(&self) -> &[usize] {
        &self.parameters
    }

    /// Outputs an image.
    pub fn outputs(&self) -> usize {
        self.values[self.last()].len()
    }

    pub(super) fn last(&self) -> usize {
        self.steps.last().map_or(0, |step| step.output)
    }

    pub(super) fn blocks(&self) -> impl Iterator<Item = (&Step, &Block)> {
        self.steps.iter().filter_map(|step| match &step.kind {
            Kind::Block(block) => Some((step, block)),
            _ => None,
        })
    }

    fn value(&mut self, channels: usize, height: usize, width: usize) -> usize {
        self.values.push(Value { channels, height, width, readers: 0, averaged: false });
        self.values.len() - 1
    }

    fn parameter(&mut self, length: usize) -> usize {
        self.parameters.push(length);
        self.parameters.len() - 1
    }

    fn step(&mut self, input: usize, kind: Kind, [channels, height, width]: [usize; 3]) -> usize {
        let output = self.value(channels, height, width);
        self.steps.push(Step { input, output, kind });
        output
    }

    fn piece(&mut self, input: usize, piece: &Piece) -> Option<usize> {
        let Value { channels, height, width, .. } = self.values[input];
        let same = [channels, height, width];
        Some(match piece {
            Piece::Conv(conv) => self.conv(input, conv)?,
            Piece::Residual { body, shortcut, join, relu } => {
                let mut long = input;
                for conv in body {
                    long = self.conv(long, conv)?;
                }
                let short = match shortcut {
                    Some(conv) => self.conv(input, conv)?,
                    None => input,
                };
                let Value { channels, height, width, .. } = self.values[long];
                let channels = join.as_ref().map_or(channels, |(.., channels)| *channels);
                let join = join.clone().map(|(body, shortcut, _)| Join { body, shortcut });
                let kind = Kind::Add { shortcut: short, join, relu: *relu };
                self.step(long, kind, [channels, height, width])
            }
            Piece::MaxPool(size) => {
                let pooled = [channels, height.checked_div(*size)?, width.checked_div(*size)?];
                self.step(input, Kind::Pool(*size), pooled)
            }
            Piece::Average => self.step(input, Kind::Average, [channels, 1, 1]),
            Piece::Flatten => self.step(input, Kind::Flatten, [channels * height * width, 1, 1]),
            Piece::Relu => self.step(input, Kind::Relu, same),
            Piece::Dropout(probability) => {
                let earlier = self.steps.iter().filter(|step| matches!(step.kind, Kind::Dropout { .. }));
                let kind = Kind::Dropout { number: earlier.count(), probability: *probability };
                self.step(input, kind, same)
            }
            Piece::Linear(outputs) => {
                let weight = self.parameter(outputs * channels);
                self.parameter(*outputs);
                self.step(input, Kind::Linear { weight }, [*outputs, 1, 1])
            }
        })
    }

    fn conv(&mut self, input: usize, conv: &Conv) -> Option<usize> {
        let Value { channels, height, width, .. } = self.values[input];
        let Conv { kernels, size, stride, .. } = *conv;
        let side = |n: usize| Some((n + 2 * (size / 2)).checked_sub(size)?.checked_div(stride)? + 1);
        let (height, width) = (side(height)?, side(width)?);
        let weight = self.parameter(kernels * channels * size * size);
        let bias = conv.bias.then(|| self.parameter(kernels));
        let norm = conv.norm.then(|| {
            let scale = self.parameter(kernels);
            for _ in 0..3 {
                self.parameter(kernels);
            }
            scale
        });
        let generator = conv.generator.map(|hidden| {
            let first = self.parameter(hidden * channels);
            self.parameter(kernels * hidden);
            self.parameter(kernels);
            self.masks += 1;
            Generator { mask: self.masks - 1, first, hidden }
        });
        let index = self.blocks().count();
        let block = Block {
            index,
            size,
            stride,
            height,
            width,
            weight,
            bias,
            norm,
            generator,
            relu: conv.relu,
            added: None,
            pool: 1,
        };
        Some(self.step(input, Kind::Block(block), [kernels, height, width]))
    }

    /// Joins a sum to the convolution that ends its body, and a pool to the convolution before it.
    fn fuse(&mut self) {
        let mut at = 0;
        while at < self.steps.len() {
            match self.joins_the_step_before(at) {
                true => drop(self.steps.remove(at)),
                false => at += 1,
            }
        }
        self.order_shortcuts();
    }

    fn joins_the_step_before(&mut self, at: usize) -> bool {
        let (before, rest) = self.steps.split_at_mut(at);
        let Step { input, output, kind } = &rest[0];
        let alone = before.iter().chain(&rest[1..]).all(|step| !reads(step, *input));
        let Some(producer) = before.iter_mut().find(|step| step.output == *input && alone) else {
            return false;
        };
        let Kind::Block(block) = &mut producer.kind else { return false };
        match kind {
            _ if block.pool > 1 || block.added.is_some() => return false,
            Kind::Pool(size) => block.pool = *size,
            Kind::Add { shortcut, join: None, relu } if shortcut != input => {
                block.added = Some((*shortcut, *relu));
            }
            _ => return false,
        }
        producer.output = *output;
        true
    }

    /// A block that adds a shortcut must come after the shortcut's own convolution.
    fn order_shortcuts(&mut self) {
        for at in 0..self.steps.len() {
            let Kind::Block(Block { added: Some((shortcut, _)), .. }) = self.steps[at].kind else { continue };
            let later = self.steps[at..].iter().position(|step| step.output == shortcut);
            if let Some(offset) = later {
                self.steps[at..=at + offset].rotate_right(1);
            }
        }
    }

    fn count_readers(&mut self) {
        for step in &self.steps {
            self.values[step.input].readers += 1;
            match &step.kind {
                Kind::Block(block) => {
                    self.values[step.input].averaged |= block.generator.is_some();
                    if let Some((added, _)) = block.added {
                        self.values[added].readers += 1;
                    }
                }
                Kind::Add { shortcut, .. } => self.values[*shortcut].readers += 1,
                Kind::Average => self.values[step.input].averaged = true,
                _ => {}
            }
        }
    }
}

impl Plan {
    /// Whether one sample has rows enough to use each of a convolution's weights well: fewer where these stay near but
    /// are no trifle, so that a product is long all the same.
    fn is_large(&self, step: &Step, block: &Block) -> bool {
        let pixels = block.height * block.width;
        let channels = self.values[step.input].channels * self.values[step.output].channels;
        let (rows, weights) = match (block.size, block.stride) {
            (3, 1) => (pixels / 16, 36 * channels),
            (size, _) => (pixels, size * size * channels),
        };
        rows >= if (1 << 15..=1 << 18).contains(&weights) { 16 } else { 32 }
    }

    /// The steps over large images before everything else, as far as they leave one value and no masks; none if they
    /// hold a single convolution: nothing is gained where no other reads its output at once.
    fn find_head(&self) -> usize {
        let (mut head, mut convolutions) = (0, 0);
        let mut made = vec![0];
        for (at, step) in self.steps.iter().enumerate() {
            let large = match &step.kind {
                Kind::Block(block) => block.generator.is_none() && self.is_large(step, block),
                Kind::Add { .. } | Kind::Pool(_) | Kind::Relu => true,
                _ => false,
            };
            if !large {
                break;
            }
            convolutions += usize::from(matches!(step.kind, Kind::Block(_)));
            let closed =
                self.steps[at + 1..].iter().all(|later| made.iter().all(|&value| !reads(later, value)));
            if closed && convolutions > 1 {
                head = at + 1;
            }
            made.push(step.output);
        }
        head
    }
}

impl Value {
    /// Floats an image.
    pub(super) fn len(&self) -> usize {
        self.channels * self.pixels()
    }

    pub(super) fn pixels(&self) -> usize {
        self.height * self.width
    }
}

fn reads(step: &Step, value: usize) -> bool {
    let other = match &step.kind {
        Kind::Block(block) => block.added.is_some_and(|(added, _)| added == value),
        Kind::Add { shortcut, .. } => *shortcut == value,
        _ => false,
    };
    step.input == value || other
}

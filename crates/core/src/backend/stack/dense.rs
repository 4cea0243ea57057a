//! Mask generators and linear layers.

use super::backward::Back;
use super::forward::Under;
use super::passes;
use super::plan::{Block, Generator, Step};
use super::share::each;
use super::{Buffer, Engine};

impl Engine {
    /// relu(tanh(W2 relu(W1 g) + b2)), where g is the mean of each input channel: the mask, and the hidden
    /// layer.
    pub(super) fn mask(&mut self, input: usize, block: &Block, pass: &Under<'_>) -> Option<(Buffer, Buffer)> {
        let Generator { mask: number, first, hidden } = block.generator?;
        let batch = pass.tape.batch;
        let bias = pass.parameters[first + 2];
        let mut inner = self.buffers.take(batch * hidden);
        let mut mask = self.buffers.take(batch * bias.len());
        let (kernel, scratch) = (self.kernels.of(first), &mut self.scratch);
        kernel.forward(pass.tape.mean(input), None, None, &mut inner, scratch);
        inner.iter_mut().for_each(|h| *h = if *h < 0.0 { 0.0 } else { *h });
        let (kernel, scratch) = (self.kernels.of(first + 1), &mut self.scratch);
        kernel.forward(&inner, None, None, &mut mask, scratch);
        let isa = self.isa;
        each(self.threads, mask.chunks_exact_mut(bias.len()), |_, row| {
            passes::masks(isa, row, bias);
        });
        if let Some(imposed) = self.imposed.get(number) {
            mask.copy_from_slice(imposed);
        }
        Some((mask, inner))
    }

    /// The way back through a generator: from the mask's gradient to that of the input's mean.
    pub(super) fn mask_back(
        &mut self,
        input: usize,
        generator: Generator,
        (mask, hidden): (&[f32], &[f32]),
        mut dmask: Buffer,
        back: &mut Back<'_>,
    ) -> Buffer {
        let Generator { first, .. } = generator;
        let batch = back.tape.batch;
        let channels = mask.len() / batch;
        // tanh' = 1 - tanh^2, and relu lets the rest through where the mask is above 0.
        for (d, m) in dmask.iter_mut().zip(mask) {
            *d = if *m > 0.0 { *d * (1.0 - m * m) } else { 0.0 };
        }
        sum_rows(&dmask, channels, &mut self.gradients[first + 2]);
        let mut dhidden = self.buffers.take(hidden.len());
        let gradient = &mut self.gradients[first + 1];
        let (kernel, scratch) = (self.kernels.of(first + 1), &mut self.scratch);
        kernel.backward(hidden, &dmask, None, Some(&mut dhidden), gradient, scratch);
        dhidden.iter_mut().zip(hidden).for_each(|(d, h)| *d = if *h > 0.0 { *d } else { 0.0 });
        let mean = back.tape.mean(input);
        let mut dmean = self.buffers.take(mean.len());
        let gradient = &mut self.gradients[first];
        let (kernel, scratch) = (self.kernels.of(first), &mut self.scratch);
        kernel.backward(mean, &dhidden, None, Some(&mut dmean), gradient, scratch);
        self.buffers.give(dmask);
        self.buffers.give(dhidden);
        dmean
    }

    pub(super) fn linear(&mut self, step: &Step, weight: usize, pass: &mut Under<'_>) {
        let bias = pass.parameters[weight + 1];
        let mut out = self.buffers.take(pass.tape.batch * bias.len());
        let (kernel, scratch) = (self.kernels.of(weight), &mut self.scratch);
        kernel.forward(pass.tape.value(step.input), None, None, &mut out, scratch);
        for row in out.chunks_exact_mut(bias.len()) {
            row.iter_mut().zip(bias).for_each(|(y, bias)| *y += bias);
        }
        pass.tape.values[step.output] = Some(out);
    }

    pub(super) fn linear_back(&mut self, step: &Step, weight: usize, back: &mut Back<'_>) {
        let dy = self.gradient(step.output, back);
        let channels = self.plan.values[step.output].channels;
        sum_rows(&dy, channels, &mut self.gradients[weight + 1]);
        let x = back.tape.value(step.input);
        let mut dx = (step.input > 0).then(|| self.buffers.take(x.len()));
        let gradient = &mut self.gradients[weight];
        let (kernel, scratch) = (self.kernels.of(weight), &mut self.scratch);
        kernel.backward(x, &dy, None, dx.as_deref_mut(), gradient, scratch);
        self.buffers.give(dy);
        if let Some(dx) = dx {
            self.hand(step.input, dx, back);
        }
    }
}

/// The sum of rows, in their order.
fn sum_rows(rows: &[f32], channels: usize, sum: &mut [f32]) {
    sum.fill(0.0);
    for row in rows.chunks_exact(channels) {
        sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
    }
}

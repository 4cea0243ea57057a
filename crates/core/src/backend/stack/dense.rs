//! Mask generators and linear layers.

use super::backward::Back;
use super::elementwise;
use super::forward::Pass;
use super::plan::{Block, Generator, Linear, Step};
use super::share::each;
use super::tape::Mask;
use super::{Buffer, Engine};

impl Engine {
    /// The mask of a block: the generator's or a given one, sample by sample. `None` without either.
    pub(super) fn mask(&mut self, input: usize, block: &Block, pass: &Pass<'_>) -> Option<Mask> {
        let given = pass.masks.at(block.site);
        let generates = given.is_none() || !pass.masks.all_take();
        let generator = block.generator.filter(|_| generates);
        let generated = generator.map(|generator| self.generate(input, block.index, generator, pass));
        let Some(given) = given else { return generated };
        let mut mask = generated.unwrap_or_else(|| {
            let mut values = self.buffers.take(given.values.len());
            values.fill(1.0);
            Mask { values, hidden: None }
        });
        let channels = given.values.len() / pass.tape.batch.max(1);
        let rows = mask.values.chunks_exact_mut(channels).zip(given.values.chunks_exact(channels));
        for (_, (row, given)) in rows.enumerate().filter(|(sample, _)| pass.masks.takes(*sample)) {
            row.copy_from_slice(given);
        }
        Some(mask)
    }

    /// relu(tanh(W2 relu(W1 g) + b2)), where g is the mean of each input channel.
    fn generate(&mut self, input: usize, block: usize, generator: Generator, pass: &Pass<'_>) -> Mask {
        let batch = pass.tape.batch;
        let bias = pass.parameters[generator.output_bias];
        let mut hidden = self.buffers.take(batch * generator.hidden);
        let mut mask = self.buffers.take(batch * bias.len());
        let (kernel, workspace) = (self.kernels.of(generator.hidden_weight), &mut self.workspace);
        kernel.forward(pass.tape.mean(input), None, None, &mut hidden, workspace);
        hidden.iter_mut().for_each(|h| *h = if *h < 0.0 { 0.0 } else { *h });
        let (kernel, workspace) = (self.kernels.of(generator.output_weight), &mut self.workspace);
        kernel.forward(&hidden, None, None, &mut mask, workspace);
        let isa = self.isa;
        each(self.threads, mask.chunks_exact_mut(bias.len()), |_, row| {
            elementwise::masks(isa, row, bias);
        });
        if let Some(imposed) = self.imposed.get(&block) {
            mask.copy_from_slice(imposed);
        }
        Mask { values: mask, hidden: Some(hidden) }
    }

    /// Through a generator backward: from the mask's gradient to that of the input's mean.
    pub(super) fn generator_back(
        &mut self,
        input: usize,
        generator: Generator,
        mask: &[f32],
        hidden: &[f32],
        mut dmask: Buffer,
        back: &mut Back<'_>,
    ) {
        let channels = mask.len() / back.tape.batch;
        // tanh' = 1 - tanh^2, and relu lets the rest through where the mask is above 0.
        for (d, m) in dmask.iter_mut().zip(mask) {
            *d = if *m > 0.0 { *d * (1.0 - m * m) } else { 0.0 };
        }
        let bias = self.sum_of_rows(&dmask, channels, generator.output_bias);
        back.result.put(generator.output_bias, bias);
        let mut dhidden = self.buffers.take(hidden.len());
        let mut gradient = self.array(generator.output_weight);
        let (kernel, workspace) = (back.tape.kernels.of(generator.output_weight), &mut self.workspace);
        kernel.backward(hidden, &dmask, None, Some(&mut dhidden), gradient.as_deref_mut(), workspace);
        back.result.put(generator.output_weight, gradient);
        dhidden.iter_mut().zip(hidden).for_each(|(d, h)| *d = if *h > 0.0 { *d } else { 0.0 });
        let mean = back.tape.mean(input);
        let mut dmean = back.wanted[input].then(|| self.buffers.take(mean.len()));
        let mut gradient = self.array(generator.hidden_weight);
        let (kernel, workspace) = (back.tape.kernels.of(generator.hidden_weight), &mut self.workspace);
        kernel.backward(mean, &dhidden, None, dmean.as_deref_mut(), gradient.as_deref_mut(), workspace);
        back.result.put(generator.hidden_weight, gradient);
        self.buffers.give(dmask);
        self.buffers.give(dhidden);
        if let Some(dmean) = dmean {
            self.hand_mean(input, dmean, back);
        }
    }

    pub(super) fn linear(&mut self, step: &Step, linear: Linear, pass: &mut Pass<'_>) {
        let bias = pass.parameters[linear.bias];
        let mut out = self.buffers.take(pass.tape.batch * bias.len());
        let (kernel, workspace) = (self.kernels.of(linear.weight), &mut self.workspace);
        kernel.forward(pass.tape.value(step.input), None, None, &mut out, workspace);
        for row in out.chunks_exact_mut(bias.len()) {
            row.iter_mut().zip(bias).for_each(|(y, bias)| *y += bias);
        }
        pass.tape.values[step.output] = Some(out);
    }

    pub(super) fn linear_back(&mut self, step: &Step, linear: Linear, back: &mut Back<'_>) {
        let dy = self.gradient(step.output, back);
        let channels = self.plan.values[step.output].channels;
        let bias = self.sum_of_rows(&dy, channels, linear.bias);
        back.result.put(linear.bias, bias);
        let x = back.tape.value(step.input);
        let mut dx = back.wanted[step.input].then(|| self.buffers.take(x.len()));
        let mut gradient = self.array(linear.weight);
        let (kernel, workspace) = (back.tape.kernels.of(linear.weight), &mut self.workspace);
        kernel.backward(x, &dy, None, dx.as_deref_mut(), gradient.as_deref_mut(), workspace);
        back.result.put(linear.weight, gradient);
        self.buffers.give(dy);
        if let Some(dx) = dx {
            self.hand(step.input, dx, back);
        }
    }

    /// The sum of rows, in their order, as the gradient of this parameter, if it trains.
    fn sum_of_rows(&mut self, rows: &[f32], channels: usize, number: usize) -> Option<Vec<f32>> {
        let mut sum = self.array(number)?;
        sum.fill(0.0);
        for row in rows.chunks_exact(channels) {
            sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
        }
        Some(sum)
    }
}

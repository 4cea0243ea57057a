//! The first steps of an evaluation, sample by sample.
//!
//! What a batch's large images become goes to memory and comes back from there with every layer. A thread that takes
//! one sample through all those layers has it in its own cache.

use std::sync::{Mutex, PoisonError};

use super::Engine;
use super::forward::{Mode, Pass};
use super::masks::PassMasks;
use super::share::Items;
use crate::backend::kernels::{Workspace, parallel};

/// Samples for each thread from which on they are enough to keep all threads busy.
const SAMPLES: usize = 4;

impl Engine {
    /// Runs the head of the plan if there are samples enough for all threads and no masks are given, and says how many
    /// steps that was.
    pub(super) fn head(&mut self, images: &[f32], pass: &mut Pass<'_>) -> usize {
        let (steps, batch) = (self.plan.head, pass.tape.batch);
        let trains = matches!(pass.mode, Mode::Train(_));
        if steps == 0 || trains || batch < SAMPLES * self.threads || !pass.masks.given.is_empty() {
            return 0;
        }
        self.heads.resize_with(self.threads, || {
            let one = Engine::new(self.plan.clone(), self.isa, 1);
            Mutex::new(Engine { workspace: Workspace::of_one_thread(), ..one })
        });
        self.heads.iter_mut().for_each(|head| idle(head).kernels = self.kernels.clone());
        let value = self.plan.steps[steps - 1].output;
        let len = self.plan.values[value].len();
        let mut out = self.buffers.take(batch * len);
        let rows = Items::new(images.chunks_exact(images.len() / batch).zip(out.chunks_exact_mut(len)));
        parallel(self.threads, batch, |worker, sample| {
            let mut head = self.heads[worker].lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((image, out)) = rows.take(sample) {
                head.one(image, steps, pass.parameters, out);
            }
        });
        drop(rows);
        pass.tape.values[value] = Some(out);
        self.average(&mut pass.tape, value);
        steps
    }

    /// One sample's first steps.
    fn one(&mut self, image: &[f32], steps: usize, parameters: &[&[f32]], out: &mut [f32]) {
        let (plan, masks) = (self.plan.clone(), PassMasks::default());
        let mut pass = self.begin(1, parameters, &masks, Mode::Evaluate);
        self.give_images(image, &mut pass);
        for step in &plan.steps[..steps] {
            self.step(step, &mut pass);
        }
        out.copy_from_slice(pass.tape.value(plan.steps[steps - 1].output));
        self.release(pass.tape);
    }
}

/// The engine of a head that is not at work.
pub(super) fn idle(head: &mut Mutex<Engine>) -> &mut Engine {
    head.get_mut().unwrap_or_else(PoisonError::into_inner)
}

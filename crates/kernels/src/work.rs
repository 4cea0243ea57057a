//! A pass over a batch: how it is cut into chunks, who works on them, and where intermediate results go.
//!
//! Batches of large images, or for few weights, are cut into chunks that fit a core's own cache, and each thread takes
//! whole chunks. Others need many samples to use each block of weights well, so all threads share a chunk, phase by
//! phase.

use super::finish::RawEpilogue;
use super::groups::Groups;
use super::pass::{Chunk, Images, Own, Pass, Planes, Side, Windows};
use super::plan::{GAP, Plan, Scheme};
use super::pool::parallel;
use super::weights::{self, Shared};
use super::{Active, Scratch};

/// Where gradients go.
pub(super) struct Gradients<'a> {
    pub dx: Option<Shared>,
    pub dw: &'a mut [f32],
}

/// What a pass is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Outputs that are kept.
    Forth,
    /// Outputs that are handed on.
    Handing,
    /// Gradients.
    Back,
}

/// Where outputs go.
#[derive(Clone, Copy)]
pub(super) enum Outputs<'a> {
    /// All of them to one array.
    Kept(Shared),
    /// All of them to one array, as what they become.
    Finished(Shared, RawEpilogue),
    /// Each to a call with the number of its sample, from any thread and in any order, while it is near.
    Handed(&'a (dyn Fn(usize, &[f32]) + Sync)),
}

/// One pass.
pub(super) struct Work<'a> {
    plan: &'a Plan,
    groups: Option<&'a Groups>,
    batch: usize,
    /// Crews, each with chunks of its own, and threads of a crew.
    crews: usize,
    threads: usize,
    /// Samples of a chunk.
    chunk: usize,
    /// Distances of rows and points in the planes, and values of a crew's planes.
    row: usize,
    plane: usize,
    planes: usize,
    input: Shared,
    output: Shared,
    gradient: Shared,
    dw: Shared,
    own: Shared,
    zeros: Shared,
    /// A crew's outputs that are handed on.
    handed: Shared,
    direct: Direct,
    /// Inputs are read from windows of the image.
    windows: bool,
}

/// Which intermediate results are the images themselves.
#[derive(Clone, Copy)]
struct Direct {
    input: bool,
    output: bool,
    gradient: bool,
}

/// A range of `0..len`, the `index`-th of `parts`.
pub(super) fn part(len: usize, parts: usize, index: usize) -> (usize, usize) {
    (len * index / parts, len * (index + 1) / parts)
}

/// Calls `job(worker, [[index, of]; 3])` for every combination.
fn each(threads: usize, sizes: [usize; 3], job: impl Fn(usize, [[usize; 2]; 3]) + Sync) {
    let [a, b, c] = sizes;
    parallel(threads, a * b * c, |worker, index| {
        job(worker, [[index / (b * c), a], [index / c % b, b], [index % c, c]]);
    });
}

impl<'a> Work<'a> {
    /// Groups the samples if that saves enough, cuts the batch and makes room. The sets are the channels that matter
    /// of the input and, on the way forward, of the output.
    pub(super) fn new(
        plan: &'a Plan,
        batch: usize,
        sets: [Option<&Active>; 2],
        purpose: Purpose,
        scratch: &'a mut Scratch,
    ) -> Self {
        let (backward, hands_on) = (purpose == Purpose::Back, purpose == Purpose::Handing);
        let grouped = grouped(plan, sets, batch, backward, &mut scratch.groups);
        let matrices = if backward { 3 } else { 2 };
        let alone = plan.alone(batch, backward);
        let all = if scratch.of_one_thread { 1 } else { plan.threads };
        let (crews, threads) = if alone { (all, 1) } else { (1, all) };
        let mut chunk = plan.chunk(batch, matrices, alone);
        if grouped {
            chunk = chunk.next_multiple_of(scratch.groups.size);
        }
        let row = plan.rows[0].max(plan.rows[1]);
        let plane = chunk * plan.tiles() * row + GAP;
        let windows = !backward && !grouped && plan.windows();
        let padded = if windows { chunk * plan.padded() } else { 0 };
        let planes = (plan.points * plane + GAP).max(padded).next_multiple_of(16);
        let rows = plan.scheme == Scheme::Rows && !grouped;
        let input = plan.direct && !grouped;
        let direct = Direct {
            input,
            // The way back reads whole vectors of it.
            output: rows && (!backward || plan.shape.cout == plan.n.used * plan.isa.lanes()),
            gradient: input && plan.shape.cin == plan.k.used * plan.isa.lanes(),
        };
        let room = |needed: bool| if needed { crews * planes } else { 0 };
        let channels = plan.shape.cin.max(plan.shape.cout).next_multiple_of(16);
        let dw = if backward { crews * weights::blocks_len(plan) } else { 0 };
        Work {
            plan,
            batch,
            crews,
            threads,
            chunk,
            row,
            plane,
            planes,
            direct,
            windows,
            input: scratch.input.shared(room(!direct.input)),
            output: scratch.output.shared(room(!direct.output)),
            gradient: scratch.input_gradient.shared(room(backward && !direct.gradient)),
            dw: scratch.weight_gradient.shared(dw),
            own: scratch.own.shared(all * Own::of(plan).len),
            zeros: scratch.zeros.shared(channels),
            handed: scratch.chunk.shared(if hands_on { crews * chunk * plan.shape.output_len() } else { 0 }),
            groups: grouped.then_some(&scratch.groups),
        }
    }

    /// The output.
    pub(super) fn forward(&self, weights: Shared, x: Shared, to: Outputs) {
        parallel(self.crews, self.batch.div_ceil(self.chunk), |crew, index| {
            let chunk = self.nth(index);
            // SAFETY: the buffers are as large as plan and chunk ask; jobs of one phase write to different
            // samples, tiles, rows or blocks, and the phases follow each other.
            unsafe {
                let len = self.plan.shape.output_len();
                let done = match to {
                    Outputs::Kept(y) => {
                        let outs = self.images(y, Side::Output);
                        return self.forward_chunk(crew, chunk, weights, x, (outs, None));
                    }
                    Outputs::Finished(out, finish) => {
                        let sample = len / (finish.pool * finish.pool);
                        let outs = Images { sample, ..self.images(out, Side::Output) };
                        return self.forward_chunk(crew, chunk, weights, x, (outs, Some(finish)));
                    }
                    Outputs::Handed(done) => done,
                };
                let own = Shared(self.handed.at(crew * self.chunk * len));
                let outs = Images { of_chunk: Some(chunk.first), ..self.images(own, Side::Output) };
                self.forward_chunk(crew, chunk, weights, x, (outs, None));
                parallel(self.threads, chunk.samples, |_, index| {
                    let y = std::slice::from_raw_parts(own.at(index * len), len);
                    done(self.sample(chunk.first + index), y);
                });
            }
        });
    }

    unsafe fn forward_chunk(
        &self,
        crew: usize,
        chunk: Chunk,
        weights: Shared,
        x: Shared,
        (outs, finish): (Images, Option<RawEpilogue>),
    ) {
        let images = self.images(x, Side::Input);
        let pass = Pass { finish, ..self.pass(crew, chunk, images, outs) };
        // SAFETY: the caller's promise.
        unsafe {
            if let Some(windows) = pass.windows.filter(|_| self.plan.shape.padding > 0) {
                parallel(self.threads, chunk.samples, |_, index| {
                    pass.pad((images, windows), chunk, chunk.first + index);
                });
            } else if !self.direct.input && !self.windows {
                self.each_tile_row(chunk, |worker, position, tiles| {
                    pass.to_points(worker, (images, Side::Input, pass.input), chunk, position, tiles);
                });
            }
            each(self.threads, pass.multiply_jobs(chunk), |worker, at| {
                pass.multiply(worker, weights, chunk, at);
            });
            if !self.direct.output {
                self.each_tile_row(chunk, |worker, position, tiles| {
                    pass.to_image(worker, (outs, Side::Output, pass.output), chunk, position, tiles);
                });
            }
        }
    }

    /// The gradients.
    pub(super) fn backward(
        &self,
        weights: Shared,
        x: Shared,
        dy: Shared,
        active: Option<&Active>,
        gradients: Gradients,
    ) {
        let chunks = self.batch.div_ceil(self.chunk);
        // Each crew adds its chunks, always the same and in the same order, to a sum of its own.
        let crews = self.crews.min(chunks).max(1);
        let len = weights::blocks_len(self.plan);
        if chunks == 0 {
            // SAFETY: the buffer holds a sum for every crew.
            unsafe { self.dw.at(0).write_bytes(0, crews * len) }
        }
        parallel(self.crews, crews, |worker, crew| {
            let (first, last) = part(chunks, crews, crew);
            for index in first..last {
                // SAFETY: as in `forward`.
                unsafe {
                    let dw = (self.dw.at(crew * len), index == first);
                    self.backward_chunk(
                        worker,
                        self.nth(index),
                        weights,
                        [x, dy],
                        active,
                        (gradients.dx, dw),
                    );
                }
            }
        });
        let plan = (self.plan, self.crews * self.threads);
        weights::transform_back(plan, (self.dw, crews), gradients.dw, self.own);
    }

    unsafe fn backward_chunk(
        &self,
        crew: usize,
        chunk: Chunk,
        weights: Shared,
        [x, dy]: [Shared; 2],
        active: Option<&Active>,
        (dx, (dw, fresh)): (Option<Shared>, (*mut f32, bool)),
    ) {
        let (images, outs) = (self.images(x, Side::Input), self.images(dy, Side::Output));
        let pass = self.pass(crew, chunk, images, outs);
        let (all, dw) = ((0, self.plan.grid[0]), Shared(dw));
        // SAFETY: the caller's promise; the two products read the same planes and write to different ones.
        unsafe {
            parallel(self.threads, chunk.samples, |worker, index| {
                let position = chunk.first + index;
                if !self.direct.input {
                    pass.to_points(worker, (images, Side::Input, pass.input), chunk, position, all);
                }
                if !self.direct.output {
                    pass.to_points(worker, (outs, Side::Output, pass.output), chunk, position, all);
                }
            });
            each(self.threads, pass.correlate_jobs(), |_, at| pass.correlate((dw, fresh), chunk, at));
            let Some(dx) = dx else { return };
            let images = self.images(dx, Side::Input);
            let planes = match self.direct.gradient {
                true => self.image_planes(images, Side::Input, chunk),
                false => self.crew_planes(crew, self.gradient),
            };
            each(self.threads, pass.back_jobs(chunk), |worker, at| {
                pass.multiply_back(worker, (weights, planes), chunk, at);
            });
            parallel(self.threads, chunk.samples, |worker, index| {
                let position = chunk.first + index;
                if !self.direct.gradient {
                    pass.to_image(worker, (images, Side::Input, planes), chunk, position, all);
                }
                if let Some(active) = active {
                    pass.keep(images, Side::Input, position, active);
                }
            });
        }
    }

    /// The sample at a position.
    fn sample(&self, position: usize) -> usize {
        self.groups.map_or(position, |groups| groups.order[position] as usize)
    }

    fn nth(&self, index: usize) -> Chunk {
        let first = index * self.chunk;
        Chunk { first, samples: self.chunk.min(self.batch - first) }
    }

    fn pass(&self, crew: usize, chunk: Chunk, x: Images, y: Images) -> Pass<'_> {
        let own_layout = Own::of(self.plan);
        Pass {
            plan: self.plan,
            threads: self.threads,
            groups: self.groups,
            input: match self.direct.input {
                true => self.image_planes(x, Side::Input, chunk),
                false => self.crew_planes(crew, self.input),
            },
            output: match self.direct.output {
                true => self.image_planes(y, Side::Output, chunk),
                false => self.crew_planes(crew, self.output),
            },
            finish: None,
            windows: self.windows.then(|| self.windows(crew, chunk, x)),
            // SAFETY: there is room for every thread; a crew of one thread has the place of its number.
            own: Shared(unsafe { self.own.at(crew * own_layout.len) }),
            own_layout,
            zeros: self.zeros,
        }
    }

    fn images(&self, at: Shared, side: Side) -> Images {
        let s = &self.plan.shape;
        let sample = if side == Side::Input { s.input_len() } else { s.output_len() };
        Images { at, sample, of_chunk: None }
    }

    /// A chunk's images, or their padded copies, as windows.
    fn windows(&self, crew: usize, chunk: Chunk, images: Images) -> Windows {
        let s = &self.plan.shape;
        let (at, width, sample) = match s.padding {
            0 => (self.image_planes(images, Side::Input, chunk).at, s.width, images.sample),
            padding => (self.crew_planes(crew, self.input).at, s.width + 2 * padding, self.plan.padded()),
        };
        let pitch = width * s.cin;
        let run = s.kernel * s.cin;
        Windows { at, sample, row: s.stride * pitch, column: s.stride * s.cin, run, pitch }
    }

    /// A chunk's images as planes.
    fn image_planes(&self, images: Images, side: Side, chunk: Chunk) -> Planes {
        let row = if side == Side::Input { self.plan.shape.cin } else { self.plan.shape.cout };
        let first = chunk.first - images.of_chunk.unwrap_or(0);
        // SAFETY: the chunk's samples are in the images.
        Planes { at: Shared(unsafe { images.at.at(first * images.sample) }), row, plane: 0 }
    }

    /// A crew's part of a buffer.
    fn crew_planes(&self, crew: usize, buffer: Shared) -> Planes {
        // SAFETY: the buffer has room for every crew.
        let at = Shared(unsafe { buffer.at(crew * self.planes) });
        Planes { at, row: self.row, plane: self.plane }
    }

    /// Calls `job(worker, position, rows of tiles)` for a chunk's samples, in parts if there are few of them.
    fn each_tile_row(&self, chunk: Chunk, job: impl Fn(usize, usize, (usize, usize)) + Sync) {
        let rows = self.plan.grid[0];
        let parts = if self.threads > 1 { (2 * self.threads).div_ceil(chunk.samples).min(rows) } else { 1 };
        parallel(self.threads, chunk.samples * parts, |worker, index| {
            job(worker, chunk.first + index / parts, part(rows, parts, index % parts));
        });
    }
}

/// Groups the samples, and says whether leaving channels out then saves time: on both sides, or of the input.
fn grouped(
    plan: &Plan,
    [active, wanted]: [Option<&Active>; 2],
    batch: usize,
    backward: bool,
    groups: &mut Groups,
) -> bool {
    let all = [plan.shape.cin, plan.shape.cout];
    let sets = [(active, all[0]), (wanted, all[1])].into_iter().filter_map(|(set, all)| Some((set?, all)));
    sets.for_each(|(set, all)| assert_eq!(set.channels(), all, "the channels of a set"));
    let worthwhile = plan.worthwhile(backward);
    let inputs = |inputs: usize, _, _| inputs as f64 / all[0] as f64;
    if wanted.is_some() {
        groups.form([active, wanted], batch, plan.group_of_both());
        let both = |inputs, outputs, samples| plan.cost_of_both(inputs, outputs, samples * plan.tiles());
        let cost = groups.mean(all, both);
        if cost < worthwhile && cost < groups.mean(all, inputs) {
            groups.spread(plan.taps.len(), all[0]);
            return true;
        }
    }
    let Some(set) = active else { return false };
    let [many, few] = plan.groups();
    groups.form([active, None], batch, many);
    if groups.mean(all, inputs) > ALIKE * set.density() {
        groups.form([active, None], batch, few);
    }
    if groups.mean(all, inputs) >= worthwhile {
        return false;
    }
    groups.spread(plan.taps.len(), all[0]);
    true
}

/// How much more channels a group of samples that are alike may use than one of them does.
const ALIKE: f64 = 1.4;

//! A pass over a batch: how it is cut into chunks, who works on them, and where intermediate results go.
//!
//! Batches of large images, or for few weights, are cut into chunks that fit a core's own cache, and each thread takes
//! whole chunks: teams of one thread. Others need many samples to use each block of weights well, so one team of all
//! threads works on a chunk, phase by phase.
//!
//! ```text
//!   forward    image --input transform--> planes --batched GEMM--> planes --output transform--> image
//!   backward   x and dy --transform--> planes --GEMM--> dW, dX --adjoint transforms--> dw, dx
//! ```

use std::ops::Range;

use crate::epilogue::RawEpilogue;
use crate::filter_transform::{self, Packed};
use crate::groups::Groups;
use crate::pass::{Chunk, Images, Pass, Planes, Side, WeightGradient, Windows, WorkerLayout};
use crate::plan::{GAP, Plan, Scheme};
use crate::pool::{Part, parallel};
use crate::ptr::SendPtr;
use crate::shape::ChannelSets;
use crate::transforms::Transfer;
use crate::{Active, Workspace};

/// What a pass is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Outputs that are stored.
    Store,
    /// Outputs that go to a callback.
    Stream,
    /// Gradients.
    Backward,
}

/// Where outputs go.
#[derive(Clone, Copy)]
pub(crate) enum Destination<'a> {
    /// All of them to one array.
    Store(SendPtr),
    /// All of them to one array, after the epilogue.
    StoreFused(SendPtr, RawEpilogue),
    /// Each to a call with the number of its sample, from any thread and in any order, while it is in the cache.
    Stream(&'a (dyn Fn(usize, &[f32]) + Sync)),
}

/// What a pass reads.
#[derive(Clone, Copy)]
pub(crate) struct Inputs<'a> {
    /// Packed as the plan says.
    pub weights: SendPtr,
    pub x: SendPtr,
    /// The output's gradient; unused forward.
    pub dy: SendPtr,
    /// Channels of x whose gradient is wanted, backward.
    pub active: Option<&'a Active<'a>>,
}

/// One pass.
pub(crate) struct Batching<'a> {
    plan: &'a Plan,
    groups: Option<&'a Groups>,
    batch: usize,
    /// Teams, each with chunks of its own, and threads of a team.
    teams: usize,
    threads: usize,
    /// Samples of a chunk.
    chunk: usize,
    /// Values from point to point in the planes, and of a team's planes.
    plane: usize,
    planes: usize,
    input: SendPtr,
    output: SendPtr,
    gradient: SendPtr,
    dw: SendPtr,
    workers: SendPtr,
    zeros: SendPtr,
    /// A team's outputs that go to a callback.
    streamed: SendPtr,
    direct: Direct,
    /// Inputs are read from windows of the image.
    windows: bool,
}

/// Which planes are the images themselves.
#[derive(Clone, Copy)]
struct Direct {
    input: bool,
    output: bool,
    gradient: bool,
}

impl<'a> Batching<'a> {
    /// Groups the samples if that saves enough, cuts the batch and makes room.
    pub(crate) fn new(
        plan: &'a Plan,
        batch: usize,
        sets: ChannelSets,
        mode: Mode,
        workspace: &'a mut Workspace,
    ) -> Self {
        let backward = mode == Mode::Backward;
        let grouped = form_groups(plan, sets, batch, backward, &mut workspace.groups);
        let matrices = if backward { 3 } else { 2 };
        let per_thread = plan.chunk_per_thread(batch, backward);
        let all = if workspace.single_threaded { 1 } else { plan.threads };
        let (teams, threads) = if per_thread { (all, 1) } else { (1, all) };
        let mut chunk = plan.chunk(batch, matrices, per_thread);
        if grouped {
            chunk = chunk.next_multiple_of(workspace.groups.size);
        }
        let plane = chunk * plan.tiles() * plan.row + GAP;
        let windows = !backward && !grouped && plan.reads_windows();
        let padded = if windows { chunk * plan.padded_len() } else { 0 };
        let planes = (plan.points * plane + GAP).max(padded).next_multiple_of(16);
        let plain = plan.scheme == Scheme::Im2col && !grouped;
        let input = plan.direct && !grouped;
        let direct = Direct {
            input,
            // The backward pass reads whole vectors of it.
            output: plain && (!backward || plan.shape.cout == plan.n.used * plan.isa.lanes()),
            gradient: input && plan.shape.cin == plan.k.used * plan.isa.lanes(),
        };
        let room = |needed: bool| if needed { teams * planes } else { 0 };
        let channels = plan.shape.cin.max(plan.shape.cout).next_multiple_of(16);
        let dw = if backward { teams * filter_transform::packed_len(plan) } else { 0 };
        let streamed = if mode == Mode::Stream { teams * chunk * plan.shape.output_len() } else { 0 };
        Batching {
            plan,
            batch,
            teams,
            threads,
            chunk,
            plane,
            planes,
            direct,
            windows,
            input: workspace.input.shared(room(!direct.input)),
            output: workspace.output.shared(room(!direct.output)),
            gradient: workspace.input_gradient.shared(room(backward && !direct.gradient)),
            dw: workspace.weight_gradient.shared(dw),
            workers: workspace.workers.shared(all * WorkerLayout::of(plan).len),
            zeros: workspace.zeros.shared(channels),
            streamed: workspace.streamed.shared(streamed),
            groups: grouped.then_some(&workspace.groups),
        }
    }

    /// The output.
    ///
    /// # Safety
    ///
    /// `x` holds the batch's input, the destination has room for its output, and an epilogue's arrays have the sizes
    /// that it says; `weights` are packed as the plan says. Nobody else writes to them meanwhile.
    pub(crate) unsafe fn forward(&self, inputs: Inputs, to: Destination) {
        parallel(self.teams, self.batch.div_ceil(self.chunk), |team, index| {
            let chunk = self.nth(index);
            let len = self.plan.shape.output_len();
            // SAFETY: inputs and destination are as this function's contract says. A team has a chunk at a time, whose
            // samples no other team has, and its own part of each buffer.
            unsafe {
                let done = match to {
                    Destination::Store(y) => {
                        let outs = self.images(y, Side::Output);
                        return self.forward_chunk(team, chunk, inputs, outs, None);
                    }
                    Destination::StoreFused(out, epilogue) => {
                        let sample = len / (epilogue.pool * epilogue.pool);
                        let outs = Images { sample, ..self.images(out, Side::Output) };
                        return self.forward_chunk(team, chunk, inputs, outs, Some(epilogue));
                    }
                    Destination::Stream(done) => done,
                };
                let buffer = SendPtr(self.streamed.at(team * self.chunk * len));
                let outs = Images { of_chunk: Some(chunk.first), ..self.images(buffer, Side::Output) };
                self.forward_chunk(team, chunk, inputs, outs, None);
                parallel(self.threads, chunk.samples, |_, index| {
                    let y = std::slice::from_raw_parts(buffer.at(index * len), len);
                    done(self.sample(chunk.first + index), y);
                });
            }
        });
    }

    /// # Safety
    ///
    /// As for [`Batching::forward`]; no other team has this chunk or number.
    unsafe fn forward_chunk(
        &self,
        team: usize,
        chunk: Chunk,
        inputs: Inputs,
        outs: Images,
        epilogue: Option<RawEpilogue>,
    ) {
        let images = self.images(inputs.x, Side::Input);
        let pass = Pass { epilogue, ..self.pass(team, chunk, images, outs) };
        // SAFETY: the buffers are as large as plan and chunk ask. The jobs of one phase write to different samples, tiles,
        // rows or blocks, and the phases follow each other.
        unsafe {
            if let Some(windows) = pass.windows.filter(|_| self.plan.shape.padding > 0) {
                parallel(self.threads, chunk.samples, |_, index| {
                    pass.pad(images, windows, chunk, chunk.first + index);
                });
            } else if !self.direct.input && !self.windows {
                let transfer = Transfer { images, side: Side::Input, planes: pass.input, chunk };
                self.each_tile_row(chunk, |worker, position, tiles| {
                    pass.input_transform(worker, &transfer, position, tiles);
                });
            }
            let jobs = pass.gemm_jobs(chunk);
            parallel(self.threads, jobs.len(), |worker, index| {
                pass.batched_gemm(worker, inputs.weights, chunk, jobs.nth(index));
            });
            if !self.direct.output {
                let transfer = Transfer { images: outs, side: Side::Output, planes: pass.output, chunk };
                self.each_tile_row(chunk, |worker, position, tiles| {
                    pass.output_transform(worker, &transfer, position, tiles);
                });
            }
        }
    }

    /// The gradients. `dw` `[cout, cin, kernel, kernel]` and `dx`, as far as they are wanted, are overwritten.
    ///
    /// # Safety
    ///
    /// `x` and `dx` have the size of the batch's input, `dy` of its output; `weights` are packed as the plan says, and
    /// there are as many as in `dw`, if it is wanted. Nobody else writes to them meanwhile.
    pub(crate) unsafe fn backward(&self, inputs: Inputs, dx: Option<SendPtr>, dw: Option<&mut [f32]>) {
        let chunks = self.batch.div_ceil(self.chunk);
        // Each team adds its chunks, always the same and in the same order, to a sum of its own.
        let sums = self.teams.min(chunks).max(1);
        let len = filter_transform::packed_len(self.plan);
        if chunks == 0 {
            // SAFETY: the buffer holds a sum for every team.
            unsafe { self.dw.at(0).write_bytes(0, sums * len) }
        }
        let weighs = dw.is_some();
        parallel(self.teams, sums, |team, index| {
            let own_chunks = Part { index, of: sums }.range(chunks);
            for chunk in own_chunks.clone() {
                // SAFETY: as in `forward`; a team has one of the sums.
                unsafe {
                    let dw = WeightGradient {
                        at: SendPtr(self.dw.at(index * len)),
                        fresh: chunk == own_chunks.start,
                    };
                    self.backward_chunk(team, self.nth(chunk), inputs, dx, weighs.then_some(dw));
                }
            }
        });
        let Some(dw) = dw else { return };
        let packed = Packed { at: self.dw, copies: sums };
        let threads = self.teams * self.threads;
        // SAFETY: the buffer holds the sums, each of which was written by the first chunk of its team; the workspace has
        // a part for every thread, large enough for these jobs.
        unsafe { filter_transform::transform_adjoint(self.plan, threads, packed, dw, self.workers) }
    }

    /// # Safety
    ///
    /// As for [`Batching::backward`]; no other team has this chunk, number or sum.
    unsafe fn backward_chunk(
        &self,
        team: usize,
        chunk: Chunk,
        inputs: Inputs,
        dx: Option<SendPtr>,
        dw: Option<WeightGradient>,
    ) {
        let (images, outs) = (self.images(inputs.x, Side::Input), self.images(inputs.dy, Side::Output));
        let pass = self.pass(team, chunk, images, outs);
        let all = &(0..self.plan.grid[0]);
        // SAFETY: as in `forward_chunk`; the two products read the same planes and write to different ones.
        unsafe {
            let x = Transfer { images, side: Side::Input, planes: pass.input, chunk };
            let dy = Transfer { images: outs, side: Side::Output, planes: pass.output, chunk };
            parallel(self.threads, chunk.samples, |worker, index| {
                let position = chunk.first + index;
                if !self.direct.input && dw.is_some() {
                    pass.input_transform(worker, &x, position, all.clone());
                }
                if !self.direct.output {
                    pass.input_transform(worker, &dy, position, all.clone());
                }
            });
            if let Some(dw) = dw {
                let jobs = pass.weight_gradient_jobs();
                parallel(self.threads, jobs.len(), |_, index| {
                    pass.weight_gradient(dw, chunk, jobs.nth(index))
                });
            }
            let Some(dx) = dx else { return };
            let images = self.images(dx, Side::Input);
            let planes = match self.direct.gradient {
                true => self.image_planes(images, Side::Input, chunk),
                false => self.team_planes(team, self.gradient),
            };
            let jobs = pass.input_gradient_jobs(chunk);
            parallel(self.threads, jobs.len(), |worker, index| {
                pass.input_gradient(worker, inputs.weights, planes, chunk, jobs.nth(index));
            });
            let dx = Transfer { images, side: Side::Input, planes, chunk };
            parallel(self.threads, chunk.samples, |worker, index| {
                let position = chunk.first + index;
                if !self.direct.gradient {
                    pass.output_transform(worker, &dx, position, all.clone());
                }
                if let Some(active) = inputs.active {
                    pass.clear_others(&dx, position, active);
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

    fn pass(&self, team: usize, chunk: Chunk, x: Images, y: Images) -> Pass<'_> {
        let worker_layout = WorkerLayout::of(self.plan);
        Pass {
            plan: self.plan,
            threads: self.threads,
            groups: self.groups,
            input: match self.direct.input {
                true => self.image_planes(x, Side::Input, chunk),
                false => self.team_planes(team, self.input),
            },
            output: match self.direct.output {
                true => self.image_planes(y, Side::Output, chunk),
                false => self.team_planes(team, self.output),
            },
            epilogue: None,
            windows: self.windows.then(|| self.windows(team, chunk, x)),
            // SAFETY: there is a part for every thread; a team is one thread, or the only one.
            workers: SendPtr(unsafe { self.workers.at(team * worker_layout.len) }),
            worker_layout,
            zeros: self.zeros,
        }
    }

    fn images(&self, at: SendPtr, side: Side) -> Images {
        let s = &self.plan.shape;
        let sample = if side == Side::Input { s.input_len() } else { s.output_len() };
        Images { at, sample, of_chunk: None }
    }

    /// A chunk's images, or their padded copies, as windows.
    fn windows(&self, team: usize, chunk: Chunk, images: Images) -> Windows {
        let s = &self.plan.shape;
        let (at, width, sample) = match s.padding {
            0 => (self.image_planes(images, Side::Input, chunk).at, s.width, images.sample),
            padding => (self.team_planes(team, self.input).at, s.width + 2 * padding, self.plan.padded_len()),
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
        Planes { at: SendPtr(unsafe { images.at.at(first * images.sample) }), row, plane: 0 }
    }

    /// A team's part of a buffer.
    fn team_planes(&self, team: usize, buffer: SendPtr) -> Planes {
        // SAFETY: the buffer has room for every team.
        let at = SendPtr(unsafe { buffer.at(team * self.planes) });
        Planes { at, row: self.plan.row, plane: self.plane }
    }

    /// Calls `job(worker, position, rows of tiles)` for a chunk's samples, in parts if there are few of them.
    fn each_tile_row(&self, chunk: Chunk, job: impl Fn(usize, usize, Range<usize>) + Sync) {
        let rows = self.plan.grid[0];
        let of = if self.threads > 1 { (2 * self.threads).div_ceil(chunk.samples).min(rows) } else { 1 };
        parallel(self.threads, chunk.samples * of, |worker, index| {
            job(worker, chunk.first + index / of, Part { index: index % of, of }.range(rows));
        });
    }
}

/// Groups the samples, and says whether leaving channels out then saves time: on both sides, or of the input.
fn form_groups(plan: &Plan, sets: ChannelSets, batch: usize, backward: bool, groups: &mut Groups) -> bool {
    let all = [plan.shape.cin, plan.shape.cout];
    for (set, all) in [(sets.input, all[0]), (sets.output, all[1])] {
        assert!(set.is_none_or(|set| set.channels() == all), "the channels of a set");
    }
    let skip_below = plan.skip_below(backward);
    let of_inputs = |inputs: usize, _, _| inputs as f64 / all[0] as f64;
    if sets.output.is_some() {
        groups.form(sets, batch, plan.group_size_of_both());
        let of_both = |inputs, outputs, samples| plan.relative_cost(inputs, outputs, samples * plan.tiles());
        let cost = groups.mean(all, of_both);
        if cost < skip_below && cost < groups.mean(all, of_inputs) {
            groups.list_rows(plan.taps.len(), all[0]);
            return true;
        }
    }
    let Some(set) = sets.input else { return false };
    let sets = ChannelSets { output: None, ..sets };
    let [many, few] = plan.group_sizes();
    groups.form(sets, batch, many);
    if groups.mean(all, of_inputs) > ALIKE * set.density() {
        groups.form(sets, batch, few);
    }
    if groups.mean(all, of_inputs) >= skip_below {
        return false;
    }
    groups.list_rows(plan.taps.len(), all[0]);
    true
}

/// How many times as many channels as one of its samples a group of samples that are alike may use.
const ALIKE: f64 = 1.4;

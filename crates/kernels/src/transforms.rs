//! The first and the last phase of a pass: images to planes and back, sample by sample.

use std::ops::Range;

use crate::Active;
use crate::channel_select::{ClearOthers, Direction, SelectChannels};
use crate::epilogue::{RawAddend, RawEpilogue};
use crate::im2col::{Col2im, Patches};
use crate::pass::{Chunk, Images, Pass, Planes, Side, Windows};
use crate::plan::Scheme;
use crate::ptr::SendPtr;
use crate::simd::warm_cache_at;
use crate::winograd::{FromDomain, Strip, ToDomain};

/// What a phase moves: images of one side, and their planes, for the samples of a chunk.
#[derive(Clone, Copy)]
pub(crate) struct Transfer {
    pub images: Images,
    pub side: Side,
    pub planes: Planes,
    pub chunk: Chunk,
}

/// The pixels of an image that a job works on, in the image itself or in a copy.
#[derive(Clone, Copy)]
struct Pixels {
    /// The first pixel of row `first_row`.
    at: *mut f32,
    first_row: usize,
    /// Values of a pixel.
    pixel: usize,
}

impl Pass<'_> {
    /// The channels of one side that the sample at a position uses, as bits, and their number.
    fn channels(&self, side: Side, position: usize) -> (Option<&[u64]>, usize) {
        let (list, all) = match side {
            Side::Input => (self.groups.and_then(|g| g.inputs(position / g.size)), self.plan.shape.cin),
            Side::Output => (self.groups.and_then(|g| g.outputs(position / g.size)), self.plan.shape.cout),
        };
        list.map_or((None, all), |(bits, count)| (Some(bits), count))
    }

    /// Height, width and channels of an image.
    fn size(&self, side: Side) -> [usize; 3] {
        let s = &self.plan.shape;
        match side {
            Side::Input => [s.height, s.width, s.cin],
            Side::Output => {
                let pool = self.epilogue.map_or(1, |epilogue| epilogue.pool);
                [s.out_height() / pool, s.out_width() / pool, s.cout]
            }
        }
    }

    /// Where a row of a sample's tiles begins in the planes.
    ///
    /// # Safety
    ///
    /// The position is one of the chunk, and the row of tiles is at most their number.
    unsafe fn plane_row(&self, of: &Transfer, position: usize, tile_row: usize) -> *mut f32 {
        let row = (position - of.chunk.first) * self.plan.tiles() + tile_row * self.plan.grid[1];
        // SAFETY: the planes hold all rows of the chunk.
        unsafe { of.planes.at.at(row * of.planes.row) }
    }

    /// A sample's image to its rows of the planes: the input, or the gradient of the output (the adjoint of the output
    /// transform). Only the given rows of tiles.
    ///
    /// # Safety
    ///
    /// Images and planes hold what plan and chunk say, the position is one of the chunk, and no other job has the same
    /// tiles or worker.
    pub(crate) unsafe fn input_transform(
        &self,
        worker: usize,
        of: &Transfer,
        position: usize,
        tiles: Range<usize>,
    ) {
        let (side, row) = (of.side, of.planes.row);
        let [height, width, all] = self.size(side);
        let (bits, channels) = self.channels(side, position);
        let lanes = self.isa().lanes();
        // SAFETY: the image has `height * width` pixels of `all` channels, and the planes a row for each tile, with room
        // for whole vectors; the worker's own buffer holds a copy of an image. Both are this job's alone.
        unsafe {
            let (image, plane) = (self.image(of.images, position), self.plane_row(of, position, tiles.start));
            if self.plan.scheme == Scheme::Im2col && side == Side::Output {
                // A row a pixel. Products along the output channels read whole vectors.
                let rest = all.next_multiple_of(lanes) - all;
                for (index, pixel) in (tiles.start * width..tiles.end * width).enumerate() {
                    let to = plane.add(index * row);
                    to.copy_from_nonoverlapping(image.add(pixel * all), all);
                    to.add(all).write_bytes(0, rest);
                }
                return;
            }
            let covered = self.covered(side, &tiles, height);
            let count = covered.len() * width;
            let image = image.add(covered.start * width * all);
            let mut from = Pixels { at: image, first_row: covered.start, pixel: all };
            if bits.is_some() {
                let copy = self.workers.at(worker * self.worker_layout.len);
                from = Pixels { at: copy, pixel: channels.next_multiple_of(lanes), ..from };
                self.isa().run(SelectChannels {
                    direction: Direction::Compact,
                    image,
                    channels: all,
                    pixels: count,
                    bits,
                    copy,
                    width: from.pixel,
                });
            }
            if self.plan.scheme == Scheme::Im2col {
                self.patches(from, &tiles, channels, plane, row).im2col();
                return;
            }
            if bits.is_none() {
                warm_cache_at(from.at, count * from.pixel);
            }
            self.isa().run(ToDomain(self.strip(of, from, &tiles, plane, self.zeros.at(0))));
        }
    }

    /// A sample's image to where windows are read: with zeros around it.
    ///
    /// # Safety
    ///
    /// As for [`Pass::input_transform`]; there is room for the chunk's padded images.
    pub(crate) unsafe fn pad(&self, images: Images, to: Windows, chunk: Chunk, position: usize) {
        let s = &self.plan.shape;
        let (row, [width, height]) = (s.width * s.cin, [s.width, s.height].map(|n| n + 2 * s.padding));
        // SAFETY: the image has `height` rows of `row` values, and the padded one room for them and what is around them.
        unsafe {
            let image = self.image(images, position);
            let to = to.at.at((position - chunk.first) * to.sample);
            to.write_bytes(0, height * width * s.cin);
            for y in 0..s.height {
                let to = to.add(((y + s.padding) * width + s.padding) * s.cin);
                to.copy_from_nonoverlapping(image.add(y * row), row);
            }
        }
    }

    /// A sample's rows of the planes to its image: the output, or the gradient of the input (the adjoint of the input
    /// transform). Only the given rows of tiles; of the input always all.
    ///
    /// # Safety
    ///
    /// As for [`Pass::input_transform`].
    pub(crate) unsafe fn output_transform(
        &self,
        worker: usize,
        of: &Transfer,
        position: usize,
        tiles: Range<usize>,
    ) {
        if self.plan.scheme == Scheme::Im2col && of.side == Side::Output {
            // SAFETY: as this function's contract.
            return unsafe { self.store_pixels(of, position, tiles) };
        }
        let [height, width, all] = self.size(of.side);
        let (bits, channels) = self.channels(of.side, position);
        let lanes = self.isa().lanes();
        // Patches are added in whole vectors.
        let whole = self.plan.scheme != Scheme::Im2col || all.is_multiple_of(lanes);
        let copied = bits.is_some() || !whole;
        let covered = match of.side {
            Side::Input => 0..height,
            Side::Output => self.covered(of.side, &tiles, height),
        };
        let count = covered.len() * width;
        // SAFETY: as in `input_transform`; behind the copy in the worker's buffer is room for values that nobody reads.
        unsafe {
            let (image, plane) = (self.image(of.images, position), self.plane_row(of, position, tiles.start));
            let buffer = self.workers.at(worker * self.worker_layout.len);
            let image = image.add(covered.start * width * all);
            let mut to = Pixels { at: image, first_row: covered.start, pixel: all };
            if copied {
                to = Pixels { at: buffer, pixel: channels.next_multiple_of(lanes), ..to };
            }
            if of.side == Side::Input && self.plan.scheme != Scheme::F2x2 {
                to.at.write_bytes(0, count * to.pixel);
            }
            if self.plan.scheme == Scheme::Im2col {
                self.isa().run(Col2im(self.patches(to, &tiles, channels, plane, of.planes.row)));
            } else {
                let spare = buffer.add(self.worker_layout.copy);
                let mut strip = self.strip(of, to, &tiles, plane, spare);
                strip.epilogue = self.epilogue_of(position, covered.start * width * all);
                self.isa().run(FromDomain(strip));
            }
            if copied {
                self.isa().run(SelectChannels {
                    direction: Direction::Expand,
                    image,
                    channels: all,
                    pixels: count,
                    bits,
                    copy: to.at,
                    width: to.pixel,
                });
            }
        }
    }

    /// The output of im2col: rows of the planes are pixels already.
    ///
    /// # Safety
    ///
    /// As for [`Pass::output_transform`].
    unsafe fn store_pixels(&self, of: &Transfer, position: usize, rows: Range<usize>) {
        debug_assert!(self.epilogue.is_none(), "the products apply it");
        let [_, width, channels] = self.size(of.side);
        let (bits, _) = self.channels(of.side, position);
        let pixels = rows.start * width..rows.end * width;
        // SAFETY: image and planes hold these pixels, which are this job's alone.
        unsafe {
            let (image, copy) = (self.image(of.images, position), self.plane_row(of, position, rows.start));
            let image = image.add(pixels.start * channels);
            let (pixels, width) = (pixels.len(), of.planes.row);
            if bits.is_some() {
                let direction = Direction::Expand;
                self.isa().run(SelectChannels { direction, image, channels, pixels, bits, copy, width });
                return;
            }
            for pixel in 0..pixels {
                image.add(pixel * channels).copy_from_nonoverlapping(copy.add(pixel * width), channels);
            }
        }
    }

    /// What becomes of a sample's outputs, for a part of the image that begins `first` values behind its first pixel.
    ///
    /// # Safety
    ///
    /// The position is one of the batch, and `first` at most an image's length.
    unsafe fn epilogue_of(&self, position: usize, first: usize) -> Option<RawEpilogue> {
        let epilogue = self.epilogue?;
        let added = epilogue.added.map(|added| {
            let offset = self.sample(position) * self.plan.shape.output_len() + first;
            // SAFETY: what is added has an image for every sample.
            RawAddend { values: SendPtr(unsafe { added.values.at(offset) }), ..added }
        });
        Some(RawEpilogue { added, ..epilogue })
    }

    /// The rows of an image that some rows of tiles cover.
    fn covered(&self, side: Side, tiles: &Range<usize>, height: usize) -> Range<usize> {
        let s = &self.plan.shape;
        let pool = self.epilogue.map_or(1, |epilogue| epilogue.pool);
        let rows = match (self.plan.scheme, side) {
            (Scheme::F4x4, Side::Input) => (tiles.start * 4).saturating_sub(1)..tiles.end * 4 + 1,
            (Scheme::F4x4, Side::Output) => tiles.start * 4 / pool..tiles.end * 4 / pool,
            (Scheme::F2x2, _) => 0..2,
            (Scheme::Im2col, Side::Input) => {
                let last = (tiles.end * s.stride + s.kernel).saturating_sub(s.padding);
                (tiles.start * s.stride).saturating_sub(s.padding)..last
            }
            (Scheme::Im2col, Side::Output) => tiles.clone(),
        };
        rows.start.min(height)..rows.end.min(height)
    }

    /// The patches of some output rows, of an image of which the pixels from a row on are given.
    fn patches<'p>(
        &'p self,
        image: Pixels,
        rows: &'p Range<usize>,
        channels: usize,
        patches: *mut f32,
        row: usize,
    ) -> Patches<'p> {
        let Pixels { at, first_row, pixel } = image;
        // Where the image's first pixel would be; what lies before the given rows is not accessed.
        let image = at.wrapping_sub(first_row * self.size(Side::Input)[1] * pixel);
        Patches { plan: self.plan, image, pixel, channels, rows, patches, row }
    }

    fn strip<'p>(
        &self,
        of: &Transfer,
        image: Pixels,
        tiles: &'p Range<usize>,
        domain: *mut f32,
        spare: *mut f32,
    ) -> Strip<'p> {
        let [height, width, _] = self.size(of.side);
        Strip {
            four: self.plan.scheme == Scheme::F4x4,
            of_output: of.side == Side::Output,
            height,
            width,
            image: image.at,
            first_row: image.first_row,
            pixel: image.pixel,
            tiles,
            columns: self.plan.grid[1],
            channels: image.pixel,
            domain,
            row: of.planes.row,
            plane: of.planes.plane,
            spare,
            epilogue: None,
        }
    }

    /// Sets a sample's channels to zero that are not in a set.
    ///
    /// # Safety
    ///
    /// As for [`Pass::input_transform`].
    pub(crate) unsafe fn clear_others(&self, of: &Transfer, position: usize, set: &Active) {
        let [height, width, channels] = self.size(of.side);
        // SAFETY: the image has so many pixels and channels, and is this job's alone.
        unsafe {
            let (image, pixels) = (self.image(of.images, position), height * width);
            self.isa().run(ClearOthers { image, channels, pixels, bits: set.sample(self.sample(position)) });
        }
    }
}

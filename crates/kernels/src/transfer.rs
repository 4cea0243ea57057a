//! Samples between images and points: the first and the last phase of a pass.

use super::Active;
use super::finish::RawEpilogue;
use super::pass::{Chunk, Images, Pass, Planes, Side, Windows};
use super::plan::Scheme;
use super::simd::fetch;
use super::staging::{Keep, Patches, Stage, Way};
use super::tiles::{Read, Strip, Write};
use super::weights::Shared;

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
                let pool = self.finish.map_or(1, |finish| finish.pool);
                [s.out_height() / pool, s.out_width() / pool, s.cout]
            }
        }
    }

    /// Where the points of a row of a sample's tiles begin.
    unsafe fn points(&self, planes: Planes, chunk: Chunk, position: usize, tile_row: usize) -> *mut f32 {
        let row = (position - chunk.first) * self.plan.tiles() + tile_row * self.plan.grid[1];
        // SAFETY: the planes hold all rows of the chunk.
        unsafe { planes.at.at(row * planes.row) }
    }

    /// A sample's image to its rows of points: the input, or the gradient of the output. Only the given rows
    /// of tiles.
    ///
    /// # Safety
    ///
    /// Images and planes hold what plan and chunk say, and no other job has the same tiles or worker.
    pub(super) unsafe fn to_points(
        &self,
        worker: usize,
        (images, side, planes): (Images, Side, Planes),
        chunk: Chunk,
        position: usize,
        tiles: (usize, usize),
    ) {
        let [height, width, all] = self.size(side);
        let (bits, channels) = self.channels(side, position);
        // SAFETY: the caller's promise.
        unsafe {
            let (image, points) =
                (self.image(images, position), self.points(planes, chunk, position, tiles.0));
            if self.plan.scheme == Scheme::Rows && side == Side::Output {
                // Sums over the output channels go in whole vectors.
                let rest = all.next_multiple_of(self.isa().lanes()) - all;
                for (index, pixel) in (tiles.0 * width..tiles.1 * width).enumerate() {
                    let to = points.add(index * planes.row);
                    to.copy_from_nonoverlapping(image.add(pixel * all), all);
                    to.add(all).write_bytes(0, rest);
                }
                return;
            }
            let copied = bits.is_some();
            let pixel = if copied { channels.next_multiple_of(self.isa().lanes()) } else { all };
            let (first, last) = self.covered(side, tiles, height);
            let from = if copied {
                let copy = self.own.at(worker * self.own_layout.len);
                let image = image.add(first * width * all);
                let pixels = (last - first) * width;
                let way = Way::In;
                self.isa().run(Stage { way, image, channels: all, pixels, bits, copy, width: pixel });
                copy
            } else {
                image.add(first * width * all)
            };
            if self.plan.scheme == Scheme::Rows {
                let image = from.wrapping_sub(first * width * pixel);
                let (plan, row) = (self.plan, planes.row);
                Patches { plan, image, pixel, channels, rows: tiles, patches: points, row }.gather();
                return;
            }
            if !copied {
                fetch(from, (last - first) * width * pixel);
            }
            let strip = self.strip(side, (from, first, pixel), tiles, (points, planes), self.zeros.at(0));
            self.isa().run(Read(strip));
        }
    }

    /// A sample's image to where windows are read: with zeros around it.
    ///
    /// # Safety
    ///
    /// As for [`Pass::to_points`]; there is room for the padded image.
    pub(super) unsafe fn pad(&self, (images, to): (Images, Windows), chunk: Chunk, position: usize) {
        let s = &self.plan.shape;
        let (row, [width, height]) = (s.width * s.cin, [s.width, s.height].map(|n| n + 2 * s.padding));
        // SAFETY: the caller's promise.
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

    /// A sample's rows of points to its image: the output, or the gradient of the input. Only the given rows
    /// of tiles; of the input always all.
    ///
    /// # Safety
    ///
    /// As for [`Pass::to_points`].
    pub(super) unsafe fn to_image(
        &self,
        worker: usize,
        (images, side, planes): (Images, Side, Planes),
        chunk: Chunk,
        position: usize,
        tiles: (usize, usize),
    ) {
        let [height, width, all] = self.size(side);
        let (bits, channels) = self.channels(side, position);
        // SAFETY: the caller's promise.
        unsafe {
            let (image, points) =
                (self.image(images, position), self.points(planes, chunk, position, tiles.0));
            if self.plan.scheme == Scheme::Rows && side == Side::Output {
                debug_assert!(self.finish.is_none(), "finished as products");
                let pixels = tiles.0 * width..tiles.1 * width;
                if bits.is_some() {
                    let (image, pixels) = (image.add(pixels.start * all), pixels.len());
                    let (way, copy, width) = (Way::Out, points, planes.row);
                    self.isa().run(Stage { way, image, channels: all, pixels, bits, copy, width });
                    return;
                }
                for (index, pixel) in pixels.enumerate() {
                    image.add(pixel * all).copy_from_nonoverlapping(points.add(index * planes.row), all);
                }
                return;
            }
            // Patches are added in whole vectors.
            let whole = self.plan.scheme != Scheme::Rows || all.is_multiple_of(self.isa().lanes());
            let copied = bits.is_some() || !whole;
            let pixel = if copied { channels.next_multiple_of(self.isa().lanes()) } else { all };
            let own = self.own.at(worker * self.own_layout.len);
            let (first, last) = match side {
                Side::Input => (0, height),
                Side::Output => self.covered(side, tiles, height),
            };
            let to = if copied { own } else { image.add(first * width * all) };
            if side == Side::Input && self.plan.scheme != Scheme::Two {
                to.write_bytes(0, (last - first) * width * pixel);
            }
            if self.plan.scheme == Scheme::Rows {
                let (plan, row) = (self.plan, planes.row);
                self.isa().run(Patches {
                    plan,
                    image: to,
                    pixel,
                    channels,
                    rows: tiles,
                    patches: points,
                    row,
                });
            } else {
                let spare = own.add(self.own_layout.copy);
                let mut strip = self.strip(side, (to, first, pixel), tiles, (points, planes), spare);
                strip.finish = self.finish_of(position, first * width * all);
                self.isa().run(Write(strip));
            }
            if copied {
                let pixels = (last - first) * width;
                let image = image.add(first * width * all);
                let way = Way::Out;
                self.isa().run(Stage { way, image, channels: all, pixels, bits, copy: to, width: pixel });
            }
        }
    }

    /// What becomes of a sample's outputs, of an image that begins so far behind its first pixel.
    unsafe fn finish_of(&self, position: usize, first: usize) -> Option<RawEpilogue> {
        let sample = self.plan.shape.output_len();
        // SAFETY: there is an image for every position.
        let of = |images: Shared| unsafe { Shared(images.at(self.sample(position) * sample + first)) };
        let added = self.finish?.added.map(|(images, outer)| (of(images), outer));
        Some(RawEpilogue { added, ..self.finish? })
    }

    /// The rows of an image that some rows of tiles cover.
    fn covered(&self, side: Side, tiles: (usize, usize), height: usize) -> (usize, usize) {
        let s = &self.plan.shape;
        let pool = self.finish.map_or(1, |finish| finish.pool);
        let (first, last) = match (self.plan.scheme, side) {
            (Scheme::Four, Side::Input) => ((tiles.0 * 4).saturating_sub(1), tiles.1 * 4 + 1),
            (Scheme::Four, Side::Output) => (tiles.0 * 4 / pool, tiles.1 * 4 / pool),
            (Scheme::Two, _) => (0, 2),
            (Scheme::Rows, Side::Input) => {
                let last = (tiles.1 * s.stride + s.kernel).saturating_sub(s.padding);
                ((tiles.0 * s.stride).saturating_sub(s.padding), last)
            }
            (Scheme::Rows, Side::Output) => (tiles.0, tiles.1),
        };
        (first.min(height), last.min(height))
    }

    fn strip(
        &self,
        side: Side,
        (image, first_row, pixel): (*mut f32, usize, usize),
        tiles: (usize, usize),
        (points, planes): (*mut f32, Planes),
        spare: *mut f32,
    ) -> Strip {
        let [height, width, _] = self.size(side);
        Strip {
            four: self.plan.scheme == Scheme::Four,
            of_output: side == Side::Output,
            height,
            width,
            image,
            first_row,
            pixel,
            tiles,
            columns: self.plan.grid[1],
            channels: pixel,
            points,
            row: planes.row,
            plane: planes.plane,
            spare,
            finish: None,
        }
    }

    /// Sets a sample's channels to zero that are not in a set.
    ///
    /// # Safety
    ///
    /// As for [`Pass::to_points`].
    pub(super) unsafe fn keep(&self, images: Images, side: Side, position: usize, set: &Active) {
        let [height, width, channels] = self.size(side);
        // SAFETY: the caller's promise.
        unsafe {
            let image = self.image(images, position);
            let pixels = height * width;
            self.isa().run(Keep { image, channels, pixels, bits: set.sample(self.sample(position)) });
        }
    }
}

//! Every path against a convolution in float64.

use crate::*;

/// Numbers in -1..1 that look random, the same every time.
fn noise(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect()
}

/// A convolution with its input, weights, output gradient and active channels.
struct Case {
    shape: ConvShape,
    x: Vec<f32>,
    weight: Vec<f32>,
    dy: Vec<f32>,
    bits: Option<Vec<u64>>,
}

impl Case {
    /// `density`: the part of the channels that are active; none for no set of channels.
    fn new(shape: ConvShape, density: Option<f64>) -> Self {
        Case::of_kinds(shape, density, shape.batch)
    }

    /// As [`Case::new`]; samples of a kind have the same channels.
    fn of_kinds(shape: ConvShape, density: Option<f64>, kinds: usize) -> Self {
        let words = shape.cin.div_ceil(64);
        let mut x = noise(shape.batch * shape.input_len(), 1);
        let bits = density.map(|density| {
            let draws = noise(kinds * shape.cin, 2);
            let mut bits = vec![0u64; shape.batch * words];
            for (n, c) in (0..shape.batch).flat_map(|n| (0..shape.cin).map(move |c| (n, c))) {
                if f64::from(draws[n % kinds * shape.cin + c]) * 0.5 + 0.5 < density {
                    bits[n * words + c / 64] |= 1 << (c % 64);
                }
            }
            let active = Active::new(&bits, shape.cin);
            for (index, value) in x.iter_mut().enumerate() {
                if !active.has(index / shape.input_len(), index % shape.cin) {
                    *value = 0.0;
                }
            }
            bits
        });
        let weight = noise(shape.cout * shape.cin * shape.kernel * shape.kernel, 3);
        let dy = noise(shape.batch * shape.output_len(), 4);
        Case { shape, x, weight, dy, bits }
    }

    /// y, dx and dw.
    fn run(&self, isa: Isa, threads: usize) -> [Vec<f32>; 3] {
        self.run_with(&mut ConvKernel::new(self.shape, isa, threads), &mut Workspace::new())
    }

    fn run_with(&self, kernel: &mut ConvKernel, workspace: &mut Workspace) -> [Vec<f32>; 3] {
        let active = self.bits.as_ref().map(|bits| Active::new(bits, self.shape.cin));
        let mut results =
            [vec![f32::NAN; self.dy.len()], vec![f32::NAN; self.x.len()], vec![f32::NAN; self.weight.len()]];
        let [y, dx, dw] = &mut results;
        kernel.prepare(&self.weight);
        kernel.forward(&self.x, active.as_ref(), None, y, workspace);
        kernel.backward(&self.x, &self.dy, active.as_ref(), Some(dx), Some(dw), workspace);
        results
    }

    /// Positions in x, y and w of the products with one position in one of them given: 0 for y, 1 for x, 2
    /// for w.
    fn products(&self, of: usize, position: usize) -> Vec<[usize; 3]> {
        let s = &self.shape;
        let (oh, ow, k) = (s.out_height(), s.out_width(), s.kernel);
        let mut all = Vec::new();
        let mut push = |n: usize, oy: usize, ox: usize, oc: usize, ic: usize, ky: usize, kx: usize| {
            let (y, x) =
                ((oy * s.stride + ky).wrapping_sub(s.padding), (ox * s.stride + kx).wrapping_sub(s.padding));
            if oy < oh && ox < ow && y < s.height && x < s.width {
                let output = ((n * oh + oy) * ow + ox) * s.cout + oc;
                let input = ((n * s.height + y) * s.width + x) * s.cin + ic;
                all.push([output, input, ((oc * s.cin + ic) * k + ky) * k + kx]);
            }
        };
        let taps = || (0..k).flat_map(|y| (0..k).map(move |x| (y, x)));
        match of {
            0 => {
                let (pixel, oc) = (position / s.cout, position % s.cout);
                let (n, oy, ox) = (pixel / (oh * ow), pixel / ow % oh, pixel % ow);
                taps().for_each(|(ky, kx)| (0..s.cin).for_each(|ic| push(n, oy, ox, oc, ic, ky, kx)));
            }
            1 => {
                let (pixel, ic) = (position / s.cin, position % s.cin);
                let (n, y, x) = (pixel / (s.height * s.width), pixel / s.width % s.height, pixel % s.width);
                for (ky, kx) in taps() {
                    let (oy, ox) = (y + s.padding, x + s.padding);
                    if oy >= ky && ox >= kx && (oy - ky) % s.stride == 0 && (ox - kx) % s.stride == 0 {
                        let (oy, ox) = ((oy - ky) / s.stride, (ox - kx) / s.stride);
                        (0..s.cout).for_each(|oc| push(n, oy, ox, oc, ic, ky, kx));
                    }
                }
            }
            _ => {
                let (oc, ic) = (position / (s.cin * k * k), position / (k * k) % s.cin);
                let (ky, kx) = (position / k % k, position % k);
                for pixel in 0..s.batch * oh * ow {
                    push(pixel / (oh * ow), pixel / ow % oh, pixel % ow, oc, ic, ky, kx);
                }
            }
        }
        all
    }

    /// Positions in y, x or w: the corners (first and last sample, row, column and channel, of w output and input channel
    /// and tap), and some 150 spread over the rest.
    fn positions(&self, of: usize) -> Vec<usize> {
        let s = &self.shape;
        let sizes = [
            [s.batch, s.out_height(), s.out_width(), s.cout],
            [s.batch, s.height, s.width, s.cin],
            [s.cout, s.cin, s.kernel, s.kernel],
        ][of];
        let corners = (0..16).map(|corner| {
            let ends = sizes.iter().enumerate();
            ends.fold(0, |at, (axis, size)| at * size + if corner >> axis & 1 == 1 { size - 1 } else { 0 })
        });
        let len = sizes.iter().product::<usize>();
        let samples = 150.min(len);
        let spread = (0..samples).map(|sample| (sample * len / samples + sample * 7919) % len);
        corners.chain(spread).collect()
    }

    /// Compares some of a result's values with float64: the largest difference over the root mean square of
    /// what is to be expected.
    fn error(&self, of: usize, result: &[f32]) -> f64 {
        let positions = self.positions(of);
        let (mut square, mut worst) = (0.0f64, 0.0f64);
        for &position in &positions {
            let mut exact = 0.0f64;
            for [y, x, w] in self.products(of, position) {
                exact += match of {
                    0 => f64::from(self.x[x]) * f64::from(self.weight[w]),
                    1 => f64::from(self.dy[y]) * f64::from(self.weight[w]),
                    _ => f64::from(self.dy[y]) * f64::from(self.x[x]),
                };
            }
            if let (1, Some(bits)) = (of, &self.bits) {
                let active = Active::new(bits, self.shape.cin);
                if !active.has(position / self.shape.input_len(), position % self.shape.cin) {
                    exact = 0.0;
                }
            }
            square += exact * exact;
            let difference = (f64::from(result[position]) - exact).abs();
            worst = if difference.is_nan() { f64::INFINITY } else { worst.max(difference) };
        }
        worst / (square / positions.len() as f64).sqrt().max(1e-3)
    }

    fn check(&self, isa: Isa, threads: usize) {
        self.check_with(isa, &mut ConvKernel::new(self.shape, isa, threads));
    }

    fn check_with(&self, isa: Isa, kernel: &mut ConvKernel) {
        let products = self.weight.len() * self.shape.out_height() * self.shape.out_width();
        if cfg!(miri) && products * self.shape.batch > 60_000 {
            return;
        }
        for (of, result) in self.run_with(kernel, &mut Workspace::new()).iter().enumerate() {
            let error = self.error(of, result);
            let name = ["y", "dx", "dw"][of];
            assert!(error < 1e-4, "{name} of {:?} with {isa:?}: {error:.1e}", self.shape);
        }
    }
}

/// Each case with every instruction set that this processor has.
fn on_every_isa<T: Copy>(cases: impl IntoIterator<Item = T>) -> impl Iterator<Item = (T, Isa)> {
    cases.into_iter().flat_map(|case| Isa::available().into_iter().map(move |isa| (case, isa)))
}

fn square(batch: usize, size: usize, cin: usize, cout: usize) -> ConvShape {
    ConvShape { batch, height: size, width: size, cin, cout, kernel: 3, stride: 1, padding: 1 }
}

#[test]
fn a_convolution_of_one_pixel_is_its_centre_weight() {
    let mut kernel = ConvKernel::new(square(1, 1, 1, 1), Isa::detect(InstructionSet::Portable).unwrap(), 1);
    let weight: Vec<f32> = (0..9).map(|i| i as f32).collect();
    kernel.prepare(&weight);
    let mut y = [0.0];
    kernel.forward(&[2.0], None, None, &mut y, &mut Workspace::new());
    assert_eq!(y, [8.0]);
}

const CHANNELS: [usize; 8] = [1, 3, 17, 32, 64, 96, 128, 512];
const SIZES: [usize; 7] = [1, 2, 4, 7, 8, 16, 32];

/// Every size with every number of input channels, and in turn the numbers of output channels that a test has time
/// for; small odd batches, larger ones of what is small.
fn sizes_and_channels() -> impl Iterator<Item = (usize, ConvShape)> {
    let pairs = SIZES.into_iter().flat_map(|size| CHANNELS.map(|cin| (size, cin)));
    pairs.enumerate().map(|(index, (size, cin))| {
        let work = |cout: usize, batch: usize| size * size * 9 * cin * cout * batch;
        let turned = (0..CHANNELS.len()).map(|at| CHANNELS[(index * 3 + at) % CHANNELS.len()]);
        let cout = turned.into_iter().find(|&cout| work(cout, 1) < 8_000_000).unwrap_or(1);
        let batch = [19, 9, 5, 3].into_iter().find(|&batch| work(cout, batch) < 8_000_000).unwrap_or(1);
        (index, square(batch, size, cin, cout))
    })
}

#[test]
fn every_size_and_channel_count_gives_the_convolution() {
    for ((_, shape), isa) in on_every_isa(sizes_and_channels()) {
        Case::new(shape, None).check(isa, 2);
    }
}

#[test]
fn channels_that_are_zero_are_left_out_and_change_nothing() {
    let densities = [0.0, 0.02, 0.1, 0.3, 0.5, 0.7, 1.0];
    for ((index, shape), isa) in on_every_isa(sizes_and_channels()) {
        Case::new(shape, Some(densities[index * 5 % densities.len()])).check(isa, 2);
        Case::new(shape, Some(densities[(index * 5 + 3) % densities.len()])).check(isa, 2);
    }
}

#[test]
fn lists_of_channels_serve_every_scheme_with_many_samples() {
    let shapes = [
        (30, 3, 100, 20),
        (40, 8, 20, 33),
        (17, 4, 64, 64),
        (64, 16, 16, 32),
        (20, 2, 40, 40),
        (20, 1, 40, 40),
    ];
    for (batch, size, cin, cout) in shapes {
        for (isa, density) in
            Isa::available().into_iter().flat_map(|isa| [0.3, 0.6].map(|density| (isa, density)))
        {
            let case = Case::new(square(batch, size, cin, cout), Some(density));
            case.check(isa, 3);
            case.check_with(isa, &mut ConvKernel::plain(case.shape, isa, 3));
        }
    }
}

#[test]
fn samples_that_are_alike_share_longer_groups() {
    for (batch, size, cin, cout) in [(40, 4, 100, 72), (30, 8, 40, 33), (50, 2, 40, 70), (19, 4, 300, 20)] {
        for (isa, density) in
            Isa::available().into_iter().flat_map(|isa| [0.1, 0.4].map(|density| (isa, density)))
        {
            let case = Case::of_kinds(square(batch, size, cin, cout), Some(density), 3);
            case.check(isa, 3);
            case.check_with(isa, &mut ConvKernel::plain(case.shape, isa, 3));
        }
    }
}

#[test]
fn samples_with_all_channels_are_right_among_samples_with_few() {
    // More channels than the weights of which are read together, and no multiple of four of those.
    for (size, cin, cout) in [(2, 352, 192), (4, 352, 192), (2, 560, 384)] {
        for isa in Isa::available() {
            let mut case = Case::of_kinds(square(40, size, cin, cout), Some(0.1), 5);
            let (words, len) = (cin.div_ceil(64), case.shape.input_len());
            let bits = case.bits.as_mut().unwrap();
            for sample in (0..40).step_by(7) {
                (0..cin).for_each(|c| bits[sample * words + c / 64] |= 1 << (c % 64));
                case.x[sample * len..][..len].copy_from_slice(&noise(len, 11 + sample as u64));
            }
            let [_, found, _] = case.run(isa, 2);
            let bits = case.bits.take().unwrap();
            let [_, dense, _] = case.run(isa, 2);
            let active = Active::new(&bits, cin);
            for (index, (found, dense)) in found.into_iter().zip(dense).enumerate() {
                let expected = if active.has(index / len, index % cin) { dense } else { 0.0 };
                let off = (found - expected).abs();
                assert!(off < 1e-2, "{isa:?} {size}x{cin}x{cout} at {index}: {found}, not {expected}");
            }
        }
    }
}

#[test]
fn streamed_outputs_have_the_bits_of_stored_ones() {
    let shapes = [
        square(40, 4, 40, 33),
        square(9, 16, 20, 16),
        square(30, 2, 40, 17),
        square(5, 7, 3, 20),
        square(19, 1, 33, 7),
    ];
    for (shape, isa) in on_every_isa(shapes) {
        for density in [None, Some(0.3)] {
            let case = Case::of_kinds(shape, density, 3);
            let active = case.bits.as_ref().map(|bits| Active::new(bits, shape.cin));
            let (mut kernel, mut workspace) = (ConvKernel::new(shape, isa, 2), Workspace::new());
            let [expected, ..] = case.run_with(&mut kernel, &mut workspace);
            let seen = std::sync::Mutex::new(vec![Vec::new(); shape.batch]);
            kernel.forward_to(&case.x, active.as_ref(), None, &mut workspace, |sample, y| {
                seen.lock().unwrap()[sample].extend_from_slice(y);
            });
            assert!(seen.into_inner().unwrap().concat() == expected, "{isa:?} {shape:?} {density:?}");
        }
    }
}

#[test]
fn an_epilogue_in_registers_gives_the_bits_of_separate_passes() {
    let shapes = [
        square(40, 4, 40, 33),
        square(3, 32, 3, 70),
        square(9, 16, 20, 26),
        square(5, 6, 16, 97),
        square(5, 7, 9, 20),
        square(30, 2, 40, 17),
        square(19, 1, 33, 7),
        ConvShape { kernel: 1, padding: 0, ..square(9, 8, 40, 50) },
        ConvShape { stride: 2, ..square(9, 8, 40, 24) },
    ];
    let mut done = 0;
    for (shape, isa) in on_every_isa(shapes) {
        let case = Case::new(shape, None);
        let (mut kernel, mut workspace) = (ConvKernel::new(shape, isa, 2), Workspace::new());
        let [y, ..] = case.run_with(&mut kernel, &mut workspace);
        let (scale, shift) = (noise(shape.cout, 5), noise(shape.cout, 6));
        let (added, floor, outer) = (noise(y.len(), 8), -0.25, 0.5);
        for (pool, adds) in [(1, false), (1, true), (2, false), (3, false)] {
            if !kernel.finishes(pool, adds) {
                continue;
            }
            let mut expected: Vec<f32> = y.clone();
            for (index, z) in expected.iter_mut().enumerate() {
                *z = (*z * scale[index % shape.cout] + shift[index % shape.cout]).max(floor);
                *z = if adds { (*z + added[index]).max(outer) } else { *z };
            }
            let (height, width) = (shape.out_height() / pool, shape.out_width() / pool);
            let mut out = vec![f32::NAN; shape.batch * height * width * shape.cout];
            let added = adds.then_some((&added[..], outer));
            let epilogue = Epilogue { scale: &scale, shift: &shift, floor, added, pool };
            kernel.forward_finished(&case.x, &epilogue, &mut out, &mut workspace);
            for (index, found) in out.into_iter().enumerate() {
                let (pixel, channel) = (index / shape.cout, index % shape.cout);
                let (row, column) = (pixel / width * pool, pixel % width * pool);
                let window =
                    (0..pool).flat_map(|y| (0..pool).map(move |x| (row + y) * width * pool + column + x));
                let largest = window.map(|pixel| expected[pixel * shape.cout + channel]);
                let largest = largest.fold(f32::NEG_INFINITY, f32::max);
                assert_eq!(found, largest, "{isa:?} {shape:?} pool {pool}, adds {adds}, at {index}");
            }
            done += 1;
        }
    }
    // All shapes without a pool; tiles with something added; tiles of even images with a pool.
    assert_eq!(done, (9 + 5 + 4) * Isa::available().len());
}

#[test]
fn a_nan_is_the_maximum_of_its_window_wherever_it_lies() {
    let mut tried = 0;
    for (size, isa) in on_every_isa([2, 4, 8, 16]) {
        let shape = square(1, size, 16, 20);
        let mut kernel = ConvKernel::new(shape, isa, 1);
        // A centre weight of 1 gives the input's first channel as every output.
        let mut weight = vec![0.0; shape.cout * shape.cin * 9];
        weight.iter_mut().skip(4).step_by(shape.cin * 9).for_each(|w| *w = 1.0);
        kernel.prepare(&weight);
        // Only what is computed with tiles pools at once, which the plan decides for each size and processor.
        if !kernel.finishes(2, false) {
            continue;
        }
        tried += 1;
        // Infinity less infinity at the pixel that is large, minus infinity elsewhere.
        let (scale, shift) = (vec![1e37; shape.cout], vec![f32::NEG_INFINITY; shape.cout]);
        let epilogue =
            Epilogue { scale: &scale, shift: &shift, floor: f32::NEG_INFINITY, added: None, pool: 2 };
        for (y, x) in (0..size).flat_map(|y| (0..size).map(move |x| (y, x))) {
            let mut input = vec![0.0; shape.input_len()];
            input[(y * size + x) * shape.cin] = 1e3;
            let mut out = vec![0.0; shape.output_len() / 4];
            kernel.forward_finished(&input, &epilogue, &mut out, &mut Workspace::new());
            let window = y / 2 * (size / 2) + x / 2;
            for (index, value) in out.into_iter().enumerate() {
                let right = value.is_nan() == (index / shape.cout == window) && value != f32::INFINITY;
                assert!(right, "{isa:?} {size}: NaN at {y}, {x}, {value} at {index}");
            }
        }
    }
    assert!(tried > 0, "no size is computed with tiles");
}

#[test]
fn sums_put_each_addends_channels_in_their_places() {
    let pixels = 5;
    for isa in Isa::available() {
        for (channels, every) in [(3, 2), (16, 3), (40, 1), (70, 7), (130, 4)] {
            let places: Vec<usize> = (0..channels).filter(|channel| channel % every == 0).collect();
            let mut bits = vec![0u64; usize::div_ceil(channels, 64)];
            places.iter().for_each(|place| bits[place / 64] |= 1 << (place % 64));
            let (some, all) = (noise(pixels * places.len(), 9), noise(pixels * channels, 10));
            let mut expected = all.clone();
            for (index, value) in some.iter().enumerate() {
                expected[index / places.len() * channels + places[index % places.len()]] += value;
            }
            expected.iter_mut().for_each(|x| *x = x.max(-0.5));
            let addends = [
                Addend { values: &some, width: places.len(), places: Some(&bits) },
                Addend { values: &all, width: channels, places: None },
            ];
            let (mut out, mut total) = (vec![f32::NAN; all.len()], vec![f32::NAN; channels]);
            residual_sum(isa, addends, -0.5, &mut out, &mut total);
            assert_eq!(out, expected, "{isa:?} {channels}");
            for (channel, total) in total.into_iter().enumerate() {
                let exact: f32 = (0..pixels).map(|pixel| expected[pixel * channels + channel]).sum();
                assert!((total - exact).abs() < 1e-5, "{isa:?} {channels}");
            }
        }
    }
}

#[test]
fn any_kernel_stride_and_padding_gives_the_convolution() {
    let shape = |height, width, cin, cout, kernel, stride, padding| ConvShape {
        batch: 3,
        height,
        width,
        cin,
        cout,
        kernel,
        stride,
        padding,
    };
    let shapes = [
        shape(8, 8, 32, 64, 3, 2, 1),
        shape(7, 9, 17, 33, 3, 2, 1),
        shape(8, 8, 64, 64, 1, 1, 0),
        shape(8, 6, 17, 64, 1, 1, 0),
        shape(8, 8, 32, 48, 1, 2, 0),
        shape(9, 6, 16, 8, 5, 1, 2),
        shape(6, 6, 8, 32, 3, 1, 0),
        shape(5, 8, 16, 16, 3, 1, 1),
        shape(11, 11, 3, 64, 7, 2, 3),
        shape(2, 4, 16, 16, 3, 1, 1),
    ];
    for shape in shapes {
        for isa in Isa::available() {
            Case::new(shape, None).check(isa, 2);
            Case::new(shape, Some(0.3)).check(isa, 2);
        }
    }
}

/// The arrays of a [`Case`] have no room behind their last value, so that AddressSanitizer reports what reads or
/// writes past them.
#[test]
fn narrow_maps_give_the_convolution_and_nothing_past_them_is_read() {
    let sizes = (1..=3).flat_map(|width| (1..=5).map(move |height| (height, width)));
    let kernels = [(1, 1, 0), (2, 1, 1), (3, 1, 1), (3, 2, 1), (3, 1, 0), (5, 1, 2)];
    for ((height, width), isa) in on_every_isa(sizes) {
        for (kernel, stride, padding) in kernels {
            if height.min(width) + 2 * padding < kernel {
                continue;
            }
            for (cin, cout) in [(1, 4), (2, 17), (3, 9), (20, 5)] {
                let shape = ConvShape { batch: 2, height, width, cin, cout, kernel, stride, padding };
                for density in [None, Some(0.5)] {
                    let case = Case::new(shape, density);
                    case.check(isa, 2);
                    case.check_with(isa, &mut ConvKernel::plain(shape, isa, 1));
                }
            }
        }
    }
}

#[test]
fn the_same_work_gives_the_same_bits_every_time() {
    for shape in [square(24, 16, 16, 32), square(20, 8, 32, 16), square(20, 4, 64, 64), square(20, 2, 32, 64)]
    {
        for density in [None, Some(0.3)] {
            let case = Case::new(shape, density);
            let first = case.run(Isa::best(), 3);
            for _ in 0..3 {
                assert!(case.run(Isa::best(), 3) == first, "{shape:?} {density:?}");
            }
        }
    }
}

#[test]
fn what_earlier_work_left_behind_is_not_seen() {
    for isa in Isa::available() {
        let mut workspace = Workspace::new();
        for density in [None, Some(0.3)] {
            for shape in
                [square(9, 4, 40, 20), square(9, 2, 40, 20), square(3, 16, 20, 40), square(3, 3, 20, 20)]
            {
                let mut case = Case::new(shape, density);
                let mut kernel = ConvKernel::new(shape, isa, 2);
                let expected = case.run_with(&mut kernel, &mut Workspace::new());
                let x = std::mem::replace(&mut case.x, vec![f32::NAN; expected[1].len()]);
                let dy = std::mem::replace(&mut case.dy, vec![f32::NAN; expected[0].len()]);
                case.run_with(&mut kernel, &mut workspace);
                (case.x, case.dy) = (x, dy);
                assert!(
                    case.run_with(&mut kernel, &mut workspace) == expected,
                    "{isa:?} {shape:?} {density:?}"
                );
            }
        }
    }
}

#[test]
fn a_last_batch_may_be_smaller() {
    for size in [2, 4, 16] {
        let mut case = Case::new(square(3, size, 24, 16), Some(0.5));
        let mut kernel = ConvKernel::new(square(32, size, 24, 16), Isa::best(), 2);
        let results = case.run_with(&mut kernel, &mut Workspace::new());
        for (of, result) in results.iter().enumerate() {
            assert!(case.error(of, result) < 1e-4);
        }
        (case.x, case.dy, case.bits) = (vec![], vec![], Some(vec![]));
        let [_, _, dw] = case.run_with(&mut kernel, &mut Workspace::new());
        assert!(dw.iter().all(|value| *value == 0.0), "no samples give no gradient");
    }
}

#[test]
fn outputs_that_are_wanted_are_right_and_the_others_zero_or_right() {
    let shapes = [
        square(9, 4, 32, 70),
        square(21, 8, 20, 33),
        square(35, 2, 64, 130),
        square(2, 3, 16, 16),
        square(1, 16, 64, 64),
        square(3, 32, 32, 96),
        square(24, 4, 256, 512),
        ConvShape { kernel: 1, padding: 0, ..square(24, 8, 40, 96) },
        ConvShape { stride: 2, ..square(24, 8, 40, 96) },
    ];
    for (shape, isa) in on_every_isa(shapes) {
        // Samples of a kind want the same outputs.
        let (words, draws) = (shape.cout.div_ceil(64), noise(5 * shape.cout, 7));
        let mut bits = vec![0u64; shape.batch * words];
        for (sample, channel) in (0..shape.batch).flat_map(|n| (0..shape.cout).map(move |c| (n, c))) {
            if draws[sample % 5 * shape.cout + channel] < [-0.4, 0.8, -1.0][shape.batch % 3] {
                bits[sample * words + channel / 64] |= 1 << (channel % 64);
            }
        }
        let wanted = Active::new(&bits, shape.cout);
        for density in [None, Some(0.4)] {
            let case = Case::new(shape, density);
            let [expected, ..] = case.run(isa, 2);
            let active = case.bits.as_ref().map(|bits| Active::new(bits, shape.cin));
            let mut kernel = ConvKernel::new(shape, isa, 2);
            kernel.prepare(&case.weight);
            let mut y = vec![f32::NAN; expected.len()];
            kernel.forward(&case.x, active.as_ref(), Some(&wanted), &mut y, &mut Workspace::new());
            for (index, (value, expected)) in y.into_iter().zip(expected).enumerate() {
                let is = wanted.has(index / shape.output_len(), index % shape.cout);
                let right = (value - expected).abs() < 1e-4 || (!is && value == 0.0);
                assert!(right, "{isa:?} {shape:?} {density:?} at {index}: {value}, not {expected}");
            }
        }
    }
}

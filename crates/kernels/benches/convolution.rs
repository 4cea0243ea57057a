//! Times of convolutions: `cargo bench --bench convolution -- [--threads N] [--batch N] [--isa NAME] [--only TEXT]`.
//!
//! One line a layer: milliseconds of preparing the weights, forward, and backward, and of forward and backward
//! when a part of the input channels is active.

use std::time::Instant;

use cleave_kernels::{Active, ConvKernel, ConvShape, InstructionSet, Isa, Workspace};

/// Name, image, input and output channels, kernel, stride.
const LAYERS: &[(&str, usize, usize, usize, usize, usize)] = &[
    ("vgg", 32, 3, 64, 3, 1),
    ("vgg", 32, 64, 64, 3, 1),
    ("vgg", 16, 64, 128, 3, 1),
    ("vgg", 16, 128, 128, 3, 1),
    ("vgg", 8, 128, 256, 3, 1),
    ("vgg", 8, 256, 256, 3, 1),
    ("vgg", 4, 256, 512, 3, 1),
    ("vgg", 4, 512, 512, 3, 1),
    ("vgg", 2, 512, 512, 3, 1),
    ("small", 32, 3, 32, 3, 1),
    ("small", 32, 32, 32, 3, 1),
    ("small", 16, 32, 64, 3, 1),
    ("small", 16, 64, 64, 3, 1),
    ("small", 8, 64, 128, 3, 1),
    ("small", 8, 128, 128, 3, 1),
    ("small", 4, 128, 256, 3, 1),
    ("small", 4, 256, 256, 3, 1),
    ("small", 2, 256, 512, 3, 1),
    ("resnet", 32, 64, 128, 3, 2),
    ("resnet", 16, 128, 256, 3, 2),
    ("resnet", 8, 256, 512, 3, 2),
    ("resnet", 32, 64, 128, 1, 2),
];
const DENSITIES: [f64; 3] = [0.5, 0.3, 0.1];

fn main() {
    let text = |name: &str| {
        let mut rest = std::env::args().skip_while(move |argument| *argument != name).skip(1);
        rest.next()
    };
    let number = |name: &str, default: usize| text(name).and_then(|n| n.parse().ok()).unwrap_or(default);
    let (threads, batch, rounds) = (number("--threads", 2), number("--batch", 128), number("--rounds", 9));
    let isa = match text("--isa").as_deref() {
        Some("avx2") => Isa::detect(InstructionSet::Avx2),
        Some("portable") => Isa::detect(InstructionSet::Portable),
        _ => Some(Isa::best()),
    };
    let Some(isa) = isa else { return eprintln!("this processor does not have these instructions") };
    let only = text("--only").unwrap_or_default();
    println!("{isa:?}, {threads} threads, batch {batch}, median ms of {rounds}");
    println!(
        "{:<20} {:>8} {:>8} {:>8}   fwd bwd at densities {DENSITIES:?}",
        "layer", "weights", "forward", "backward"
    );
    let mut workspace = Workspace::new();
    for &(name, size, cin, cout, kernel, stride) in LAYERS {
        let padding = kernel / 2;
        let shape = ConvShape { batch, height: size, width: size, cin, cout, kernel, stride, padding };
        let name = format!("{name} {cin}-{cout}@{size}");
        if !name.contains(&only) {
            continue;
        }
        let mut conv = ConvKernel::new(shape, isa, threads);
        let mut x = noise(batch * shape.input_len());
        let (weight, dy) = (noise(cout * cin * kernel * kernel), noise(batch * shape.output_len()));
        let (mut y, mut dx, mut dw) = (vec![0.0; dy.len()], vec![0.0; x.len()], vec![0.0; weight.len()]);
        let prepare = median(rounds, || conv.prepare(&weight));
        let forward = median(rounds, || conv.forward(&x, None, None, &mut y, &mut workspace));
        let wants = cin > 3;
        let backward = median(rounds, || {
            conv.backward(&x, &dy, None, wants.then_some(&mut dx[..]), Some(&mut dw), &mut workspace)
        });
        print!("{name:<20} {prepare:>8.2} {forward:>8.2} {backward:>8.2}  ");
        for density in DENSITIES.into_iter().filter(|_| wants) {
            let bits = masks(batch, cin, density);
            let active = Active::new(&bits, cin);
            for (index, value) in x.iter_mut().enumerate() {
                if !active.has(index / shape.input_len(), index % cin) {
                    *value = 0.0;
                }
            }
            let forward = median(rounds, || conv.forward(&x, Some(&active), None, &mut y, &mut workspace));
            let backward = median(rounds, || {
                conv.backward(&x, &dy, Some(&active), Some(&mut dx), Some(&mut dw), &mut workspace);
            });
            print!(" {forward:>7.2} {backward:>7.2}");
        }
        println!();
    }
}

/// Masks of ten classes; a sample has its class's channels, 95 of 100.
fn masks(batch: usize, channels: usize, density: f64) -> Vec<u64> {
    let words = channels.div_ceil(64);
    let (classes, drops) = (noise(10 * channels), noise(batch * channels * 7));
    let mut bits = vec![0u64; batch * words];
    for (sample, row) in bits.chunks_mut(words).enumerate() {
        for channel in 0..channels {
            let of_class = f64::from(classes[sample % 10 * channels + channel]) * 0.5 + 0.5 < density;
            if of_class && drops[(sample * channels + channel) * 7] > -0.9 {
                row[channel / 64] |= 1 << (channel % 64);
            }
        }
    }
    bits
}

/// The median of some measurements in milliseconds.
fn median(rounds: usize, mut work: impl FnMut()) -> f64 {
    work();
    let mut times: Vec<f64> = (0..rounds)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[rounds / 2]
}

fn noise(len: usize) -> Vec<f32> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64 ^ len as u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

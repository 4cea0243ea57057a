//! The optimiser's step on the CPU: one pass over weights, velocities and gradients.

use std::sync::{Mutex, PoisonError};

use super::kernels::parallel;
use super::threads;

/// Elements that a thread takes at a time: weights, velocities and gradients of them fit its cache.
const PART: usize = 32 * 1024;

/// v = momentum v + g; p -= rate (g + momentum v), for every element.
///
/// # Panics
///
/// When the three differ in length.
pub fn nesterov(weights: &mut [f32], velocity: &mut [f32], gradient: &[f32], momentum: f32, rate: f32) {
    assert!(weights.len() == velocity.len() && weights.len() == gradient.len());
    let parts = weights.chunks_mut(PART).zip(velocity.chunks_mut(PART)).zip(gradient.chunks(PART));
    let parts: Vec<_> = parts.map(|part| Mutex::new(Some(part))).collect();
    parallel(threads(), parts.len(), |_, index| {
        let part = parts[index].lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(((weights, velocity), gradient)) = part else { return };
        for ((p, v), g) in weights.iter_mut().zip(velocity).zip(gradient) {
            *v = momentum * *v + g;
            *p -= (g + momentum * *v) * rate;
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_is_nesterovs_whatever_the_length() {
        for length in [0, 1, PART + 3] {
            let (mut weights, mut velocity) = (vec![1.0; length], vec![2.0; length]);
            nesterov(&mut weights, &mut velocity, &vec![4.0; length], 0.5, 0.1);
            assert!(velocity.iter().all(|v| *v == 5.0) && weights.iter().all(|p| (p - 0.35).abs() < 1e-6));
        }
    }
}

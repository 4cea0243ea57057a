//! The learning rate over epochs.

/// Cosine annealing: the rate of epoch `epoch` (from 0) is base (1 + cos(pi epoch / period)) / 2, constant
/// within an epoch.
pub fn cosine(base: f64, epoch: u64, period: usize) -> f64 {
    base * (1.0 + (std::f64::consts::PI * epoch as f64 / period as f64).cos()) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cosine_falls_from_the_base_to_zero_over_its_period() {
        assert_eq!(cosine(0.05, 0, 200), 0.05);
        assert!((cosine(0.05, 100, 200) - 0.025).abs() < 1e-12);
        assert!(cosine(0.05, 200, 200).abs() < 1e-12);
    }
}

//! Scales of axes: mapping numbers to positions.

/// How an axis maps its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scale {
    /// Equal differences have equal lengths.
    #[default]
    Linear,
    /// Equal ratios have equal lengths; numbers that are not above zero have no position.
    Log,
}

/// Largest magnitude of a number with a position on an axis: differences of two such numbers are finite.
const LARGEST: f64 = 1e300;
/// Smallest number with a position on a logarithmic axis.
const SMALLEST: f64 = 1e-300;

impl Scale {
    /// The position of a number, up to a linear map; NaN where it has none.
    #[must_use]
    pub fn forward(self, value: f64) -> f64 {
        match self {
            Scale::Linear => value,
            Scale::Log if value > 0.0 => value.log10(),
            Scale::Log => f64::NAN,
        }
    }

    /// The inverse of [`Scale::forward`].
    #[must_use]
    pub fn back(self, place: f64) -> f64 {
        match self {
            Scale::Linear => place,
            Scale::Log => 10f64.powf(place),
        }
    }

    /// Whether a number has a position on such an axis.
    #[must_use]
    pub fn holds(self, value: f64) -> bool {
        match self {
            Scale::Linear => value.abs() <= LARGEST,
            Scale::Log => (SMALLEST..=LARGEST).contains(&value),
        }
    }
}

/// An axis: the numbers at its two ends, `low < high`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Axis {
    pub scale: Scale,
    pub low: f64,
    pub high: f64,
}

impl Axis {
    /// An axis over these numbers, widened where they are one number, and of the order of 1 where they are
    /// none.
    pub fn new(scale: Scale, range: Option<(f64, f64)>) -> Axis {
        let ordered = range.map(|(a, b)| (a.min(b), a.max(b)));
        let usable = ordered.filter(|(low, high)| scale.holds(*low) && scale.holds(*high));
        let (mut low, mut high) = usable.unwrap_or(match scale {
            Scale::Linear => (0.0, 1.0),
            Scale::Log => (0.1, 1.0),
        });
        match scale {
            Scale::Linear => {
                let size = low.abs().max(high.abs());
                if high - low <= (size * 1e-12).max(SMALLEST) {
                    // A tenth of a number next to zero may be zero.
                    let by = if size < 1e-200 { 0.5 } else { size * 0.1 };
                    (low, high) = (low - by, high + by);
                }
            }
            Scale::Log => {
                if high / low < 1.0 + 1e-9 {
                    (low, high) = (low / 2.0, high * 2.0);
                }
            }
        }
        Axis { scale, low, high }
    }

    /// The axis with a twentieth of its length added at both ends.
    pub fn padded(self) -> Axis {
        let (low, high) = (self.scale.forward(self.low), self.scale.forward(self.high));
        let by = (high - low) * 0.05;
        let (low, high) = (self.scale.back(low - by), self.scale.back(high + by));
        match self.scale {
            Scale::Linear => Axis { low, high, ..self },
            Scale::Log => Axis { low: low.max(SMALLEST / 1e3), high: high.min(LARGEST * 1e3), ..self },
        }
    }

    /// Where a number stands: 0 at the low end, 1 at the high end, beyond that outside.
    pub fn place(&self, value: f64) -> f64 {
        self.places()(value)
    }

    /// [`Axis::place`] for many numbers. Places far outside are held at a distance that can be computed with.
    pub fn places(&self) -> impl Fn(f64) -> f64 + use<> {
        let (scale, low) = (self.scale, self.scale.forward(self.low));
        let length = scale.forward(self.high) - low;
        move |value| ((scale.forward(value) - low) / length).clamp(-1e6, 1e6)
    }

    /// The number at a place.
    pub fn value(&self, place: f64) -> f64 {
        let (low, high) = (self.scale.forward(self.low), self.scale.forward(self.high));
        self.scale.back(low + place * (high - low))
    }
}

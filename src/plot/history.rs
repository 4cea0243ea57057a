//! Series that grow during training, and their smoothing.

use std::collections::VecDeque;

/// Buckets that a [`History`] holds at most.
const BUCKETS: usize = 4096;

/// Newest points that a [`History`] keeps exactly.
const RECENT: usize = 4096;

/// First points that it keeps exactly: a logarithmic axis shows the first ten as wide as the next ninety.
const HEAD: usize = 512;

/// A series of (x, y) of any length in bounded memory, without loss of peaks.
///
/// Points are collected in buckets of equally many points; when all buckets are full, neighbours are merged and each
/// holds twice as many. A bucket keeps its lowest and its highest point and the mean, so every point that is drawn was
/// measured. The first 512 and the newest 4,096 points are also kept exactly. An append takes amortised O(1) time; a
/// million points take as much memory as ten thousand: less than 0.4 MiB.
///
/// `x` must not decrease: a point with a smaller `x` than the last is ignored. A `y` that is not finite
/// is a gap in the line.
#[derive(Debug, Clone)]
pub struct History {
    buckets: Vec<Bucket>,
    /// Points in a full bucket.
    stride: u64,
    head: Vec<(f64, f64)>,
    recent: VecDeque<(f64, f64)>,
    length: u64,
}

/// Neighbouring points.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    /// `x` of the first and last point, gaps included.
    pub from: f64,
    pub to: f64,
    /// Lowest and highest point; not a number when all points are gaps.
    pub low: (f64, f64),
    pub high: (f64, f64),
    sum: f64,
    /// Finite points and gaps.
    count: u32,
    gaps: u32,
}

impl Bucket {
    fn new(x: f64, y: f64) -> Bucket {
        let gap = y.is_nan();
        let sum = if gap { 0.0 } else { y };
        let (count, gaps) = if gap { (0, 1) } else { (1, 0) };
        Bucket { from: x, to: x, low: (x, y), high: (x, y), sum, count, gaps }
    }

    fn join(&mut self, next: &Bucket) {
        self.to = next.to;
        if next.count > 0 {
            if self.count == 0 || next.low.1 < self.low.1 {
                self.low = next.low;
            }
            if self.count == 0 || next.high.1 > self.high.1 {
                self.high = next.high;
            }
        }
        self.sum += next.sum;
        self.count = self.count.saturating_add(next.count);
        self.gaps = self.gaps.saturating_add(next.gaps);
    }

    fn points(&self) -> u64 {
        u64::from(self.count) + u64::from(self.gaps)
    }

    /// Mean of the finite points; not a number when there is none.
    pub fn mean(&self) -> f64 {
        self.sum / f64::from(self.count)
    }

    /// The two kept points in the order of `x`, the second only where it is another, then a gap where one is.
    fn emit(&self) -> impl Iterator<Item = (f64, f64)> {
        let (first, second) =
            if self.low.0 <= self.high.0 { (self.low, self.high) } else { (self.high, self.low) };
        let second = (self.count > 0 && second.0 > first.0).then_some(second);
        let gap = (self.gaps > 0 && self.count > 0).then_some((self.to, f64::NAN));
        [Some(first), second, gap].into_iter().flatten()
    }
}

impl Default for History {
    fn default() -> Self {
        History::new()
    }
}

impl History {
    /// A series without points.
    #[must_use]
    pub fn new() -> Self {
        History { buckets: Vec::new(), stride: 1, head: Vec::new(), recent: VecDeque::new(), length: 0 }
    }

    /// A series of these points.
    #[must_use]
    pub fn of(points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let mut history = History::new();
        points.into_iter().for_each(|(x, y)| history.push(x, y));
        history
    }

    /// Appends a point. One whose `x` is not finite or smaller than the last is ignored.
    pub fn push(&mut self, x: f64, y: f64) {
        if !x.is_finite() || self.buckets.last().is_some_and(|last| x < last.to) {
            return;
        }
        self.length += 1;
        let y = if y.is_finite() { y } else { f64::NAN };
        if self.head.len() < HEAD {
            self.head.push((x, y));
        }
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((x, y));
        let point = Bucket::new(x, y);
        match self.buckets.last_mut() {
            Some(last) if last.points() < self.stride => last.join(&point),
            _ => {
                if self.buckets.len() == BUCKETS {
                    self.halve();
                }
                self.buckets.push(point);
            }
        }
    }

    /// Merges neighbouring buckets. Called when all are full.
    fn halve(&mut self) {
        for index in 0..BUCKETS / 2 {
            let mut joined = self.buckets[2 * index];
            joined.join(&self.buckets[2 * index + 1]);
            self.buckets[index] = joined;
        }
        self.buckets.truncate(BUCKETS / 2);
        self.stride *= 2;
    }

    /// Number of points appended.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether no point was appended.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// First and last `x`, or none without points.
    #[must_use]
    pub fn extent(&self) -> Option<(f64, f64)> {
        Some((self.buckets.first()?.from, self.buckets.last()?.to))
    }

    /// The newest point with a finite `y`.
    #[must_use]
    pub fn last(&self) -> Option<(f64, f64)> {
        let newest = self.recent.iter().rev().find(|(_, y)| y.is_finite()).copied();
        newest.or_else(|| self.buckets.iter().rev().find(|bucket| bucket.count > 0).map(|b| b.high))
    }

    /// The lowest point, the earliest of equals.
    #[must_use]
    pub fn lowest(&self) -> Option<(f64, f64)> {
        let lows = self.buckets.iter().filter(|bucket| bucket.count > 0).map(|bucket| bucket.low);
        lows.reduce(|best, point| if point.1 < best.1 { point } else { best })
    }

    /// The highest point, the earliest of equals.
    #[must_use]
    pub fn highest(&self) -> Option<(f64, f64)> {
        let highs = self.buckets.iter().filter(|bucket| bucket.count > 0).map(|bucket| bucket.high);
        highs.reduce(|best, point| if point.1 > best.1 { point } else { best })
    }

    /// The kept point nearest to `x`. Exact among the first 512 and the newest 4,096 points; between them it is
    /// the lowest or highest point of a bucket.
    #[must_use]
    pub fn nearest(&self, x: f64) -> Option<(f64, f64)> {
        nearest(self.points(x, x).filter(|(_, y)| y.is_finite()), x)
    }

    /// The kept points with `from <= x <= to`, one more on each side, in the order of `x`; `y` is not a number
    /// where the line has a gap.
    pub fn points(&self, from: f64, to: f64) -> impl Iterator<Item = (f64, f64)> {
        let exact_from = self.recent.front().map_or(f64::INFINITY, |point| point.0);
        let (recent, head, old) = match from > exact_from || self.length <= RECENT as u64 {
            true => (self.recent_between(from, to), &[][..], &[][..]),
            false => (0..0, window(&self.head, from, to), self.between(from, to)),
        };
        let end = self.head.last().map_or(f64::NEG_INFINITY, |point| point.0);
        let behind = old.iter().flat_map(Bucket::emit).filter(move |point| point.0 > end);
        // The newest point need not be the lowest or highest of its bucket, but the line ends there.
        let newest = self.recent.back().filter(|point| !old.is_empty() && point.0 <= to);
        head.iter().copied().chain(behind).chain(self.recent.range(recent).chain(newest).copied())
    }

    /// Buckets that touch the window, and one more on each side.
    pub(super) fn between(&self, from: f64, to: f64) -> &[Bucket] {
        let start = self.buckets.partition_point(|bucket| bucket.to < from).saturating_sub(1);
        let end = self.buckets.partition_point(|bucket| bucket.from <= to) + 1;
        let end = end.min(self.buckets.len());
        &self.buckets[start.min(end)..end]
    }

    fn recent_between(&self, from: f64, to: f64) -> std::ops::Range<usize> {
        let start = self.recent.partition_point(|point| point.0 < from).saturating_sub(1);
        let end = (self.recent.partition_point(|point| point.0 <= to) + 1).min(self.recent.len());
        start.min(end)..end
    }
}

/// Points in the window and one more on each side.
pub(super) fn window(points: &[(f64, f64)], from: f64, to: f64) -> &[(f64, f64)] {
    let start = points.partition_point(|point| point.0 < from).saturating_sub(1);
    let end = (points.partition_point(|point| point.0 <= to) + 1).min(points.len());
    &points[start.min(end)..end]
}

/// The point whose `x` is nearest, the first of equals.
pub(super) fn nearest(points: impl Iterator<Item = (f64, f64)>, x: f64) -> Option<(f64, f64)> {
    points.reduce(|best, point| if (point.0 - x).abs() < (best.0 - x).abs() { point } else { best })
}

/// Debiased exponential moving average, as TensorBoard smooths its curves: with weight w,
/// s(t) = w s(t-1) + (1 - w) y(t) from s(0) = 0, and the smoothed value is s(t) / (1 - w^t).
#[derive(Debug, Clone, Copy)]
pub struct Ema {
    weight: f64,
    sum: f64,
    /// w^t.
    bias: f64,
}

impl Ema {
    /// An average with this weight of the past, clamped to 0 (no smoothing) to 0.999.
    #[must_use]
    pub fn new(weight: f64) -> Self {
        let weight = if weight.is_finite() { weight.clamp(0.0, 0.999) } else { 0.0 };
        Ema { weight, sum: 0.0, bias: 1.0 }
    }

    /// The weight of the past.
    #[must_use]
    pub fn weight(&self) -> f64 {
        self.weight
    }

    /// Adds the next value and returns the smoothed one. A value that is not finite gives a gap and does not change the
    /// average.
    pub fn next(&mut self, value: f64) -> f64 {
        self.next_of(value, 1)
    }

    /// Adds `count` values with this mean at once. Exact where they are equal.
    fn next_of(&mut self, mean: f64, count: u32) -> f64 {
        if !mean.is_finite() {
            return f64::NAN;
        }
        let keep = self.weight.powf(f64::from(count));
        self.sum = keep * self.sum + (1.0 - keep) * mean;
        self.bias *= keep;
        self.sum / (1.0 - self.bias)
    }
}

/// A measured quantity: its raw values and, beside them, its smoothed ones.
#[derive(Debug, Clone)]
pub struct Curve {
    raw: History,
    smooth: History,
    ema: Ema,
}

impl Curve {
    /// An empty curve with this weight of smoothing (see [`Ema`]).
    #[must_use]
    pub fn new(weight: f64) -> Self {
        Curve { raw: History::new(), smooth: History::new(), ema: Ema::new(weight) }
    }

    /// Appends a measured value.
    pub fn push(&mut self, x: f64, y: f64) {
        let length = self.raw.length;
        self.raw.push(x, y);
        if self.raw.length > length {
            self.smooth.push(x, self.ema.next(y));
        }
    }

    /// Values as measured.
    #[must_use]
    pub fn raw(&self) -> &History {
        &self.raw
    }

    /// Values after smoothing.
    #[must_use]
    pub fn smooth(&self) -> &History {
        &self.smooth
    }

    /// The weight of smoothing.
    #[must_use]
    pub fn weight(&self) -> f64 {
        self.ema.weight
    }

    /// Smooths all values again with another weight. For up to 4,096 points this is exact; in longer series the mean of
    /// a bucket stands for its points.
    pub fn set_weight(&mut self, weight: f64) {
        self.ema = Ema::new(weight);
        self.smooth = History::new();
        let recent = self.raw.recent.front().map_or(f64::INFINITY, |point| point.0);
        for bucket in self.raw.buckets.iter().take_while(|bucket| bucket.to < recent) {
            let smooth = self.ema.next_of(bucket.mean(), bucket.count);
            self.smooth.push(bucket.to, smooth);
        }
        let behind = self.smooth.extent().map_or(f64::NEG_INFINITY, |(_, to)| to);
        for (x, y) in self.raw.recent.iter().filter(|point| point.0 > behind) {
            self.smooth.push(*x, self.ema.next(*y));
        }
    }
}

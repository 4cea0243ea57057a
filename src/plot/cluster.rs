//! An order of rows in which those that are alike stand together.

/// The order of a symmetric matrix of likeness (`size` x `size`, row after row; larger is more alike) by
/// agglomerative clustering with average linkage (UPGMA): the two clusters with the highest mean likeness are
/// joined until one is left. Where two are joined, the one with the smaller first index goes first.
///
/// Values that are not finite, or missing, count as 0. Gives the indices in their new order, in O(size³) time.
#[must_use]
pub fn cluster(likeness: &[f64], size: usize) -> Vec<usize> {
    let value = |row: usize, column: usize| {
        likeness.get(row * size + column).copied().filter(|value| value.is_finite()).unwrap_or(0.0)
    };
    let mut clusters: Vec<Vec<usize>> = (0..size).map(|index| vec![index]).collect();
    // Likeness of clusters, in the order of `clusters`.
    let mut mean: Vec<Vec<f64>> =
        (0..size).map(|i| (0..size).map(|j| (value(i, j) + value(j, i)) / 2.0).collect()).collect();
    while clusters.len() > 1 {
        let (a, b) = most_alike(&mean);
        let (m, n) = (clusters[a].len() as f64, clusters[b].len() as f64);
        let joined: Vec<f64> = mean[a].iter().zip(&mean[b]).map(|(x, y)| (m * x + n * y) / (m + n)).collect();
        mean.iter_mut().zip(&joined).for_each(|(row, value)| row[a] = *value);
        mean[a] = joined;
        mean.remove(b);
        for row in &mut mean {
            row.remove(b);
        }
        let joined = clusters.remove(b);
        clusters[a].extend(joined);
    }
    clusters.pop().unwrap_or_default()
}

/// The first pair with the highest likeness, the smaller index first.
fn most_alike(mean: &[Vec<f64>]) -> (usize, usize) {
    let pairs = (0..mean.len()).flat_map(|i| (i + 1..mean.len()).map(move |j| (i, j)));
    let best =
        pairs.reduce(|best, pair| if mean[pair.0][pair.1] > mean[best.0][best.1] { pair } else { best });
    best.unwrap_or((0, 0))
}

//! Ordering rows so that similar ones are neighbours.

/// The order of a symmetric similarity matrix (`size` x `size`, row-major; larger is more similar) by agglomerative
/// clustering with average linkage (UPGMA): the two clusters with the highest mean similarity are merged until one is
/// left. Of two that are merged, the one with the smaller first index comes first.
///
/// Values that are not finite, or missing, count as 0. Returns the indices in their new order; takes O(size³) time.
#[must_use]
pub fn cluster(similarity: &[f64], size: usize) -> Vec<usize> {
    let value = |row: usize, column: usize| {
        similarity.get(row * size + column).copied().filter(|value| value.is_finite()).unwrap_or(0.0)
    };
    let mut clusters: Vec<Vec<usize>> = (0..size).map(|index| vec![index]).collect();
    // Mean similarity of clusters, in the order of `clusters`.
    let mut mean: Vec<Vec<f64>> =
        (0..size).map(|i| (0..size).map(|j| (value(i, j) + value(j, i)) / 2.0).collect()).collect();
    while clusters.len() > 1 {
        let (a, b) = most_similar(&mean);
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

/// The first pair with the highest similarity, the smaller index first.
fn most_similar(mean: &[Vec<f64>]) -> (usize, usize) {
    let pairs = (0..mean.len()).flat_map(|i| (i + 1..mean.len()).map(move |j| (i, j)));
    let best =
        pairs.reduce(|best, pair| if mean[pair.0][pair.1] > mean[best.0][best.1] { pair } else { best });
    best.unwrap_or((0, 0))
}

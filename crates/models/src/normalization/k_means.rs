//! Exact k-means of numbers.

use std::ops::Range;

/// A partition of numbers into runs of neighbouring values with the least sum of squares.
#[derive(Clone, Debug, PartialEq)]
pub struct Clusters {
    /// Cluster of every number, in the order given; cluster 0 holds the lowest.
    pub assignment: Vec<usize>,
    /// Mean of each cluster, rising.
    pub centroids: Vec<f64>,
}

/// Clusters `values` into `clusters` parts, or into as many as there are different values.
///
/// Equal values share a cluster.
/// Source: the optimum that the reference's `kmeans1d` finds, by dynamic programming over the
/// sorted values; the best last cluster of a longer prefix never begins earlier, so halving finds
/// all of them.
///
/// # Panics
/// If a value is not finite or there are no clusters: a bug of the caller.
#[must_use]
pub fn cluster(values: &[f64], clusters: usize) -> Clusters {
    assert!(clusters > 0, "at least one cluster");
    assert!(values.iter().all(|x| x.is_finite()), "finite numbers");
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|&a, &b| values[a].total_cmp(&values[b]));
    let runs: Vec<&[usize]> = order.chunk_by(|&a, &b| values[a] == values[b]).collect();
    let points = Points::new(runs.iter().map(|run| (values[run[0]], run.len())).collect());
    let borders = best_borders(&points, clusters.min(runs.len()));

    let mut assignment = vec![0; values.len()];
    for (cluster, ends) in borders.windows(2).enumerate() {
        for &index in runs[ends[0]..ends[1]].iter().copied().flatten() {
            assignment[index] = cluster;
        }
    }
    let centroids = borders.windows(2).map(|ends| points.mean(ends[0]..ends[1])).collect();
    Clusters { assignment, centroids }
}

/// Different values in rising order, as sums over all before each of them.
struct Points {
    /// Subtracted from every value, so that sums of squares keep their digits.
    centre: f64,
    /// Count, sum and sum of squares of the centred values before point `i`.
    before: Vec<[f64; 3]>,
}

impl Points {
    fn new(values: Vec<(f64, usize)>) -> Self {
        let count: f64 = values.iter().map(|(_, count)| *count as f64).sum();
        let sum: f64 = values.iter().map(|(value, count)| value * *count as f64).sum();
        let centre = sum / count.max(1.0);
        let mut before = vec![[0.0; 3]];
        let mut total = [0.0; 3];
        for (value, count) in values {
            let (value, count) = (value - centre, count as f64);
            total = [total[0] + count, total[1] + count * value, total[2] + count * value * value];
            before.push(total);
        }
        Self { centre, before }
    }

    fn len(&self) -> usize {
        self.before.len() - 1
    }

    fn total(&self, points: Range<usize>) -> [f64; 3] {
        std::array::from_fn(|i| self.before[points.end][i] - self.before[points.start][i])
    }

    fn mean(&self, points: Range<usize>) -> f64 {
        let [count, sum, _] = self.total(points);
        self.centre + sum / count
    }

    /// Sum of squared distances to the mean.
    fn cost(&self, points: Range<usize>) -> f64 {
        let [count, sum, squares] = self.total(points);
        squares - sum * sum / count
    }
}

/// Where the clusters begin, and the end of the last.
fn best_borders(points: &Points, clusters: usize) -> Vec<usize> {
    // Cost of the best clustering of the first `end` points; without clusters, of none at all.
    let mut costs = vec![f64::INFINITY; points.len() + 1];
    costs[0] = 0.0;
    let mut last_begins = Vec::with_capacity(clusters);
    for cluster in 0..clusters {
        let mut next =
            Prefixes { costs: vec![f64::INFINITY; costs.len()], begins: vec![0; costs.len()] };
        next.fill(points, &costs, cluster + 1..costs.len(), cluster..points.len());
        costs = next.costs;
        last_begins.push(next.begins);
    }
    let mut borders = vec![points.len()];
    for begins in last_begins.iter().rev() {
        let end = borders[borders.len() - 1];
        borders.push(begins[end]);
    }
    borders.reverse();
    borders
}

/// The best clustering of every prefix, with one cluster more than before.
struct Prefixes {
    costs: Vec<f64>,
    /// Where its last cluster begins.
    begins: Vec<usize>,
}

impl Prefixes {
    /// Fills in the prefixes that end in `ends`, whose last clusters begin in `begins`.
    fn fill(&mut self, points: &Points, before: &[f64], ends: Range<usize>, begins: Range<usize>) {
        if ends.is_empty() {
            return;
        }
        let end = ends.start + ends.len() / 2;
        let (least, best) = (begins.start..begins.end.min(end))
            .map(|begin| (before[begin] + points.cost(begin..end), begin))
            .reduce(|best, next| if next.0 < best.0 { next } else { best })
            .expect("invariant: a cluster begins before it ends");
        (self.begins[end], self.costs[end]) = (best, least);
        self.fill(points, before, ends.start..end, begins.start..best + 1);
        self.fill(points, before, end + 1..ends.end, best..begins.end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    fn sum_of_squares(values: &[f64], assignment: &[usize]) -> f64 {
        let clusters = assignment.iter().max().map_or(0, |last| last + 1);
        (0..clusters)
            .map(|cluster| {
                let members: Vec<f64> = values
                    .iter()
                    .zip(assignment)
                    .filter(|(_, of)| **of == cluster)
                    .map(|(value, _)| *value)
                    .collect();
                let mean = members.iter().sum::<f64>() / members.len().max(1) as f64;
                members.iter().map(|x| (x - mean).powi(2)).sum::<f64>()
            })
            .sum()
    }

    #[test]
    fn no_assignment_at_all_is_better_than_the_one_found() {
        for trial in 0..40 {
            let stream = Stream::new(trial, 0, "k-means");
            let len = 1 + stream.below(0, 7) as usize;
            let clusters = 1 + stream.below(1, 4) as usize;
            // Few different values, far from 0, so that there are ties.
            let values: Vec<f64> =
                (0..len as u64).map(|i| 1000.0 + stream.below(2 + i, 9) as f64).collect();
            let best = (0..clusters.pow(len as u32))
                .map(|code| {
                    let assignment: Vec<usize> =
                        (0..len).map(|i| code / clusters.pow(i as u32) % clusters).collect();
                    sum_of_squares(&values, &assignment)
                })
                .fold(f64::INFINITY, f64::min);
            let found = sum_of_squares(&values, &cluster(&values, clusters).assignment);
            // Squares of up to 8, a dozen of them, in f64.
            assert!((found - best).abs() <= 1e-12, "{values:?} in {clusters}: {found}, not {best}");
        }
    }

    #[test]
    fn no_other_two_borders_are_better_in_a_long_list() {
        for trial in 0..10 {
            let stream = Stream::new(trial, 1, "k-means");
            // Crowded near 0 with a long tail, as variances are.
            let mut values: Vec<f64> = (0..60).map(|i| stream.uniform(i).powi(4)).collect();
            values.sort_unstable_by(f64::total_cmp);
            let borders = (1..60).flat_map(|first| (first + 1..60).map(move |last| (first, last)));
            let best = borders
                .map(|(first, last)| {
                    let of = |i: usize| usize::from(i >= first) + usize::from(i >= last);
                    sum_of_squares(&values, &(0..60).map(of).collect::<Vec<_>>())
                })
                .fold(f64::INFINITY, f64::min);
            let found = sum_of_squares(&values, &cluster(&values, 3).assignment);
            // Sixty squares below 1, in f64.
            assert!((found - best).abs() <= 1e-13, "trial {trial}: {found}, not {best}");
        }
    }

    #[test]
    fn clusters_rise_and_their_centroids_are_the_means() {
        let found = cluster(&[5.0, 0.0, 0.5, 9.0, 5.5, 0.0], 3);
        assert_eq!(found.assignment, [1, 0, 0, 2, 1, 0]);
        // Sums of halves and a centre of 10/3, in f64.
        for (found, expected) in found.centroids.iter().zip([0.5 / 3.0, 5.25, 9.0]) {
            assert!((found - expected).abs() <= 1e-14, "{found}, expected {expected}");
        }
    }

    #[test]
    fn equal_values_share_a_cluster_though_more_were_asked_for() {
        let found = cluster(&[2.0, 0.0, 2.0, 0.0], 3);
        assert_eq!(found.assignment, [1, 0, 1, 0]);
        assert_eq!(cluster(&[0.0; 4], 3).assignment, [0; 4]);
        assert_eq!(cluster(&[], 3).centroids, [0.0; 0]);
    }
}

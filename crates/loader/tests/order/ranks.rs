//! A batch is the same however many processes and threads share it.

use loader::{
    Batch, ClassUniform, Loader, LoaderOptions, Roles, Sampling, StreamBatch, StreamSource,
    StrongStream,
};
use proptest::prelude::*;

use crate::batches;
use crate::support::two_domains;

/// Every option that decides which samples come: quotas of 3 and 4, or drawn batches of 7.
fn kinds(root: &tempfile::TempDir) -> [LoaderOptions; 2] {
    let mut quotas = LoaderOptions {
        class_uniform: Some(ClassUniform { fraction: 0.5 }),
        roles: Roles::PerStep,
        strong: StrongStream::MetaTest,
        end_batch: 5,
        ..two_domains(root)
    };
    quotas.streams[1].samples_per_batch = 4;
    let drawn = LoaderOptions {
        sampling: Sampling::image_uniform(7),
        roles: Roles::None,
        strong: StrongStream::FirstStream,
        ..quotas.clone()
    };
    [quotas, drawn]
}

/// The batch whose parts the ranks have rendered.
fn united(parts: &[Batch]) -> Batch {
    let mut whole = parts[0].clone();
    for part in &parts[1..] {
        assert_eq!(part.index, whole.index);
        for (all, more) in whole.streams.iter_mut().zip(&part.streams) {
            all.batch += more.batch;
            all.images.extend(&more.images);
            all.labels.extend(&more.labels);
            all.samples.extend(more.samples.clone());
        }
    }
    whole
}

#[test]
fn the_parts_of_all_ranks_are_the_batch_of_one_for_any_number_of_workers() {
    let root = tempfile::tempdir().unwrap();
    for options in kinds(&root) {
        let whole = batches(options.clone());
        assert_eq!(whole.len(), 5);
        for (workers, ranks) in [1, 2, 3, 7].into_iter().flat_map(|w| [1, 2, 3].map(|r| (w, r))) {
            let of_rank = |rank| batches(LoaderOptions { workers, rank, ranks, ..options.clone() });
            let parts: Vec<Vec<Batch>> = (0..ranks).map(of_rank).collect();
            for (index, expected) in whole.iter().enumerate() {
                let parts: Vec<Batch> = parts.iter().map(|part| part[index].clone()).collect();
                assert!(united(&parts) == *expected, "{workers} workers, {ranks} ranks, {index}");
            }
        }
    }
}

#[test]
fn the_first_ranks_take_one_sample_more_where_the_quota_does_not_divide() {
    let root = tempfile::tempdir().unwrap();
    let [quotas, drawn] = kinds(&root);
    let sizes = |options: &LoaderOptions, rank| -> Vec<usize> {
        let options = LoaderOptions { rank, ranks: 3, end_batch: 1, ..options.clone() };
        batches(options)[0].streams.iter().map(|part| part.batch).collect()
    };
    assert_eq!([0, 1, 2].map(|rank| sizes(&quotas, rank)), [[1, 2], [1, 1], [1, 1]]);
    let slots = [0, 1, 2].map(|rank| sizes(&drawn, rank).iter().sum::<usize>());
    assert_eq!(slots, [3, 2, 2]);
}

#[test]
fn a_stream_resumed_at_any_batch_with_any_rank_goes_on_as_if_it_had_not_stopped() {
    let root = tempfile::tempdir().unwrap();
    for options in kinds(&root) {
        for rank in 0..2 {
            let options = LoaderOptions { rank, ranks: 2, ..options.clone() };
            let whole = batches(options.clone());
            for first_batch in 0..=5 {
                let rest = batches(LoaderOptions { first_batch, ..options.clone() });
                assert!(rest == whole[first_batch as usize..], "from batch {first_batch}");
            }
        }
    }
}

#[test]
fn a_position_names_the_next_sample_of_every_stream() {
    let root = tempfile::tempdir().unwrap();
    for options in kinds(&root) {
        let mut loader = Loader::start(options).unwrap();
        for _ in 0..5 {
            let position = loader.position();
            let batch = loader.next().unwrap().unwrap();
            assert_eq!((position.seed, position.batch), (11, batch.index));
            let next = |part: &StreamBatch| part.samples.first().map(|tag| (tag.epoch, tag.index));
            for (part, stands) in batch.streams.iter().zip(&position.streams) {
                assert_eq!((&stands.domain, stands.stream), (&part.name, part.stream));
                assert_eq!(stands.samples, [7, 9][part.stream_index]);
                match (stands.index, next(part)) {
                    // A drawn part starts at the first slot that is the stream's.
                    (0, Some((epoch, _))) => assert_eq!(epoch, stands.epoch),
                    (index, found) => assert_eq!(found, Some((stands.epoch, index))),
                }
            }
            assert_eq!(loader.position_at(batch.index), position);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn quotas_are_kept_and_tags_tell_every_pixel(
        quotas in prop::collection::vec(1_usize..5, 2), seed in any::<u64>(),
        first_batch in 0_u64..1 << 40, ranks in 1_usize..4, workers in 1_usize..5,
    ) {
        let ranks = ranks.min(quotas.iter().copied().max().unwrap_or(1));
        let root = tempfile::tempdir().unwrap();
        let mut options = LoaderOptions {
            seed, first_batch, end_batch: first_batch + 2, workers, crop_width: 8, crop_height: 8,
            ..two_domains(&root)
        };
        for (source, quota) in options.streams.iter_mut().zip(&quotas) {
            *source = StreamSource { samples_per_batch: *quota, ..source.clone() };
        }
        let of_rank = |rank| batches(LoaderOptions { rank, ranks, ..options.clone() });
        let parts: Vec<Vec<Batch>> = (0..ranks).map(of_rank).collect();
        for index in 0..2 {
            let parts: Vec<Batch> = parts.iter().map(|part| part[index].clone()).collect();
            for (part, quota) in united(&parts).streams.iter().zip(&quotas) {
                prop_assert_eq!(part.batch, *quota);
                prop_assert_eq!(part.images.len(), quota * 3 * 8 * 8);
                let samples = [7, 9][part.stream_index];
                let number = (first_batch + index as u64) * *quota as u64;
                for (slot, tag) in part.samples.iter().enumerate() {
                    let number = number + slot as u64;
                    prop_assert_eq!((tag.epoch, tag.index), (number / samples, number % samples));
                }
            }
        }
    }
}

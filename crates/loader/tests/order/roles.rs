//! Meta-train, meta-test, and the strong augmentation.

use loader::{
    Augment, Batch, LoaderOptions, MetaRole, Roles, StreamBatch, StrongStream, meta_split,
};

use crate::batches;
use crate::support::two_domains;

fn episodes(root: &tempfile::TempDir, strong: StrongStream) -> LoaderOptions {
    LoaderOptions { roles: Roles::PerStep, strong, end_batch: 12, ..two_domains(root) }
}

fn parts(batches: &[Batch]) -> impl Iterator<Item = &StreamBatch> {
    batches.iter().flat_map(|batch| &batch.streams)
}

#[test]
fn every_part_carries_the_role_that_its_step_gives_it() {
    let root = tempfile::tempdir().unwrap();
    let options = episodes(&root, StrongStream::Nobody);
    let mut held_out = [0, 0];
    for batch in batches(options.clone()) {
        let split = meta_split(options.seed, batch.index, 2);
        for part in &batch.streams {
            assert_eq!(part.role, Some(split.role(part.stream_index)));
            assert!(!part.strong);
            held_out[part.stream_index] += usize::from(part.role == Some(MetaRole::Test));
        }
    }
    assert!(held_out[0] > 0 && held_out[1] > 0);
    let without = LoaderOptions { roles: Roles::None, ..options };
    assert!(parts(&batches(without)).all(|part| part.role.is_none()));
}

#[test]
fn strong_parts_are_those_of_the_strong_augmentation_and_the_others_stay_as_they_are() {
    let root = tempfile::tempdir().unwrap();
    let options = episodes(&root, StrongStream::Nobody);
    let plain = batches(options.clone());
    let strongly = batches(LoaderOptions { augment: Augment::strong(), ..options.clone() });
    for strong in [StrongStream::MetaTest, StrongStream::FirstStream] {
        let mixed = batches(LoaderOptions { strong, ..options.clone() });
        let mut roles_of_the_first = Vec::new();
        for ((part, plain), strongly) in parts(&mixed).zip(parts(&plain)).zip(parts(&strongly)) {
            let expected = match strong {
                StrongStream::MetaTest => part.role == Some(MetaRole::Test),
                _ => part.stream_index == 0,
            };
            assert_eq!(part.strong, expected);
            assert!(plain.images != strongly.images);
            let twin = if part.strong { strongly } else { plain };
            assert!(part.images == twin.images && part.labels == twin.labels);
            if part.stream_index == 0 && part.strong {
                roles_of_the_first.push(part.role);
            }
        }
        let in_both_roles = roles_of_the_first.contains(&Some(MetaRole::Train))
            && roles_of_the_first.contains(&Some(MetaRole::Test));
        assert_eq!(in_both_roles, strong == StrongStream::FirstStream);
    }
}

//! Which labels weigh anything at feature resolution.

use burn::tensor::Device;
use kernels::{LabelMaps, LabelWeights};

/// How many of `labels` columns weigh anything at `features` columns.
fn looked_at(labels: usize, features: usize) -> usize {
    let is_looked_at = |column: &usize| {
        let mut ids = vec![255; labels];
        ids[*column] = 0;
        let maps = LabelMaps::new(&ids, [1, 1, labels], &Device::flex());
        maps.weights([1, features], 1, LabelWeights::Soft).iter().any(|&weight| weight != 0.0)
    };
    (0..labels).filter(is_looked_at).count()
}

#[test]
fn as_many_labels_weigh_anything_as_in_pytorch_in_single_precision() {
    // The columns where `F.interpolate(one_hot, align_corners=True)` of PyTorch 2 in f32 is not 0.
    for (labels, features, in_pytorch) in [
        (65, 9, 9),
        (384, 24, 46),
        (384, 48, 94),
        (640, 40, 76),
        (640, 80, 158),
        (700, 88, 172),
        (768, 48, 94),
        (769, 97, 97),
    ] {
        assert_eq!(looked_at(labels, features), in_pytorch, "{labels} to {features}");
    }
}

#[test]
fn labels_that_weigh_a_rounding_error_in_pytorch_weigh_nothing() {
    // There 191 of 768, 124 of 512 and 127 of 1024 labels have a weight, some of 6e-5 at most.
    for (labels, features, exact) in [(768, 96, 190), (512, 64, 120), (1024, 64, 124)] {
        assert_eq!(looked_at(labels, features), exact, "{labels} to {features}");
    }
}

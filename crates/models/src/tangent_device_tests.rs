//! Tangents of the memory's operations on software Vulkan, where their values come from shaders,
//! beside f64 on the CPU.

use burn::tensor::{DType, Device, Tensor};
use kernels::{
    LabelMaps, LabelWeights, Noise, PixelLabels, SlotSum, WriteRule, device::software_vulkan,
};

use crate::layout::tensor_from;
use crate::mode::Mode;
use crate::random::Stream;
use crate::tangent::{Dual, Tangent};
use crate::tangent_tests::part;

const SHAPE: [usize; 4] = [2, 6, 5, 7];
const FEATURES: usize = 2 * 6 * 5 * 7;
const SLOTS: [usize; 2] = [4, 6];

/// An operation's results, flat, of a flat vector of parameters.
type Operation = fn(Dual<1>) -> Vec<Dual<1>>;

fn flat<const D: usize>(x: Dual<D>) -> Dual<1> {
    let len = x.value.shape().num_elements();
    Tangent::reshape(x, [len])
}

fn placed(name: &str, len: usize, (device, dtype): (&Device, DType)) -> Tensor<1> {
    let stream = Stream::named(name);
    let values: Vec<f64> = (0..len as u64).map(|i| stream.uniform(i) * 2.0 - 1.0).collect();
    tensor_from(&values, device, dtype)
}

fn like(x: &Dual<1>) -> (Device, DType) {
    (x.value.device().without_autodiff(), x.value.dtype())
}

fn read_with(x: &Dual<1>, noise: Noise) -> Vec<Dual<1>> {
    let features = part::<Tangent, 4>(x, 0, SHAPE);
    let memory = Tangent::l2_normalize(part::<Tangent, 2>(x, FEATURES, SLOTS), 1);
    let read = Tangent::memory_read(features, memory, noise, 0.5);
    vec![flat(read.joined), flat(read.scores), flat(read.weights)]
}

fn read(x: Dual<1>) -> Vec<Dual<1>> {
    read_with(&x, Noise::None)
}

fn read_with_drawn_noise(x: Dual<1>) -> Vec<Dual<1>> {
    read_with(&x, Noise::Drawn(2022))
}

fn write(x: Dual<1>) -> Vec<Dual<1>> {
    let (device, dtype) = like(&x);
    // Blocks of labels, class 3 absent, some ignored.
    let ids: Vec<u8> = (0..2 * 17 * 25).map(|at| [0, 1, 255, 2][at / 9 % 4]).collect();
    let labels = LabelMaps::new(&ids, [2, 17, 25], &device);
    let memory = placed("old memory", 24, (&device, dtype)).reshape(SLOTS);
    let rule =
        WriteRule { momentum: 0.8, normalize_slots: true, label_weights: LabelWeights::Soft };
    vec![flat(Tangent::memory_write(part::<Tangent, 4>(&x, 0, SHAPE), &labels, memory, rule))]
}

fn divergence(x: Dual<1>) -> Vec<Dual<1>> {
    let memory = Tangent::l2_normalize(part::<Tangent, 2>(&x, 0, SLOTS), 1);
    let (weight, bias) = (part::<Tangent, 2>(&x, 24, SLOTS), part::<Tangent, 1>(&x, 48, [4]));
    let losses = Tangent::memory_divergence(memory, weight, bias, SlotSum::Mean);
    vec![losses.divergence, losses.classification]
}

fn cross_entropy(x: Dual<1>) -> Vec<Dual<1>> {
    let ids: Vec<u8> = (0..2 * 13 * 16).map(|at| [0, 1, 255, 2, 5][at / 3 % 5]).collect();
    let labels = PixelLabels::upload(&ids, [2, 13, 16], &like(&x).0);
    vec![Tangent::upsampled_cross_entropy(part::<Tangent, 4>(&x, 0, SHAPE), &labels, None)]
}

const OPERATIONS: [(&str, Operation, usize); 5] = [
    ("read", read, FEATURES + 24),
    ("read with drawn noise", read_with_drawn_noise, FEATURES + 24),
    ("write", write, FEATURES),
    ("divergence", divergence, 52),
    ("cross entropy", cross_entropy, FEATURES),
];

/// Values, tangents, and the gradient of the tangents' weighted sum: a Hessian product.
fn found(operation: Operation, parameters: usize, on: (&Device, DType)) -> [Vec<f64>; 3] {
    let at = placed("at", parameters, on).autodiff().require_grad();
    let direction = placed("direction", parameters, on).autodiff();
    let results = operation(Dual::new(at.clone(), direction));
    let (device, dtype) = on;
    let [mut values, mut tangents] = [vec![], vec![]];
    let mut sum = Tensor::<1>::zeros([1], (&device.clone().autodiff(), dtype));
    for Dual { value, tangent } in results {
        let tangent = tangent.unwrap();
        let weights = placed("weights", tangent.dims()[0], on).autodiff();
        sum = sum + (tangent.clone() * weights).sum();
        values.extend(value.without_autodiff().try_into_vec_as::<f64>().unwrap());
        tangents.extend(tangent.without_autodiff().try_into_vec_as::<f64>().unwrap());
    }
    let product = at.grad(&sum.backward()).unwrap().try_into_vec_as().unwrap();
    [values, tangents, product]
}

#[test]
fn values_tangents_and_hessian_products_on_software_vulkan_are_those_of_f64() {
    // Sums of some hundred f32 roundings of 6e-8 each.
    const TOLERANCE: f64 = 2e-5;
    let device = software_vulkan().unwrap_or_else(|error| panic!("{error}")).device;
    for (name, operation, parameters) in OPERATIONS {
        let expected = found(operation, parameters, (&Device::flex(), DType::F64));
        let got = found(operation, parameters, (&device, DType::F32));
        for ((what, expected), got) in
            ["value", "tangent", "Hessian product"].into_iter().zip(&expected).zip(&got)
        {
            assert_eq!(got.len(), expected.len(), "{name}: {what}");
            let largest = expected.iter().fold(0.0_f64, |largest, x| largest.max(x.abs()));
            assert!(largest > 0.0, "{name}: {what} is zero everywhere");
            let error = expected.iter().zip(got).map(|(e, g)| (e - g).abs()).fold(0.0, f64::max);
            assert!(
                error <= TOLERANCE * largest,
                "{name}: {what} is off by {error:e} of {largest:e}"
            );
        }
    }
}

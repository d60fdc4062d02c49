//! Gradients of a whole network with convolutions of groups, neither one nor depthwise, on software
//! Vulkan are those on the CPU.

use burn::tensor::{DType, Device, Tensor};
use models::backbone::BackboneName;
use models::layout::tensor_from;
use models::mode::Plain;
use models::network::{Network, NetworkConfig};
use models::pass::{Normalization, Pass};

use crate::formula::Formula;
use crate::golden::{assert_close, values};

/// DeepLabV3+ on ResNeXt-50 with one block per stage and all widths divided by 8: four groups.
fn narrow() -> Network {
    Network::new(NetworkConfig {
        backbone: BackboneName::ResNext50,
        blocks: Some([1; 4]),
        width_divisor: 8,
        aspp_rates: vec![1, 2, 3],
        ..NetworkConfig::deeplab_v3_plus_resnet50(5, false)
    })
}

/// Of linear functionals of logits and auxiliary logits, by all parameters.
fn gradients(network: &Network, device: &Device, dtype: DType) -> Vec<Vec<f64>> {
    let device = device.clone().autodiff();
    let layout = &network.layout;
    let parameters = Formula::UNSALTED.parameters(layout, &device, dtype).into_iter();
    let parameters: Vec<Tensor<1>> = parameters.map(Tensor::require_grad).collect();
    let running = Formula::UNSALTED.statistics(layout, &device, dtype);
    let mut pass = Pass::<Plain>::new(layout, parameters.clone(), &running, Normalization::Running);
    let image = Formula::UNSALTED.image("groups", [2, 49, 65], &device, dtype);
    let encoded = network.encode(&mut pass, image);
    let logits = network.decode(&mut pass, encoded.skips, encoded.feature);
    let auxiliary = network.auxiliary(&mut pass, encoded.stage3);
    let functionals = [("logits", logits), ("auxiliary", auxiliary)].map(|(name, x)| {
        let dims = x.dims();
        let weights = Formula::UNSALTED.uniform(name, dims.iter().product(), -1.0, 1.0);
        (x * tensor_from(&weights, &device, dtype).reshape(dims)).sum()
    });
    let [logits, auxiliary] = functionals;
    let gradients = (logits + auxiliary).backward();
    parameters.iter().map(|x| values(&x.grad(&gradients).expect("a gradient"))).collect()
}

#[test]
fn gradients_of_a_narrow_resnext_on_software_vulkan_are_those_on_the_cpu() {
    let opened = kernels::device::software_vulkan().unwrap_or_else(|error| panic!("{error}"));
    let network = narrow();
    let specs = &network.layout.parameters;
    let grouped = specs.iter().filter(|spec| spec.name.ends_with("conv2.weight"));
    assert_eq!(grouped.map(|spec| spec.shape[0] / spec.shape[1]).collect::<Vec<_>>(), [4; 4]);
    let expected = gradients(&network, &Device::flex(), DType::F64);
    let found = gradients(&network, &opened.device, DType::F32);
    for ((spec, found), expected) in specs.iter().zip(&found).zip(&expected) {
        // Measured 2e-6 of the largest, and 9e-7 in f32 on the CPU.
        assert_close(&spec.name, found, expected, 1e-5);
    }
}

//! How a convolution is computed on a wgpu device.

use burn::{
    backend::{Backend, Cube, backend_extension, ops::ModuleOps, tensor::FloatTensor},
    tensor::ops::ConvOptions,
};
use burn_cubecl::tensor::CubeTensor;

use super::{
    columns,
    groups::{self, Groups},
    sizes::{Limits, Sizes},
};

/// Who computes what.
#[derive(Clone, Debug)]
pub(crate) enum Plan {
    /// One group: all by columns.
    Columns(Sizes),
    /// Several groups: all by Burn but the weight gradient.
    Groups(Groups),
}

impl Plan {
    /// The plan for a convolution that the shaders can take.
    pub(super) fn new(
        x: [usize; 4],
        weight: [usize; 4],
        options: &ConvOptions<2>,
        limits: Limits,
    ) -> Option<Self> {
        let columns = Sizes::new(x, weight, options, limits).map(Self::Columns);
        let groups = || Groups::new(x, weight, options, limits.binding_bytes).map(Self::Groups);
        columns.or_else(groups)
    }
}

/// The convolution on a backend's own tensors.
#[backend_extension(Autodiff, Cube)]
pub(crate) trait Conv2dOps: Backend {
    /// See [`crate::conv2d`].
    fn conv2d_as_planned(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        plan: Plan,
    ) -> FloatTensor<Self>;
}

impl Conv2dOps for Cube {
    fn conv2d_as_planned(x: CubeTensor, weight: CubeTensor, plan: Plan) -> CubeTensor {
        match plan {
            Plan::Columns(sizes) => columns::output(x, weight, &sizes),
            Plan::Groups(groups) => Self::conv2d(x, weight, None, groups.options),
        }
    }
}

/// Gradient of the input.
pub(super) fn input_gradient(
    x: CubeTensor,
    weight: CubeTensor,
    of_output: CubeTensor,
    plan: &Plan,
) -> CubeTensor {
    match plan {
        Plan::Columns(sizes) => columns::input_gradient(of_output, weight, sizes),
        Plan::Groups(groups) => {
            Cube::conv2d_x_backward(x, weight, of_output, groups.options.clone())
        }
    }
}

/// Gradient of the weight.
pub(super) fn weight_gradient(x: CubeTensor, of_output: CubeTensor, plan: &Plan) -> CubeTensor {
    match plan {
        Plan::Columns(sizes) => columns::weight_gradient(x, of_output, sizes),
        Plan::Groups(groups) => groups::weight_gradient(x, of_output, groups),
    }
}

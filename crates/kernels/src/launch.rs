//! Launching one WGSL shader on Burn's own command stream, and what decides whether it can be.

use burn::{
    backend::{CubeDevice, DType, DispatchDevice, Shape},
    tensor::Device,
};
use burn_cubecl::{
    cubecl::{
        CubeCount, CubeDim,
        ir::attributes::BufferIOAttr,
        prelude::{ExecutionMode, KernelId},
        server::KernelArguments,
    },
    ops::numeric::empty_device_contiguous_dtype,
    template::{KernelSource, SourceKernel, SourceTemplate},
    tensor::CubeTensor,
};
use bytemuck::NoUninit;
use shaders::{Access, Shader};

/// The most workgroups every adapter takes along one axis.
pub(crate) const WORKGROUPS_MAX: u32 = 65_535;

/// Iterations that one lane may make, those of all its loops together: half of the 65535 that
/// Mesa's software driver grants a lane, before it leaves every loop without a word. The half left
/// is for loops of a fixed length.
pub(crate) const ITERATIONS_MAX: usize = 1 << 15;

/// The name of the runtime whose compiler takes WGSL.
const WGSL_RUNTIME: &str = "wgpu<wgsl>";

/// Whether a device can run the shaders.
#[must_use]
pub fn compiles_wgsl(device: &Device) -> bool {
    binding_bytes(device).is_some()
}

/// Bytes that one binding can hold on a device that runs the shaders: what the adapter states, which
/// wgpu keeps below 2 GiB. No tensor of that device is larger.
#[must_use]
pub fn binding_bytes(device: &Device) -> Option<usize> {
    let client = cube_device(device.as_dispatch())?.client();
    let bytes = client.properties().memory.max_page_size;
    (client.name() == WGSL_RUNTIME).then(|| usize::try_from(bytes).unwrap_or(usize::MAX))
}

/// Whether a device is an adapter that wgpu drives, in whatever language.
pub(crate) fn is_adapter(device: &Device) -> bool {
    cube_device(device.as_dispatch()).is_some()
}

fn cube_device(device: &DispatchDevice) -> Option<&CubeDevice> {
    match device {
        DispatchDevice::Cube(device) => Some(device),
        DispatchDevice::Autodiff(device) => cube_device(device),
        _ => None,
    }
}

struct WgslKernel(&'static Shader);

impl KernelSource for WgslKernel {
    fn source(&self) -> SourceTemplate {
        SourceTemplate::new(self.0.source)
    }

    fn id(&self) -> KernelId {
        // Checked mode would add a counter to every loop, which keeps drivers from unrolling; the
        // shaders guard their indices and end their loops themselves.
        KernelId::new::<Self>().info(self.0.name).mode(ExecutionMode::Unchecked)
    }

    fn lang(&self) -> &'static str {
        "wgsl"
    }
}

/// Queues one launch of `shader` over contiguous `tensors`, in the order of its bindings, followed
/// by `parameters` as the last binding. A failure surfaces where an output is read.
pub(crate) fn launch(
    shader: &'static Shader,
    tensors: &[&CubeTensor],
    parameters: &impl NoUninit,
    workgroups: [u32; 3],
) {
    assert_eq!(tensors.len() + 1, shader.bindings.len(), "buffers of {}", shader.name);
    let client = &tensors[0].client;
    let parameters = client.create_from_slice(bytemuck::bytes_of(parameters));
    let handles = tensors.iter().map(|tensor| tensor.handle.clone()).chain([parameters]);
    let mut arguments = KernelArguments::new();
    for (binding, handle) in shader.bindings.iter().zip(handles) {
        let access = match binding.access {
            Access::Read => BufferIOAttr::ReadOnly,
            Access::Write => BufferIOAttr::WriteOnly,
            Access::Add => BufferIOAttr::ReadWrite,
        };
        arguments = arguments.with_buffer_io(handle.binding(), access);
    }
    let [x, y, z] = shader.workgroup_size;
    client.launch(
        Box::new(SourceKernel::new(WgslKernel(shader), CubeDim::new_3d(x, y, z))),
        CubeCount::Static(workgroups[0], workgroups[1], workgroups[2]),
        arguments,
    );
}

/// Distances, in elements, between neighbours along each axis; each fits where every index does.
pub(crate) fn strides(tensor: &CubeTensor) -> [u32; 4] {
    let strides = tensor.meta.strides();
    std::array::from_fn(|axis| strides[axis] as u32)
}

/// Whether a product, of whatever size, fits `u32`: an index in a shader.
pub(crate) fn is_u32(factors: &[usize]) -> bool {
    let product = factors.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
    product.is_some_and(|product| u32::try_from(product).is_ok())
}

/// A contiguous tensor of any values, on the device of another.
pub(crate) fn empty<const D: usize>(
    like: &CubeTensor,
    dims: [usize; D],
    dtype: DType,
) -> CubeTensor {
    let (client, device) = (like.client.clone(), like.device.clone());
    empty_device_contiguous_dtype(client, device, Shape::new(dims), dtype)
}

/// `u32` sizes as those of a tensor.
pub(crate) fn sizes<const D: usize>(sizes: [u32; D]) -> [usize; D] {
    sizes.map(|size| size as usize)
}

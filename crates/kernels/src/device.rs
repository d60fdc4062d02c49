//! The device everything runs on, chosen by the user in one word.

use std::{
    fmt,
    str::FromStr,
    sync::{Mutex, OnceLock, PoisonError},
    thread,
};

use burn::{
    backend::{
        WgpuBackend, WgpuDevice, WgpuDeviceKind,
        wgpu::{
            RuntimeOptions, WgpuInitError,
            graphics::AutoGraphicsApi,
            try_init_setup,
            wgpu::{AdapterInfo, Backend, DeviceType, Instance, InstanceDescriptor},
        },
    },
    tensor::{Device, read_sync},
};

/// What the user asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The best real GPU where there is one, otherwise the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The best real GPU.
    Gpu,
    /// One adapter of the list, software adapters included.
    Adapter(usize),
}

impl FromStr for DeviceChoice {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "gpu" => Ok(Self::Gpu),
            _ => text
                .strip_prefix("gpu:")
                .and_then(|index| index.parse().ok())
                .map(Self::Adapter)
                .ok_or_else(|| DeviceError::UnknownChoice { text: text.to_owned() }),
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => formatter.write_str("auto"),
            Self::Cpu => formatter.write_str("cpu"),
            Self::Gpu => formatter.write_str("gpu"),
            Self::Adapter(index) => write!(formatter, "gpu:{index}"),
        }
    }
}

/// Why no device was opened.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// The choice is no word of the list.
    #[error("--device {text}: unknown device, expected auto, cpu, gpu or gpu:N (N counts from 0)")]
    UnknownChoice {
        /// What was given.
        text: String,
    },
    /// A GPU was asked for and there is none.
    #[error(
        "--device gpu: no GPU found, {adapters}; hint: install the GPU's Vulkan driver, or use \
         --device cpu, which works everywhere"
    )]
    NoGpu {
        /// The adapters there are.
        adapters: AdapterList,
    },
    /// An adapter was asked for that does not exist.
    #[error("--device gpu:{index}: no such adapter, {adapters}")]
    NoSuchAdapter {
        /// What was asked for.
        index: usize,
        /// The adapters there are.
        adapters: AdapterList,
    },
    /// No software adapter is installed.
    #[error(
        "no software Vulkan adapter found, {adapters}; hint: install one, for instance with \
         apt-get install mesa-vulkan-drivers libvulkan1"
    )]
    NoSoftwareAdapter {
        /// The adapters there are.
        adapters: AdapterList,
    },
    /// The adapter exists but its driver refused.
    #[error("{adapter}: the adapter could not be opened: {source}; hint: use --device cpu")]
    Open {
        /// The adapter's name and kind.
        adapter: String,
        /// The driver's answer.
        source: WgpuInitError,
    },
}

/// The adapters of this machine, as an error message lists them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdapterList(Vec<String>);

impl fmt::Display for AdapterList {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return formatter.write_str("this machine has no Vulkan, Metal or DirectX 12 adapter");
        }
        formatter.write_str("this machine has")?;
        for (index, name) in self.0.iter().enumerate() {
            let separator = if index == 0 { " " } else { ", " };
            write!(formatter, "{separator}gpu:{index} = {name}")?;
        }
        Ok(())
    }
}

/// A device ready for use.
#[derive(Clone, Debug)]
pub struct OpenedDevice {
    /// The device, without autodiff.
    pub device: Device,
    /// One line for the user: what it is.
    pub description: String,
    /// Whether it is a real GPU; false for the CPU and for a software adapter.
    pub is_gpu: bool,
}

/// Opens the chosen device.
///
/// A real GPU is a discrete, integrated or virtual one, preferred in this order. The CPU is Burn's
/// Flex backend.
///
/// # Errors
///
/// If a GPU or adapter was asked for that this machine does not have or cannot open. `auto` falls
/// back to the CPU where there is no GPU, but a GPU that cannot be opened is an error.
pub fn open(choice: DeviceChoice) -> Result<OpenedDevice, DeviceError> {
    match choice {
        DeviceChoice::Cpu => Ok(cpu("CPU")),
        DeviceChoice::Auto => {
            best_gpu(adapters()).map_or_else(|| Ok(cpu("CPU, as no GPU was found")), open_adapter)
        }
        DeviceChoice::Gpu => best_gpu(adapters())
            .ok_or_else(|| DeviceError::NoGpu { adapters: described(adapters()) })
            .and_then(open_adapter),
        DeviceChoice::Adapter(index) => adapters()
            .get(index)
            .ok_or_else(|| DeviceError::NoSuchAdapter { index, adapters: described(adapters()) })
            .and_then(open_adapter),
    }
}

/// Opens the software Vulkan adapter, for tests: slow, but a GPU's language and rules.
///
/// # Errors
///
/// If none is installed or it cannot be opened.
pub fn software_vulkan() -> Result<OpenedDevice, DeviceError> {
    adapters()
        .iter()
        .find(|adapter| adapter.device.kind == WgpuDeviceKind::Cpu)
        .ok_or_else(|| DeviceError::NoSoftwareAdapter { adapters: described(adapters()) })
        .and_then(open_adapter)
}

fn cpu(what: &str) -> OpenedDevice {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let unit = if threads == 1 { "thread" } else { "threads" };
    OpenedDevice {
        device: Device::flex(),
        description: format!("{what} ({threads} {unit})"),
        is_gpu: false,
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Adapter {
    device: WgpuDevice,
    description: String,
}

/// The adapters of the first graphics API with a real GPU, or else of the first with any.
///
/// OpenGL is left out: no shader of ours was tried on it, and asking it opens a display connection.
fn adapters() -> &'static [Adapter] {
    // The instances are kept, because some drivers crash where instances come and go.
    static ADAPTERS: OnceLock<(Vec<Instance>, Vec<Adapter>)> = OnceLock::new();
    let (_, adapters) = ADAPTERS.get_or_init(|| {
        let mut instances = vec![];
        let mut software_only = vec![];
        for (api, device_api) in [
            (Backend::Vulkan, WgpuBackend::Vulkan),
            (Backend::Metal, WgpuBackend::Metal),
            (Backend::Dx12, WgpuBackend::Dx12),
        ] {
            let instance = Instance::new(InstanceDescriptor {
                backends: api.into(),
                ..InstanceDescriptor::new_without_display_handle()
            });
            let found = read_sync(instance.enumerate_adapters(api.into()));
            let infos: Vec<_> = found.iter().map(|adapter| adapter.get_info()).collect();
            let adapters = numbered(&infos, device_api);
            instances.push(instance);
            if best_gpu(&adapters).is_some() {
                return (instances, adapters);
            }
            if software_only.is_empty() {
                software_only = adapters;
            }
        }
        (instances, software_only)
    });
    adapters
}

/// Names each adapter as Burn does: by its kind and its place among the adapters of that kind.
fn numbered(infos: &[AdapterInfo], api: WgpuBackend) -> Vec<Adapter> {
    let named = infos.iter().enumerate().map(|(position, info)| {
        let same_type = |earlier: &&AdapterInfo| earlier.device_type == info.device_type;
        let place = infos[..position].iter().filter(same_type).count();
        let kind = match info.device_type {
            DeviceType::DiscreteGpu => WgpuDeviceKind::DiscreteGpu(place),
            DeviceType::IntegratedGpu => WgpuDeviceKind::IntegratedGpu(place),
            DeviceType::VirtualGpu => WgpuDeviceKind::VirtualGpu(place),
            DeviceType::Cpu => WgpuDeviceKind::Cpu,
            DeviceType::Other => WgpuDeviceKind::Other(place),
        };
        let description = format!("{} ({}, {api:?})", info.name, kind_name(&kind));
        Adapter { device: WgpuDevice::new(kind).on(api), description }
    });
    named.collect()
}

fn kind_name(kind: &WgpuDeviceKind) -> &'static str {
    match kind {
        WgpuDeviceKind::DiscreteGpu(_) => "discrete GPU",
        WgpuDeviceKind::IntegratedGpu(_) => "integrated GPU",
        WgpuDeviceKind::VirtualGpu(_) => "virtual GPU",
        WgpuDeviceKind::Cpu => "software adapter",
        _ => "unclassified adapter",
    }
}

fn gpu_rank(adapter: &Adapter) -> Option<u32> {
    match adapter.device.kind {
        WgpuDeviceKind::DiscreteGpu(_) => Some(0),
        WgpuDeviceKind::IntegratedGpu(_) => Some(1),
        WgpuDeviceKind::VirtualGpu(_) => Some(2),
        // What a driver leaves unclassified may be software: only `gpu:N` picks it.
        _ => None,
    }
}

fn best_gpu(adapters: &[Adapter]) -> Option<&Adapter> {
    adapters
        .iter()
        .filter(|adapter| gpu_rank(adapter).is_some())
        .min_by_key(|adapter| gpu_rank(adapter))
}

fn open_adapter(adapter: &Adapter) -> Result<OpenedDevice, DeviceError> {
    // An open adapter stays open for the life of the process.
    static OPEN: Mutex<Vec<WgpuDevice>> = Mutex::new(vec![]);
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    if !open.contains(&adapter.device) {
        // Burn opens an adapter on first use too, but then a driver that refuses is a panic.
        let opened = RuntimeOptions::try_default()
            .and_then(|options| try_init_setup::<AutoGraphicsApi>(&adapter.device, options));
        match opened {
            // Registered already: someone used the adapter without asking here.
            Ok(_) | Err(WgpuInitError::Registration { .. }) => open.push(adapter.device.clone()),
            Err(source) => {
                return Err(DeviceError::Open { adapter: adapter.description.clone(), source });
            }
        }
    }
    Ok(OpenedDevice {
        device: Device::from(adapter.device.clone()),
        description: adapter.description.clone(),
        is_gpu: gpu_rank(adapter).is_some(),
    })
}

fn described(adapters: &[Adapter]) -> AdapterList {
    AdapterList(adapters.iter().map(|adapter| adapter.description.clone()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(kind: WgpuDeviceKind) -> Adapter {
        Adapter { device: WgpuDevice::new(kind), description: String::new() }
    }

    #[test]
    fn the_four_forms_of_a_choice_are_understood() {
        for (text, choice) in [
            ("auto", DeviceChoice::Auto),
            ("cpu", DeviceChoice::Cpu),
            ("gpu", DeviceChoice::Gpu),
            ("gpu:3", DeviceChoice::Adapter(3)),
        ] {
            assert_eq!(text.parse::<DeviceChoice>().unwrap(), choice);
            assert_eq!(choice.to_string(), text);
        }
    }

    #[test]
    fn an_unknown_choice_is_refused_with_the_list_of_choices() {
        for text in ["cuda", "gpu:", "gpu:-1", "gpu:one", "GPU", ""] {
            let message = text.parse::<DeviceChoice>().unwrap_err().to_string();
            assert!(message.contains("expected auto, cpu, gpu or gpu:N"), "{message}");
        }
    }

    #[test]
    fn a_discrete_gpu_goes_before_an_integrated_one() {
        let adapters = [
            adapter(WgpuDeviceKind::Cpu),
            adapter(WgpuDeviceKind::IntegratedGpu(0)),
            adapter(WgpuDeviceKind::DiscreteGpu(0)),
            adapter(WgpuDeviceKind::DiscreteGpu(1)),
        ];
        assert_eq!(best_gpu(&adapters), Some(&adapters[2]));
        assert_eq!(best_gpu(&adapters[..2]), Some(&adapters[1]));
    }

    #[test]
    fn a_software_adapter_is_no_gpu() {
        assert_eq!(best_gpu(&[adapter(WgpuDeviceKind::Cpu)]), None);
    }

    #[test]
    fn the_cpu_needs_no_driver() {
        let opened = open(DeviceChoice::Cpu).unwrap();
        assert!(!opened.is_gpu);
        assert!(opened.description.starts_with("CPU ("), "{}", opened.description);
    }

    #[test]
    fn an_adapter_past_the_end_is_refused_with_the_list() {
        let message = open(DeviceChoice::Adapter(4242)).unwrap_err().to_string();
        assert!(message.starts_with("--device gpu:4242: no such adapter"), "{message}");
    }

    #[test]
    fn the_software_adapter_opens_twice_as_one_device() {
        let first = software_vulkan().unwrap_or_else(|error| panic!("{error}"));
        let second = software_vulkan().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(first.device, second.device);
        assert!(!first.is_gpu);
        assert!(first.description.contains("software adapter"), "{}", first.description);
    }

    #[test]
    fn a_missing_gpu_is_an_error_with_a_hint_and_the_adapters_found() {
        let message = |names: &[&str]| {
            let adapters = AdapterList(names.iter().map(|name| (*name).to_owned()).collect());
            DeviceError::NoGpu { adapters }.to_string()
        };
        let software = message(&["llvmpipe (software adapter)"]);
        assert!(software.contains("gpu:0 = llvmpipe (software adapter)"), "{software}");
        assert!(software.contains("hint: install the GPU's Vulkan driver"), "{software}");
        assert!(message(&[]).contains("no Vulkan, Metal or DirectX 12 adapter"));
    }
}

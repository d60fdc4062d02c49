//! What the user is told where our shaders cannot run.

use crate::{
    device::OpenedDevice,
    launch::{compiles_wgsl, is_adapter},
};

impl OpenedDevice {
    /// One line for the user where the device is an adapter that our shaders do not run on, so that
    /// plain Burn operations stand in for them.
    ///
    /// Builds with the feature `vulkan` or `metal` compile to another language than WGSL where the
    /// driver takes it.
    #[must_use]
    pub fn shader_note(&self) -> Option<&'static str> {
        let runs_shaders = !is_adapter(&self.device) || compiles_wgsl(&self.device);
        (!runs_shaders).then(|| note(self.is_gpu))
    }
}

fn note(is_gpu: bool) -> &'static str {
    if is_gpu {
        "this build compiles to another language than WGSL for this device: plain operations stand \
         in for the project's own shaders"
    } else {
        "this build compiles to another language than WGSL for this software adapter: plain \
         operations stand in for the project's own shaders, and some drivers crash; hint: build \
         without the features vulkan and metal, or use --device cpu"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{DeviceChoice, open, software_vulkan};

    #[test]
    fn there_is_nothing_to_say_where_shaders_run_and_on_the_cpu() {
        let software = software_vulkan().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(software.shader_note(), None);
        assert_eq!(open(DeviceChoice::Cpu).unwrap().shader_note(), None);
    }

    #[test]
    fn a_software_adapter_is_told_from_a_gpu_and_comes_with_a_hint() {
        assert!(note(false).contains("this software adapter") && note(false).contains("hint: "));
        assert!(!note(true).contains("software adapter") && !note(true).contains("hint: "));
        for is_gpu in [false, true] {
            assert!(note(is_gpu).contains("plain operations stand in"), "{}", note(is_gpu));
        }
    }
}

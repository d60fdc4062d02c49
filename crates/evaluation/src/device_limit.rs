//! Whether the maps of a network are what a device can hold.

use std::collections::BTreeSet;

use models::network::Network;
use models::trace::graph::{Node, Operation};
use models::trace::record;

/// Bytes of an element: f32.
const ELEMENT_BYTES: u64 = 4;

/// What a device binds at once, and the windows whose maps are known to be no more.
pub(crate) struct DeviceLimit {
    bytes: Option<u64>,
    fitting: BTreeSet<[usize; 2]>,
}

/// A map is more than the device binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge {
    /// Its bytes.
    pub(crate) found: u64,
    /// What the device binds.
    pub(crate) limit: u64,
}

impl DeviceLimit {
    /// A device that binds so many bytes, if there is a limit.
    pub(crate) fn new(bytes: Option<usize>) -> Self {
        Self { bytes: bytes.map(|bytes| bytes as u64), fitting: BTreeSet::new() }
    }

    /// Whether the largest map of `network` on a window, `[height, width]`, can be bound.
    ///
    /// # Errors
    /// If not.
    pub(crate) fn check(&mut self, network: &Network, window: [usize; 2]) -> Result<(), TooLarge> {
        let Some(limit) = self.bytes.filter(|_| !self.fitting.contains(&window)) else {
            return Ok(());
        };
        let found = largest_map_bytes(network, window);
        if found > limit {
            return Err(TooLarge { found, limit });
        }
        self.fitting.insert(window);
        Ok(())
    }
}

/// Bytes of the largest map of a forward pass, less the logits at the window's size, which
/// evaluation never makes.
fn largest_map_bytes(network: &Network, window: [usize; 2]) -> u64 {
    let nodes = record(network, window, 1.0).inference.nodes;
    let made = match nodes.split_last() {
        Some((last, others)) if last.operation == Operation::Resize => others,
        _ => &nodes,
    };
    ELEMENT_BYTES * made.iter().map(Node::elements).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use models::network::NetworkConfig;

    use super::*;

    #[test]
    fn the_largest_map_of_the_papers_network_is_what_its_decoder_joins() {
        // Not with 19 classes, whose logits at full size would be as many bytes.
        let network = Network::new(NetworkConfig::deeplab_v3_plus_resnet50(150, true));
        // 304 channels at a quarter of the size.
        assert_eq!(largest_map_bytes(&network, [1024, 2048]), 4 * 304 * 256 * 512);
        assert_eq!(largest_map_bytes(&network, [768, 768]), 4 * 304 * 192 * 192);
    }

    #[test]
    fn a_window_fits_up_to_the_last_byte_and_any_does_without_a_limit() {
        let network = Network::new(NetworkConfig::deeplab_v3_plus_resnet50(19, true));
        let bytes = 4 * 304 * 256 * 512;
        let mut limit = DeviceLimit::new(Some(bytes));
        for _ in 0..2 {
            assert_eq!(limit.check(&network, [1024, 2048]), Ok(()));
        }
        let mut limit = DeviceLimit::new(Some(bytes - 1));
        let expected = TooLarge { found: bytes as u64, limit: bytes as u64 - 1 };
        assert_eq!(limit.check(&network, [1024, 2048]), Err(expected));
        assert_eq!(limit.check(&network, [768, 768]), Ok(()));
        assert_eq!(DeviceLimit::new(None).check(&network, [1 << 14, 1 << 14]), Ok(()));
    }
}

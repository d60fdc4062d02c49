//! Some pixels in single precision, on which colour operations follow one another in the cache.

use super::exact::byte;

/// Pixels that are changed together.
pub(crate) const PIXELS: usize = 128;

/// One channel of the pixels; every value is an integer in [0, 255].
pub(crate) type Channel = [f32; PIXELS];

/// The channels of some pixels, aligned to the widest vector.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Colours {
    pub(crate) red: Channel,
    pub(crate) green: Channel,
    pub(crate) blue: Channel,
}

/// Whether pixels that were visited are written back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

/// Calls `visit`, which must be inlined, with all pixels of a crop; in the last call, only the
/// number of pixels that it is given count. Shapes: `planes` [3, H, W].
#[inline(always)]
pub(crate) fn visit(planes: &mut [u8], access: Access, mut visit: impl FnMut(&mut Colours, usize)) {
    let pixels = planes.len() / 3;
    let (red, rest) = planes.split_at_mut(pixels);
    let (green, blue) = rest.split_at_mut(pixels);
    let mut colours = Colours { red: [0.0; PIXELS], green: [0.0; PIXELS], blue: [0.0; PIXELS] };
    let rest = green.chunks_mut(PIXELS).zip(blue.chunks_mut(PIXELS));
    for (red, (green, blue)) in red.chunks_mut(PIXELS).zip(rest) {
        load(red, &mut colours.red);
        load(green, &mut colours.green);
        load(blue, &mut colours.blue);
        visit(&mut colours, red.len());
        if access == Access::Write {
            store(&colours.red, red);
            store(&colours.green, green);
            store(&colours.blue, blue);
        }
    }
}

#[inline(always)]
fn load(bytes: &[u8], channel: &mut Channel) {
    if let Some(bytes) = bytes.as_array::<PIXELS>() {
        for (value, &byte) in channel.iter_mut().zip(bytes) {
            *value = f32::from(byte);
        }
    } else {
        for (value, &byte) in channel.iter_mut().zip(bytes) {
            *value = f32::from(byte);
        }
    }
}

#[inline(always)]
fn store(channel: &Channel, bytes: &mut [u8]) {
    if let Some(bytes) = bytes.as_mut_array::<PIXELS>() {
        for (output, &value) in bytes.iter_mut().zip(channel) {
            *output = byte(value);
        }
    } else {
        for (output, &value) in bytes.iter_mut().zip(channel) {
            *output = byte(value);
        }
    }
}

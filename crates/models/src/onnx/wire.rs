//! Protocol buffers as bytes: the four kinds of fields that ONNX needs.
//!
//! Source: <https://protobuf.dev/programming-guides/encoding>.

/// A message under construction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message(Vec<u8>);

/// Wire types.
const VARINT: u64 = 0;
const LENGTH_DELIMITED: u64 = 2;
const FIXED32: u64 = 5;

impl Message {
    /// Adds a whole number; negative ones take ten bytes, as `int64` does.
    pub(crate) fn int(mut self, field: u64, value: i64) -> Self {
        self.varint(field << 3 | VARINT);
        self.varint(value.cast_unsigned());
        self
    }

    /// Adds a single-precision number.
    pub(crate) fn float(mut self, field: u64, value: f32) -> Self {
        self.varint(field << 3 | FIXED32);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// Adds a text or bytes.
    pub(crate) fn bytes(mut self, field: u64, value: &[u8]) -> Self {
        self.varint(field << 3 | LENGTH_DELIMITED);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    /// Adds a message.
    pub(crate) fn message(self, field: u64, value: &Self) -> Self {
        self.bytes(field, &value.0)
    }

    /// Adds whole numbers, packed.
    pub(crate) fn ints(self, field: u64, values: impl IntoIterator<Item = i64>) -> Self {
        let mut packed = Self::default();
        values.into_iter().for_each(|value| packed.varint(value.cast_unsigned()));
        self.message(field, &packed)
    }

    /// The message's bytes.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

/// A reader of what [`Message`] writes.
#[cfg(test)]
pub(crate) mod reading {
    /// The content of a field.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub(crate) enum Content<'a> {
        Int(i64),
        Float(f32),
        Bytes(&'a [u8]),
    }

    /// The fields of a message with their numbers, in order.
    pub(crate) fn fields(mut bytes: &[u8]) -> Vec<(u64, Content<'_>)> {
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let key = varint(&mut bytes);
            let content = match key & 7 {
                0 => Content::Int(varint(&mut bytes).cast_signed()),
                2 => {
                    let len = varint(&mut bytes) as usize;
                    Content::Bytes(bytes.split_off(..len).unwrap())
                }
                5 => {
                    let four = bytes.split_off(..4).unwrap();
                    Content::Float(f32::from_le_bytes(four.try_into().unwrap()))
                }
                other => panic!("wire type {other}"),
            };
            fields.push((key >> 3, content));
        }
        fields
    }

    /// All messages, texts and byte strings of one field.
    pub(crate) fn all(bytes: &[u8], field: u64) -> Vec<&[u8]> {
        let of_field = fields(bytes).into_iter().filter(|(number, _)| *number == field);
        let contents = of_field.map(|(_, content)| match content {
            Content::Bytes(bytes) => bytes,
            other => panic!("field {field} is {other:?}"),
        });
        contents.collect()
    }

    /// The only text of one field; empty where there is none.
    pub(crate) fn text(bytes: &[u8], field: u64) -> String {
        let found = all(bytes, field);
        assert!(found.len() <= 1, "field {field} is there {} times", found.len());
        found.first().map_or_else(String::new, |text| String::from_utf8(text.to_vec()).unwrap())
    }

    /// Packed whole numbers of one field.
    pub(crate) fn ints(bytes: &[u8], field: u64) -> Vec<i64> {
        let mut ints = Vec::new();
        for mut packed in all(bytes, field) {
            while !packed.is_empty() {
                ints.push(varint(&mut packed).cast_signed());
            }
        }
        ints
    }

    fn varint(bytes: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let byte = *bytes.split_off_first().unwrap();
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::reading::{Content, fields, ints};
    use super::*;

    #[test]
    fn the_examples_of_the_encoding_guide_come_out() {
        assert_eq!(Message::default().int(1, 150).into_bytes(), [0x08, 0x96, 0x01]);
        let text = Message::default().bytes(2, b"testing").into_bytes();
        assert_eq!(text, [0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67]);
        let packed = Message::default().ints(6, [3, 270, 86_942]).into_bytes();
        assert_eq!(packed, [0x32, 0x06, 0x03, 0x8e, 0x02, 0x9e, 0xa7, 0x05]);
    }

    #[test]
    fn what_is_written_reads_back() {
        let inner = Message::default().int(3, -2);
        let bytes = Message::default().float(20, 1.5).message(1, &inner).ints(7, [-1, 0]);
        let bytes = bytes.into_bytes();
        let inner = inner.into_bytes();
        let found = fields(&bytes);
        assert_eq!(found[0], (20, Content::Float(1.5)));
        assert_eq!(found[1], (1, Content::Bytes(&inner)));
        assert_eq!(fields(&inner), [(3, Content::Int(-2))]);
        assert_eq!(ints(&bytes, 7), [-1, 0]);
    }
}

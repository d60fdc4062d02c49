//! Pickles by hand: what no PyTorch writes.

use super::*;

/// A parse against storages, as in a zip archive.
fn parsed(bytes: &[u8]) -> Result<Parsed<'_>, PickleError> {
    parse(bytes, &References::Storages)
}

#[test]
fn a_name_outside_the_list_is_refused_before_anything_is_built_with_it() {
    for (pickle, expected) in [
        (&b"\x80\x02cos\nsystem\n."[..], "os.system"),
        (b"\x80\x02cbuiltins\neval\n.", "builtins.eval"),
        (b"\x80\x04\x8c\x05posix\x8c\x06system\x93.", "posix.system"),
        (b"\x80\x02ctorch.hub\nload\n.", "torch.hub.load"),
        (b"\x80\x02ctorch\nload\n.", "torch.load"),
    ] {
        let error = parsed(pickle).unwrap_err();
        assert_eq!(error, PickleError::Foreign { name: expected.to_owned() });
    }
}

#[test]
fn instructions_that_pytorch_does_not_write_are_refused() {
    // Those for extensions, for objects made by name, and text numbers of protocol 0.
    for code in [0x82, 0x92, b'i', b'o', b'I', b'P'] {
        let error = parsed(&[0x80, 2, code, 0, b'.']).unwrap_err();
        assert_eq!(error, PickleError::Instruction { code, at: 2 });
    }
}

#[test]
fn values_are_shared_so_doubling_takes_no_memory() {
    // A tuple of the last value twice, a hundred times over: 2^100 values if they were copied.
    let mut pickle = b"\x80\x02)".to_vec();
    for _ in 0..100 {
        pickle.extend(b"q\0h\0\x86");
    }
    pickle.push(b'.');
    assert_eq!(parsed(&pickle).unwrap().nodes().len(), 101);
}

#[test]
fn a_list_copied_by_many_calls_is_refused() {
    // A list of 1000 pairs, then dictionaries made of it.
    let mut pickle = b"\x80\x02](".to_vec();
    pickle.extend(b"K\x01K\x02\x86".repeat(1000));
    pickle.extend(b"e\x85q\0");
    pickle.extend(b"ccollections\nOrderedDict\nh\0R".repeat(1001));
    pickle.push(b'.');
    assert_eq!(parsed(&pickle).unwrap_err(), PickleError::TooLarge);
}

#[test]
fn more_values_than_any_network_has_are_refused() {
    let mut pickle = b"\x80\x02".to_vec();
    pickle.resize(MAX_NODES + 3, b')');
    pickle.push(b'.');
    assert_eq!(parsed(&pickle).unwrap_err(), PickleError::TooLarge);
}

#[test]
fn a_mark_is_no_value_and_a_value_below_it_is_out_of_reach() {
    for pickle in [&b"\x80\x02(."[..], b"\x80\x02(\x85.", b"\x80\x02K\x01(\x85.", b"\x80\x02t."] {
        let error = parsed(pickle).unwrap_err();
        assert!(matches!(error, PickleError::Damaged { .. }), "{error}");
    }
}

#[test]
fn a_list_may_hold_itself() {
    let pickle = parsed(b"\x80\x02]q\0h\0a.").unwrap();
    assert_eq!(pickle.items(pickle.root()).unwrap().len(), 1);
}

#[test]
fn integers_of_any_length_are_read() {
    for (pickle, expected) in [
        (&b"\x80\x02J\xfe\xff\xff\xff."[..], -2),
        (b"\x80\x02K\xfe.", 254),
        (b"\x80\x02M\xfe\xff.", 65534),
        (b"\x80\x02\x8a\0.", 0),
        (b"\x80\x02\x8a\x02\x00\xff.", -256),
        (b"\x80\x02\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f.", i64::MAX),
    ] {
        assert!(matches!(parsed(pickle).unwrap().root(), Node::Int(n) if *n == expected));
    }
    let long = parsed(b"\x80\x02\x8a\x09\0\0\0\0\0\0\0\0\x01.").unwrap();
    assert!(matches!(long.root(), Node::Long([.., 1])));
}

#[test]
fn a_tensor_with_a_wrong_storage_shape_or_type_is_refused() {
    let storage = "((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x04tQ";
    let whole = |rest: &str| {
        format!("\x02ctorch._utils\n_rebuild_tensor_v2\n{storage}{rest}tR.").into_bytes()
    };
    let with = |rest: &str| [&[0x80][..], &whole(rest)].concat();
    // Offset, shape and strides; a flag and hooks are not looked at.
    assert!(parsed(&with("K\x00(K\x02K\x02t(K\x02K\x01t")).is_ok());
    let nine = format!("({}t", "K\x01".repeat(9));
    for wrong in [
        "K\x00(K\x02t(K\x02K\x01t".to_owned(),
        "K\x00K\x02(K\x01t".to_owned(),
        format!("K\x00{nine}{nine}"),
        "N(K\x02t(K\x01t".to_owned(),
        "K\x00(J\u{7f}\u{7f}\u{7f}\u{7f}t(Nt".to_owned(),
    ] {
        let error = parsed(&with(&wrong)).unwrap_err();
        assert!(matches!(error, PickleError::Damaged { .. }), "{wrong:?}: {error}");
    }
}

//! What is wrong with a recipe's TOML, in words of TOML rather than of Rust.

/// How the reader calls a number beyond 64 bits, which it has no type for.
const TOO_LARGE: [&str; 2] = ["u64 value was too large", "integer number overflowed"];

/// The key and what is wrong with it.
pub(super) fn of_key(error: &serde_path_to_error::Error<toml::de::Error>) -> String {
    let key = error.path().to_string();
    let mut reason = error.inner().message().to_owned();
    for whole in ["usize", "u64", "u32", "u16", "u8"] {
        reason = reason.replace(&format!("expected {whole}"), "expected a whole number, 0 or more");
    }
    for number in ["f64", "f32"] {
        reason = reason.replace(&format!("expected {number}"), "expected a number");
    }
    if let Some((before, _)) = reason.split_once("expected struct") {
        reason = format!("{before}expected a table");
    }
    if key == "." { reason } else { format!("{key}: {reason}") }
}

/// What is wrong with a text that is no TOML.
pub(super) fn of_text(reason: &str) -> String {
    let limit = format!("the number is too large, expected at most {}", i64::MAX);
    let mut reason = reason.to_owned();
    for wide in ["i128", "u128"] {
        let odd = format!(" as {wide}, expected any valid TOML value");
        reason = reason.replace(&odd, &format!(": {limit}"));
    }
    TOO_LARGE.iter().fold(reason, |reason, odd| reason.replace(odd, &limit))
}

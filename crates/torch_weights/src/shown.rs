//! How a stranger's names stand in errors and tables: short, in one line, harmless to a terminal.

/// Most characters of a name that are shown. The longest of a network has some 60.
const MAX_CHARACTERS: usize = 120;
/// Most characters of a message that another library wrote about a file.
const MAX_MESSAGE: usize = 300;
/// Most names of a list.
const MAX_NAMES: usize = 8;

/// `name` without control characters, and with no more than its first 120 characters.
#[must_use]
pub fn shown(name: &str) -> String {
    shortened(name, MAX_CHARACTERS)
}

/// As [`shown`], of a message that may hold names.
pub(crate) fn shown_message(message: &str) -> String {
    shortened(message, MAX_MESSAGE)
}

/// The first names and the number of the others.
pub(crate) fn shown_list<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let rest = names.len().saturating_sub(MAX_NAMES);
    let first: Vec<String> = names.take(MAX_NAMES).map(shown).collect();
    let first = first.join(", ");
    if rest == 0 { first } else { format!("{first} and {rest} more") }
}

fn shortened(text: &str, most: usize) -> String {
    let mut short = String::new();
    // Characters that are left out count too, so that the work is bounded as well.
    for c in text.chars().take(most).filter(|c| !c.is_control()) {
        short.push(c);
    }
    if text.chars().nth(most).is_some() {
        short.push_str(&format!("... ({} bytes)", text.len()));
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_shown_whole_unless_it_is_long() {
        assert_eq!(shown("layer0.0.weight"), "layer0.0.weight");
        let exactly = "ä".repeat(MAX_CHARACTERS);
        assert_eq!(shown(&exactly), exactly);
        let long = "ä".repeat(5_000_000);
        assert_eq!(shown(&long), format!("{exactly}... (10000000 bytes)"));
    }

    #[test]
    fn commands_for_a_terminal_are_left_out() {
        assert_eq!(shown("a\u{1b}[2J\nb\u{9b}31m\u{7f}"), "a[2Jb31m");
    }

    #[test]
    fn of_many_names_the_first_are_listed_and_the_others_counted() {
        let names: Vec<String> = (0..200_000).map(|i| format!("key{i}")).collect();
        let list = |count: usize| shown_list(names[..count].iter().map(String::as_str));
        assert_eq!(list(2), "key0, key1");
        assert_eq!(list(8), "key0, key1, key2, key3, key4, key5, key6, key7");
        assert_eq!(list(10), format!("{} and 2 more", list(8)));
        assert!(list(200_000).ends_with("key7 and 199992 more"));
    }
}

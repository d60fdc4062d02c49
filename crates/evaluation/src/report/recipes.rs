//! The resolved recipes, with their differences marked.

use std::collections::BTreeSet;

use super::text::escape;

/// The recipes, folded away; a line that another recipe lacks is marked.
pub(super) fn section(recipes: &[(String, String)]) -> String {
    if recipes.is_empty() {
        return String::new();
    }
    let keyed: Vec<Vec<(&str, &str)>> =
        recipes.iter().map(|(_, toml)| lines_in_tables(toml)).collect();
    let sets: Vec<BTreeSet<_>> =
        keyed.iter().map(|lines| lines.iter().copied().collect()).collect();
    let blocks = recipes.iter().zip(&keyed).map(|((name, _), lines)| {
        let lines = lines.iter().map(|line| {
            let shared = sets.iter().all(|set| set.contains(line)) || line.1.trim().is_empty();
            let text = escape(line.1);
            if shared { format!("{text}\n") } else { format!("<mark>{text}</mark>\n") }
        });
        let lines: String = lines.collect();
        format!("<details><summary>{}</summary><pre>{lines}</pre></details>\n", escape(name))
    });
    let blocks: String = blocks.collect();
    let marked =
        if recipes.len() > 1 { " Lines in which the recipes differ are marked." } else { "" };
    format!(
        "<section>\n<h2>Recipes</h2>\n<p class=\"hint\">Every setting as it was used.{marked}</p>\n\
         {blocks}</section>\n"
    )
}

/// Each line with the header of the table it stands in: the same key may occur in several.
fn lines_in_tables(toml: &str) -> Vec<(&str, &str)> {
    let mut table = "";
    let place = |line| {
        if str::starts_with(line, '[') {
            table = line;
        }
        (table, line)
    };
    toml.trim().lines().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_that_differ_are_marked() {
        let first = "seed = 1\n[outer]\nrate = 0.1\n[inner]\nrate = 0.2\n".to_owned();
        let second = "seed = 1\n[outer]\nrate = 0.2\n[inner]\nrate = 0.2\n".to_owned();
        let html = section(&[("a".to_owned(), first), ("b".to_owned(), second)]);
        let marked: Vec<_> =
            html.split("<mark>").skip(1).map(|rest| rest.split('<').next().unwrap()).collect();
        assert_eq!(marked, ["rate = 0.1", "rate = 0.2"]);
    }

    #[test]
    fn a_single_recipe_has_no_mark() {
        assert!(!section(&[("a".to_owned(), "seed = 1".to_owned())]).contains("<mark>"));
    }
}

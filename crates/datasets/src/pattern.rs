//! Path patterns with placeholders: `gtFine/{split}/{city}/{stem}_gtFine_labelIds.png`.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::Path;

/// The placeholder that a split's folders fill.
pub(crate) const SPLIT: &str = "split";
/// The placeholder that every pattern has.
pub(crate) const STEM: &str = "stem";

/// Endings of downloads that never finished.
const UNFINISHED: [&str; 4] = [".filepart", ".part", ".crdownload", ".tmp"];

/// Placeholder names and the text they stand for.
pub(crate) type Captures = BTreeMap<String, String>;

/// A relative path of fixed text and placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    components: Vec<Vec<Piece>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Placeholder(String),
}

/// A file that a pattern matches.
#[derive(Debug, Clone)]
pub(crate) struct Match {
    /// Path below the root, with `/`.
    pub(crate) relative: String,
    pub(crate) captures: Captures,
}

/// What matches a pattern and cannot be used.
#[derive(Debug, Clone)]
pub(crate) struct Broken {
    /// Path below the root, with `/`; bytes that are not Unicode as `\xff`.
    pub(crate) relative: String,
    /// None where the name is not Unicode.
    pub(crate) captures: Option<Captures>,
    /// What is wrong with it.
    pub(crate) reason: String,
}

/// What a pattern finds below a root.
#[derive(Debug, Default)]
pub(crate) struct Matches {
    pub(crate) files: Vec<Match>,
    pub(crate) broken: Vec<Broken>,
    /// Hidden files and unfinished downloads where files were looked for.
    pub(crate) leftovers: Vec<String>,
}

impl Pattern {
    /// Parses a pattern; the error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let components = text.split('/').map(parse_component).collect::<Result<Vec<_>, _>>()?;
        let pattern = Self { components };
        if !pattern.placeholders().contains(&STEM) {
            return Err(format!("`{text}` has no {{{STEM}}}"));
        }
        Ok(pattern)
    }

    /// Placeholder names in order of first use.
    pub(crate) fn placeholders(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for piece in self.components.iter().flatten() {
            if let Piece::Placeholder(name) = piece
                && !names.contains(&name.as_str())
            {
                names.push(name);
            }
        }
        names
    }

    pub(crate) fn uses_split(&self) -> bool {
        self.placeholders().contains(&SPLIT)
    }

    /// The path that these captures give, if they fill every placeholder.
    pub(crate) fn filled(&self, captures: &Captures) -> Option<String> {
        let mut path = String::new();
        for (position, component) in self.components.iter().enumerate() {
            if position > 0 {
                path.push('/');
            }
            for piece in component {
                path.push_str(match piece {
                    Piece::Text(text) => text,
                    Piece::Placeholder(name) => captures.get(name)?,
                });
            }
        }
        Some(path)
    }

    /// The components as a person writes them: known placeholders filled, others `*`.
    pub(crate) fn shown(&self, known: &Captures) -> Vec<String> {
        let piece_shown = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Placeholder(name) => known.get(name).cloned().unwrap_or_else(|| "*".into()),
        };
        self.components.iter().map(|pieces| pieces.iter().map(piece_shown).collect()).collect()
    }

    /// All files below `root` that match, given what some placeholders stand for.
    ///
    /// # Errors
    /// A folder that exists cannot be read; a folder that is missing only has no matches.
    pub(crate) fn find(&self, root: &Path, known: &Captures) -> io::Result<Matches> {
        let mut matches = Matches::default();
        descend(root, "", &self.components, known, &mut matches)?;
        matches.files.sort_by(|a, b| a.relative.cmp(&b.relative));
        matches.leftovers.sort();
        Ok(matches)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, component) in self.components.iter().enumerate() {
            formatter.write_str(if position > 0 { "/" } else { "" })?;
            for piece in component {
                match piece {
                    Piece::Text(text) => formatter.write_str(text)?,
                    Piece::Placeholder(name) => write!(formatter, "{{{name}}}")?,
                }
            }
        }
        Ok(())
    }
}

fn parse_component(component: &str) -> Result<Vec<Piece>, String> {
    if component.is_empty() || component == "." || component == ".." {
        return Err(format!(
            "component `{component}`, expected a plain path below the dataset's folder"
        ));
    }
    let mut pieces = Vec::new();
    let mut rest = component;
    while let Some((text, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else {
            return Err(format!("`{component}` has an unclosed {{"));
        };
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(format!("placeholder {{{name}}}, expected letters, digits and `_`"));
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(text.into()));
        } else if matches!(pieces.last(), Some(Piece::Placeholder(_))) {
            return Err(format!("`{component}` has two placeholders with nothing between them"));
        }
        pieces.push(Piece::Placeholder(name.into()));
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.into()));
    }
    Ok(pieces)
}

fn descend(
    folder: &Path,
    relative: &str,
    components: &[Vec<Piece>],
    captures: &Captures,
    matches: &mut Matches,
) -> io::Result<()> {
    let Some((component, deeper)) = components.split_first() else { return Ok(()) };
    let mut enter = |name: &str, captures: Captures| -> io::Result<()> {
        let path = folder.join(name);
        let below = joined(relative, name);
        if !deeper.is_empty() {
            return descend(&path, &below, deeper, &captures, matches);
        }
        if path.is_file() {
            matches.files.push(Match { relative: below, captures });
        } else if let Some(reason) = why_no_file(&path) {
            matches.broken.push(Broken { relative: below, captures: Some(captures), reason });
        }
        Ok(())
    };
    if let Some(name) = literal(component, captures) {
        return enter(&name, captures.clone());
    }
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let (mut leftovers, mut unnamed) = (Vec::new(), Vec::new());
    for entry in entries {
        let entry = entry?;
        let file_name = entry.file_name();
        let name = escaped(&file_name);
        if name.starts_with('.') || UNFINISHED.iter().any(|ending| name.ends_with(ending)) {
            if deeper.is_empty() {
                leftovers.push(format!("{relative}/{name}"));
            }
            continue;
        }
        let Some(captures) = match_component(component, &name, captures) else { continue };
        if file_name.to_str().is_some() {
            enter(&name, captures)?;
        } else if entry.path().is_dir() != deeper.is_empty() {
            // What lies in a folder's place and is none holds nothing, whatever its name.
            let reason = "its name is not Unicode, so it gives no id; hint: rename it".into();
            unnamed.push(Broken { relative: joined(relative, &name), captures: None, reason });
        }
    }
    matches.leftovers.append(&mut leftovers);
    matches.broken.append(&mut unnamed);
    Ok(())
}

fn joined(relative: &str, name: &str) -> String {
    if relative.is_empty() { name.into() } else { format!("{relative}/{name}") }
}

/// What a path is that exists and is neither a file nor a folder.
fn why_no_file(path: &Path) -> Option<String> {
    let is_link = path.symlink_metadata().ok()?.is_symlink();
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() => None,
        Ok(_) => Some("neither a file nor a folder".into()),
        Err(error) if is_link => Some(format!("a link that leads to no file ({error})")),
        Err(error) => Some(format!("cannot be read ({error})")),
    }
}

/// The name with every byte that is not Unicode as `\xff`.
fn escaped(name: &OsStr) -> String {
    let mut shown = String::new();
    for chunk in name.as_encoded_bytes().utf8_chunks() {
        shown.push_str(chunk.valid());
        shown.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    shown
}

/// The component's text, if nothing in it is left open.
fn literal(component: &[Piece], captures: &Captures) -> Option<String> {
    let mut name = String::new();
    for piece in component {
        name.push_str(match piece {
            Piece::Text(text) => text,
            Piece::Placeholder(placeholder) => captures.get(placeholder)?,
        });
    }
    Some(name)
}

/// The captures extended so that the component gives `name`; the first placeholder takes as much
/// as it can.
fn match_component(component: &[Piece], name: &str, captures: &Captures) -> Option<Captures> {
    let Some((piece, rest)) = component.split_first() else {
        return name.is_empty().then(|| captures.clone());
    };
    let placeholder = match piece {
        Piece::Text(text) => {
            return match_component(rest, name.strip_prefix(text.as_str())?, captures);
        }
        Piece::Placeholder(placeholder) => placeholder,
    };
    if let Some(text) = captures.get(placeholder) {
        return match_component(rest, name.strip_prefix(text.as_str())?, captures);
    }
    let ends = name.char_indices().map(|(start, c)| start + c.len_utf8()).rev();
    for end in ends {
        let mut longer = captures.clone();
        longer.insert(placeholder.clone(), name[..end].into());
        if let Some(found) = match_component(rest, &name[end..], &longer) {
            return Some(found);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture(pattern: &str, name: &str) -> Option<Vec<String>> {
        let pattern = Pattern::parse(pattern).unwrap();
        let captures = match_component(&pattern.components[0], name, &Captures::new())?;
        Some(captures.into_values().collect())
    }

    #[test]
    fn a_suffix_is_not_part_of_the_stem() {
        let stem = capture("{stem}_leftImg8bit.png", "aachen_000000_000019_leftImg8bit.png");
        assert_eq!(stem.unwrap(), ["aachen_000000_000019"]);
        assert_eq!(capture("{stem}_leftImg8bit.png", "_leftImg8bit.png"), None);
        assert_eq!(capture("{stem}.png", "00001.png.filepart"), None);
    }

    #[test]
    fn a_placeholder_used_twice_must_match_the_same_text() {
        assert_eq!(capture("{a}-{a}_{stem}", "x-x_1").unwrap(), ["x", "1"]);
        assert_eq!(capture("{a}-{a}_{stem}", "x-y_1"), None);
    }

    #[test]
    fn patterns_that_leave_the_root_or_name_no_stem_are_refused() {
        for text in
            ["../{stem}.png", "/{stem}.png", "a//{stem}", "images/*.png", "{a}{stem}", "{stem"]
        {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn hidden_files_and_unfinished_downloads_are_leftovers_and_not_matches() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("images")).unwrap();
        for name in ["00002.png", "00001.png", "._00001.png", ".DS_Store", "00003.png.filepart"] {
            std::fs::write(root.path().join("images").join(name), "").unwrap();
        }
        let pattern = Pattern::parse("images/{stem}.png").unwrap();
        let found = pattern.find(root.path(), &Captures::new()).unwrap();
        let files: Vec<&str> = found.files.iter().map(|file| file.relative.as_str()).collect();
        assert_eq!(files, ["images/00001.png", "images/00002.png"]);
        assert_eq!(
            found.leftovers,
            ["images/.DS_Store", "images/._00001.png", "images/00003.png.filepart"]
        );
    }
}

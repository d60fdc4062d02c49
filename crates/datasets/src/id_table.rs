//! The manifest's table from label ids, colours or names to train ids.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::IGNORE_ID;

/// Written as `train` of an id that counts for nothing.
const IGNORE_NAME: &str = "ignore";

/// One line of the manifest's `labels.ids`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdEntry {
    /// The stored id; negative ids are never drawn. Absent where labels are colours.
    pub id: Option<i32>,
    /// The stored colour, where labels are colours.
    pub colour: Option<[u8; 3]>,
    /// The dataset's own name of the id.
    pub name: String,
    /// The class it becomes, or `ignore`.
    pub train: String,
}

/// What the manifest's entries are looked up by.
#[derive(Debug, Clone)]
pub(crate) enum IdTable {
    /// By stored value.
    Values(ValueTable),
    /// By exact colour.
    Colours(ColourTable),
    /// By object name; `None` is never drawn.
    Names(BTreeMap<String, Option<u8>>),
}

/// Train ids by stored value; `None` where a value must not occur.
#[derive(Debug, Clone)]
pub(crate) struct ValueTable {
    train_ids: Vec<Option<u8>>,
}

impl ValueTable {
    /// The train id of a stored value, if the manifest knows the value.
    pub(crate) fn train_id(&self, value: u16) -> Option<u8> {
        self.train_ids.get(usize::from(value)).copied().flatten()
    }

    /// The known values as text, runs shortened: `0..33, 255`.
    pub(crate) fn shown(&self) -> String {
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for (value, _) in self.train_ids.iter().enumerate().filter(|(_, id)| id.is_some()) {
            match runs.last_mut() {
                Some((_, last)) if *last + 1 == value => *last = value,
                _ => runs.push((value, value)),
            }
        }
        let shown = |&(first, last): &(usize, usize)| {
            if first == last { first.to_string() } else { format!("{first}..{last}") }
        };
        runs.iter().map(shown).collect::<Vec<_>>().join(", ")
    }
}

/// Train ids by exact colour.
#[derive(Debug, Clone)]
pub(crate) struct ColourTable {
    colours: BTreeMap<[u8; 3], u8>,
    /// Whether colours that no entry has are ignored rather than refused.
    ignores_unlisted: bool,
}

impl ColourTable {
    /// The train id of a colour, if the manifest allows the colour.
    pub(crate) fn train_id(&self, colour: [u8; 3]) -> Option<u8> {
        let found = self.colours.get(&colour).copied();
        found.or(self.ignores_unlisted.then_some(IGNORE_ID))
    }

    /// The number of colours that the manifest lists.
    pub(crate) fn len(&self) -> usize {
        self.colours.len()
    }
}

/// A mistake in the table: the key below `labels`, and what is wrong.
pub(crate) type TableMistake = (&'static str, String);

/// Looks entries up by value; ids in `range` that no entry names are ignored.
pub(crate) fn by_value(
    entries: &[IdEntry],
    range: Option<[u16; 2]>,
    largest: u16,
    classes: &[String],
) -> Result<IdTable, TableMistake> {
    let mut train_ids = vec![None; usize::from(largest) + 1];
    if let Some([low, high]) = range {
        if low > high || high > largest {
            return Err(("range", format!("[{low}, {high}], expected low <= high <= {largest}")));
        }
        train_ids[usize::from(low)..=usize::from(high)].fill(Some(IGNORE_ID));
    }
    let mut named = vec![false; train_ids.len()];
    for entry in entries {
        if entry.colour.is_some() {
            return Err(("ids", format!("`{}` has a colour, expected an id", entry.name)));
        }
        let id = required_id(entry)?;
        let Ok(value) = u16::try_from(id) else {
            // Negative ids document names that are never drawn.
            if id < 0 {
                continue;
            }
            return Err(("ids", format!("id {id}, expected at most {largest}")));
        };
        if value > largest {
            return Err(("ids", format!("id {id}, expected at most {largest}")));
        }
        let slot = usize::from(value);
        if named[slot] {
            return Err(("ids", format!("id {id} is listed twice")));
        }
        named[slot] = true;
        train_ids[slot] = Some(train_id(entry, classes)?);
    }
    Ok(IdTable::Values(ValueTable { train_ids }))
}

/// Looks entries up by exact colour.
pub(crate) fn by_colour(
    entries: &[IdEntry],
    ignores_unlisted: bool,
    classes: &[String],
) -> Result<IdTable, TableMistake> {
    let mut colours = BTreeMap::new();
    for entry in entries {
        let Some(colour) = entry.colour else {
            return Err(("ids", format!("`{}` has no colour, expected [r, g, b]", entry.name)));
        };
        if colours.insert(colour, train_id(entry, classes)?).is_some() {
            return Err(("ids", format!("colour {colour:?} is listed twice")));
        }
    }
    Ok(IdTable::Colours(ColourTable { colours, ignores_unlisted }))
}

/// Looks entries up by object name.
pub(crate) fn by_name(entries: &[IdEntry], classes: &[String]) -> Result<IdTable, TableMistake> {
    let mut names = BTreeMap::new();
    for entry in entries {
        let drawn = required_id(entry)? >= 0;
        let train_id = train_id(entry, classes)?;
        if names.insert(entry.name.clone(), drawn.then_some(train_id)).is_some() {
            return Err(("ids", format!("name `{}` is listed twice", entry.name)));
        }
    }
    Ok(IdTable::Names(names))
}

fn required_id(entry: &IdEntry) -> Result<i32, TableMistake> {
    entry.id.ok_or_else(|| ("ids", format!("`{}` has no id", entry.name)))
}

fn train_id(entry: &IdEntry, classes: &[String]) -> Result<u8, TableMistake> {
    if entry.train == IGNORE_NAME {
        return Ok(IGNORE_ID);
    }
    let position = classes.iter().position(|class| *class == entry.train);
    position.and_then(|index| u8::try_from(index).ok()).ok_or_else(|| {
        let expected = classes.join(", ");
        let reason = format!(
            "`{}` becomes `{}`, expected `{IGNORE_NAME}` or a class: {expected}",
            entry.name, entry.train
        );
        ("ids", reason)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: i32, train: &str) -> IdEntry {
        IdEntry { id: Some(id), colour: None, name: format!("n{id}"), train: train.into() }
    }

    fn classes() -> Vec<String> {
        vec!["road".into(), "sky".into()]
    }

    #[test]
    fn ids_outside_table_and_range_are_unknown_and_ids_in_the_range_alone_are_ignored() {
        let entries = [entry(2, "sky"), entry(40, "road")];
        let table = by_value(&entries, Some([0, 5]), 255, &classes()).unwrap();
        let IdTable::Values(table) = table else { panic!("a value table") };
        let got = [2, 3, 40, 6, 300].map(|value| table.train_id(value));
        assert_eq!(got, [Some(1), Some(IGNORE_ID), Some(0), None, None]);
        assert_eq!(table.shown(), "0..5, 40");
    }

    #[test]
    fn an_entry_for_an_unknown_class_lists_the_classes() {
        let (key, reason) = by_value(&[entry(1, "rode")], None, 255, &classes()).unwrap_err();
        assert_eq!(key, "ids");
        assert_eq!(reason, "`n1` becomes `rode`, expected `ignore` or a class: road, sky");
    }

    #[test]
    fn an_id_listed_twice_is_refused() {
        let (_, reason) =
            by_value(&[entry(1, "sky"), entry(1, "road")], None, 255, &classes()).unwrap_err();
        assert_eq!(reason, "id 1 is listed twice");
    }

    #[test]
    fn names_of_negative_ids_are_never_drawn() {
        let table = by_name(&[entry(-1, "ignore"), entry(7, "road")], &classes()).unwrap();
        let IdTable::Names(names) = table else { panic!("a name table") };
        assert_eq!((names["n-1"], names["n7"]), (None, Some(0)));
    }
}

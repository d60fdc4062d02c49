//! Writes a drafted manifest.

use std::path::Path;

use crate::CITYSCAPES_CLASSES;
use crate::draft::contents::{Contents, FileKind};
use crate::draft::names::{Names, class_of};
use crate::draft::pairing::Found;

/// A manifest in the making.
pub(super) struct Text {
    name: String,
    pub(super) layout: Found,
}

/// One line of `labels.ids`.
struct Entry {
    /// `id = 7` or `colour = [1, 2, 3]`.
    key: String,
    name: String,
    class: Option<&'static str>,
    /// What is known besides, for a comment.
    remark: String,
}

impl Text {
    pub(super) fn new(root: &Path, layout: Found) -> Self {
        let folder = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
        let folder = folder.file_name().map(|name| name.to_string_lossy().into_owned());
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        let name: String = folder.unwrap_or_default().chars().map(plain).take(60).collect();
        let name = if name.is_empty() { "dataset".to_owned() } else { name.to_ascii_lowercase() };
        Self { name, layout }
    }

    /// A manifest that lists pairs and cannot read them: its ids are still unknown.
    pub(super) fn bare_toml(&self) -> String {
        let key = match self.layout.label_kind {
            FileKind::Rgb => "colour = [0, 0, 0]",
            _ => "id = 0",
        };
        let ids = format!("    {{ {key}, name = \"unknown\", train = \"ignore\" }},\n");
        self.assembled(&ids)
    }

    /// The whole manifest; what a person should know goes to the notes.
    pub(super) fn toml(
        &self,
        contents: &Contents,
        names: &Names,
        notes: &mut Vec<String>,
    ) -> String {
        let entries = self.entries(contents, names);
        let unknown = entries.iter().filter(|entry| entry.class.is_none()).count();
        let known = entries.len() - unknown;
        if !names.file.is_empty() {
            notes.push(format!("names are those of {}", names.file));
        }
        notes.push(format!(
            "{} values occur in the labels: {known} have a class, {unknown} are ignored until you \
             give them one",
            entries.len()
        ));
        let mut ids = String::new();
        for Entry { key, name, class, remark } in entries {
            let (name, class) = (quoted(&name), quoted(class.unwrap_or("ignore")));
            let line = format!("    {{ {key}, name = {name}, train = {class} }},{remark}\n");
            ids.push_str(&line);
        }
        self.assembled(&ids)
    }

    fn entries(&self, contents: &Contents, names: &Names) -> Vec<Entry> {
        let labels = self.layout.labels.join(" ").to_ascii_lowercase().replace(['_', '-'], "");
        let are_train_ids = labels.contains("trainid");
        let unknown = |id: u16| {
            let shown = contents.shown.get(&id);
            let shown = shown.map(|[r, g, b]| format!(", shown as ({r}, {g}, {b})"));
            format!(" # meaning unknown{}", shown.unwrap_or_default())
        };
        let of_id = |&id: &u16| {
            let name = names.by_id.get(&id);
            let train_id = are_train_ids.then(|| CITYSCAPES_CLASSES.get(usize::from(id)).copied());
            let class = name.and_then(|name| class_of(name)).or_else(|| train_id.flatten());
            let name = name.cloned().or_else(|| class.map(String::from));
            let is_void = are_train_ids && id == u16::from(crate::IGNORE_ID);
            let remark = if name.is_some() || is_void { String::new() } else { unknown(id) };
            let name = name.unwrap_or_else(|| format!("id {id}"));
            Entry { key: format!("id = {id}"), name, class, remark }
        };
        let of_colour = |&[r, g, b]: &[u8; 3]| {
            let name = names.by_colour.get(&[r, g, b]).cloned();
            let class = name.as_deref().and_then(class_of);
            let remark = if name.is_some() { "" } else { " # meaning unknown" };
            let name = name.unwrap_or_else(|| format!("colour {r} {g} {b}"));
            Entry { key: format!("colour = [{r}, {g}, {b}]"), name, class, remark: remark.into() }
        };
        let of_object = |(id, name): (usize, &String)| Entry {
            key: format!("id = {id}"),
            name: name.clone(),
            class: class_of(name),
            remark: String::new(),
        };
        match self.layout.label_kind {
            FileKind::Polygons => contents.objects.iter().enumerate().map(of_object).collect(),
            FileKind::Rgb => contents.colours.iter().map(of_colour).collect(),
            _ => contents.ids.iter().map(of_id).collect(),
        }
    }

    fn assembled(&self, ids: &str) -> String {
        let Self { name, layout } = self;
        let encoding = match layout.label_kind {
            FileKind::Grey => "grey-id",
            FileKind::Palette => "palette-index",
            FileKind::Rgb => "rgb-colour",
            FileKind::Red => "grey-or-red",
            FileKind::Sixteen => "rgb16-red",
            FileKind::Polygons => "polygons",
            FileKind::GreyOrPalette | FileKind::Jpeg | FileKind::Other => "index",
        };
        let list = |patterns: &[String]| {
            let lines = patterns.iter().map(|pattern| format!("    {},\n", quoted(pattern)));
            format!("[\n{}]", lines.collect::<String>())
        };
        let (images, labels) = (list(&layout.images), list(&layout.labels));
        let mut splits = String::new();
        for split in &layout.splits {
            let folders = split.folder.as_ref().filter(|folder| **folder != split.name);
            let folders = folders.map(|folder| format!("folders = [{}]\n", quoted(folder)));
            let name = quoted(&split.name);
            let is_bare = split.name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            let name = if is_bare { split.name.clone() } else { name };
            splits.push_str(&format!("\n[splits.{name}]\n{}", folders.unwrap_or_default()));
        }
        let classes = CITYSCAPES_CLASSES.join(", ");
        format!(
            "# Drafted from the files of a folder; data-manifests/README.md explains every key.\n\
             name = {name}\n\
             # Change it whenever a class below changes: results depend on it.\n\
             mapping = {mapping}\n\
             license = \"unknown: write the dataset's terms here\"\n\n\
             [layout]\nimages = {images}\nlabels = {labels}\n\n\
             [labels]\nencoding = \"{encoding}\"\n\
             # `train` is the class that an id becomes, or \"ignore\". The classes:\n\
             # {classes}.\n\
             ids = [\n{ids}]\n{splits}",
            name = quoted(name),
            mapping = quoted(&format!("{name}/1")),
        )
    }
}

/// Text as a TOML string.
fn quoted(text: &str) -> String {
    toml::Value::String(text.into()).to_string()
}

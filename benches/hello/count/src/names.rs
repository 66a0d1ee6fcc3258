//! The names that a program has from elsewhere, as its imports and its paths say.

use std::collections::BTreeSet;

use syn::{
    Attribute, File, Ident, ItemUse, Path, UseTree,
    visit::{self, Visit},
};

/// Attributes that are in every Rust program, or in every one of these.
const EVERYWHERE: [&str; 3] = ["doc", "derive", "main"];
/// Likewise, by their crates; and what stands in for the program protoc.
const IN_ALL: [(&str, &str); 3] = [("tokio", "main"), ("std", "Error"), ("protox", "compile")];

/// Names, each once, by where they are from.
pub(crate) struct Names {
    crates: Vec<String>,
    declared: Vec<String>,
    /// Of the framework's crates.
    pub(crate) framework: BTreeSet<String>,
    /// Of what the framework makes of the service.
    pub(crate) generated: BTreeSet<String>,
    /// Of other crates and of the standard library's modules.
    pub(crate) others: BTreeSet<String>,
}

impl Names {
    /// The framework's crates, and the names that the user has given.
    pub(crate) fn new(crates: &[&str], declared: Vec<String>) -> Self {
        let crates = crates.iter().map(|&name| name.to_owned()).collect();
        let (framework, generated, others) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        Self { crates, declared, framework, generated, others }
    }

    /// Adds those of a file.
    pub(crate) fn collect(&mut self, file: &File) {
        self.visit_file(file);
    }

    /// A name behind this root, which may be the crate of the service.
    fn add(&mut self, root: &str, name: &Ident) {
        let name = name.to_string();
        if self.crates.iter().any(|one| one == root) {
            self.framework.insert(name);
        } else if root.starts_with("hello_") {
            if !self.declared.contains(&name) {
                self.generated.insert(name);
            }
        } else if !IN_ALL.contains(&(root, name.as_str())) {
            self.others.insert(name);
        }
    }

    /// The names that an import brings in; `self` brings in the module.
    fn add_tree(&mut self, root: &str, parent: &Ident, tree: &UseTree) {
        match tree {
            UseTree::Path(path) => self.add_tree(root, &path.ident, &path.tree),
            UseTree::Name(name) if name.ident == "self" => self.add(root, parent),
            UseTree::Name(name) => self.add(root, &name.ident),
            UseTree::Rename(rename) => self.add(root, &rename.ident),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.add_tree(root, parent, tree)),
            // Names that a glob brings in could not be told: the programs have none.
            UseTree::Glob(_) => {
                self.others.insert("*".to_owned());
            }
        }
    }
}

impl Visit<'_> for Names {
    fn visit_item_use(&mut self, import: &ItemUse) {
        if let UseTree::Path(path) = &import.tree {
            self.add_tree(&path.ident.to_string(), &path.ident, &path.tree);
        }
    }

    fn visit_path(&mut self, path: &Path) {
        let segments: Vec<_> = path.segments.iter().map(|segment| &segment.ident).collect();
        if let [root, .., last] = segments[..] {
            let root = root.to_string();
            // `Type::function` is no path from a crate.
            if !root.starts_with(char::is_uppercase) {
                if self.framework.contains(&root) {
                    // A function of a module that was imported.
                    self.framework.insert(last.to_string());
                } else {
                    self.add(&root, last);
                }
            }
        }
        visit::visit_path(self, path);
    }

    fn visit_attribute(&mut self, attribute: &Attribute) {
        // One that only the framework's macro understands.
        let name = attribute.path().get_ident().map(Ident::to_string);
        self.framework.extend(name.filter(|name| !EVERYWHERE.contains(&name.as_str())));
        visit::visit_attribute(self, attribute);
    }
}

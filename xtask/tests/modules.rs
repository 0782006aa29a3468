//! No two sibling modules of a crate use each other, directly or through others: what is below can be
//! read without what is above.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree, Visibility};

/// A module, by its path from the root of its crate.
type Module = Vec<String>;

/// What one module names of its own crate: paths from the crate's root.
struct Names<'a> {
    own: &'a [String],
    found: BTreeSet<Module>,
    /// What it gives out as its own, and where that is.
    given_out: BTreeMap<Module, Module>,
}

impl Names<'_> {
    /// `path` as written, if it stays in the crate.
    fn add(&mut self, path: &[String]) {
        let mut from = match path.first().map(String::as_str) {
            Some("crate") => Vec::new(),
            Some("self" | "super") => self.own.to_vec(),
            _ => return,
        };
        for part in path {
            match part.as_str() {
                "crate" | "self" => {}
                "super" => drop(from.pop()),
                part => from.push(part.to_owned()),
            }
        }
        self.found.insert(from);
    }

    fn add_tree(&mut self, mut path: Vec<String>, tree: &UseTree) {
        match tree {
            UseTree::Path(it) => {
                path.push(it.ident.to_string());
                self.add_tree(path, &it.tree);
            }
            UseTree::Group(it) => it
                .items
                .iter()
                .for_each(|tree| self.add_tree(path.clone(), tree)),
            UseTree::Name(it) => {
                path.push(it.ident.to_string());
                self.add(&path);
            }
            UseTree::Rename(it) => {
                path.push(it.ident.to_string());
                self.add(&path);
            }
            UseTree::Glob(_) => self.add(&path),
        }
    }
}

impl Names<'_> {
    /// `pub use module::Name`, below `path`.
    fn give_out(&mut self, mut path: Module, tree: &UseTree) {
        let (name, as_name) = match tree {
            UseTree::Path(it) => {
                let part = it.ident.to_string();
                if part != "self" {
                    path.push(part);
                }
                return self.give_out(path, &it.tree);
            }
            UseTree::Group(it) => {
                let each = |tree| self.give_out(path.clone(), tree);
                return it.items.iter().for_each(each);
            }
            UseTree::Name(it) => (&it.ident, &it.ident),
            UseTree::Rename(it) => (&it.ident, &it.rename),
            UseTree::Glob(_) => return,
        };
        path.push(name.to_string());
        let mut given = self.own.to_vec();
        given.push(as_name.to_string());
        self.given_out.insert(given, path);
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|it| {
        it.path().is_ident("cfg")
            && it
                .parse_args::<syn::Ident>()
                .is_ok_and(|what| what == "test")
    })
}

impl<'ast> Visit<'ast> for Names<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        match item {
            Item::Mod(it) if is_test(&it.attrs) => {}
            Item::Use(it) if matches!(it.vis, Visibility::Inherited) => {
                self.add_tree(Vec::new(), &it.tree);
            }
            Item::Use(it) => self.give_out(self.own.to_vec(), &it.tree),
            _ => visit::visit_item(self, item),
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<_> = path
            .segments
            .iter()
            .map(|it| it.ident.to_string())
            .collect();
        self.add(&parts);
        visit::visit_path(self, path);
    }
}

/// The files of a crate's modules; tests and programs are none.
fn modules(folder: &Path, module: &Module, found: &mut BTreeMap<Module, PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let mut inside = module.clone();
        if path.is_dir() {
            if !["tests", "bin"].contains(&name.as_str()) {
                inside.push(name);
                modules(&path, &inside, found);
            }
        } else if path.extension().is_some_and(|it| it == "rs") && name != "tests" {
            if !["lib", "main", "mod"].contains(&name.as_str()) {
                inside.push(name);
            }
            found.insert(inside, path);
        }
    }
}

/// Which sibling uses which, by their parent.
fn uses(source: &Path) -> BTreeMap<Module, BTreeMap<String, BTreeSet<String>>> {
    let mut files = BTreeMap::new();
    modules(source, &Vec::new(), &mut files);
    let mut given_out = BTreeMap::new();
    let mut named = BTreeSet::new();
    for (own, path) in &files {
        let text = fs::read_to_string(path).unwrap();
        let mut names = Names {
            own,
            found: BTreeSet::new(),
            given_out: BTreeMap::new(),
        };
        names.visit_file(&syn::parse_file(&text).unwrap());
        given_out.extend(names.given_out);
        named.extend(names.found.into_iter().map(|it| (own, it)));
    }
    let mut uses = BTreeMap::<_, BTreeMap<_, BTreeSet<_>>>::new();
    for (own, mut named) in named {
        let origin = (1..=named.len()).find_map(|end| given_out.get(&named[..end]));
        if let Some(origin) = origin {
            named.clone_from(origin);
        }
        while !named.is_empty() && !files.contains_key(&named) {
            named.pop();
        }
        let shared = own.iter().zip(&named).take_while(|(a, b)| a == b).count();
        if let (Some(from), Some(to)) = (own.get(shared), named.get(shared)) {
            let parent = own[..shared].to_vec();
            let of_parent = uses.entry(parent).or_default();
            of_parent
                .entry(from.clone())
                .or_default()
                .insert(to.clone());
        }
    }
    uses
}

/// Everything that `from` uses, directly or through others.
fn reached(uses: &BTreeMap<String, BTreeSet<String>>, from: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(it) = open.pop() {
        for next in uses.get(it).into_iter().flatten() {
            if reached.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    reached
}

/// Each circle as one line: the crate's folder, the parent, the modules.
fn circles(name: &str, source: &Path) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for (parent, uses) in uses(source) {
        let all: BTreeMap<_, _> = uses.keys().map(|it| (it, reached(&uses, it))).collect();
        for (module, reached) in &all {
            let circle: Vec<&str> = all
                .iter()
                .filter(|(other, back)| reached.contains(**other) && back.contains(*module))
                .map(|(other, _)| other.as_str())
                .collect();
            if !circle.is_empty() {
                let parent = parent.iter().map(|it| format!("/{it}")).collect::<String>();
                lines.insert(format!("{name}{parent}: {}", circle.join(" ")));
            }
        }
    }
    lines
}

#[test]
fn modules_use_each_other_in_no_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let crates = ["ebpf", "tests", "xtask", "bench"].map(|it| root.join(it));
    let floors = fs::read_dir(root.join("userspace")).unwrap();
    let others = floors.map(|it| it.unwrap().path());
    let others = others.chain([root.join("xtask")]);
    let others = others.flat_map(|it| fs::read_dir(it).unwrap());
    let others = others.map(|it| it.unwrap().path());
    let found: BTreeSet<_> = crates
        .into_iter()
        .chain(others.filter(|it| it.join("Cargo.toml").exists()))
        .flat_map(|folder| {
            let name = folder.strip_prefix(&root).unwrap().display().to_string();
            circles(&name, &folder.join("src"))
        })
        .collect();
    assert!(found.is_empty(), "modules that use each other: {found:#?}");
}

#[test]
fn circle_of_three_then_named_and_tests_do_not_count() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write(
        "lib.rs",
        "mod a; mod b; mod c; mod d; pub use a::{x::Y, A};",
    );
    write("a.rs", "use super::{b::B, d::D};");
    write("b.rs", "fn b() { crate::c::c() }");
    write("c.rs", "use crate::A;");
    write("d.rs", "#[cfg(test)] mod tests { use crate::a::A; }");
    let found: Vec<_> = circles("x", folder.path()).into_iter().collect();
    assert_eq!(found, ["x: a b c"]);
}

//! What the files of `src/` name, found out by parsing them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, Macro, UseTree};

/// `["room", "decide"]` for `src/room/decide.rs`.
type Names = Vec<String>;

/// All modules that have a file of their own.
pub struct House(BTreeMap<Names, Module>);

struct Module {
    file: String,
    /// Every path that the file names, from the crate's root on; of what is not this crate's, as it is written.
    own: BTreeSet<Names>,
    foreign: BTreeSet<String>,
    /// What it makes known under a name of its own, and where that is from.
    imports: Vec<(String, Names)>,
}

impl House {
    pub fn read() -> House {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut parsed = BTreeMap::new();
        for path in files("src").into_iter().filter(|path| !path.starts_with(source.join("bin"))) {
            let relative = path.strip_prefix(&source).unwrap().with_extension("");
            let mut names: Names = relative.iter().map(|name| name.to_str().unwrap().to_owned()).collect();
            if names.last().is_some_and(|name| name == "mod") || names == ["lib"] {
                names.pop();
            }
            parsed.insert(names, path);
        }
        let tests: Vec<Names> = (parsed.iter())
            .flat_map(|(names, path)| {
                let items = parse(path).items.into_iter().filter(|item| is_for_tests(attributes(item)));
                items.filter_map(move |item| match item {
                    Item::Mod(item) => Some([names.as_slice(), &[item.ident.to_string()]].concat()),
                    _ => None,
                })
            })
            .collect();
        parsed.retain(|names, _| !tests.iter().any(|test| names.starts_with(test)));
        let all: BTreeSet<Names> = parsed.keys().cloned().collect();
        let modules = parsed.into_iter().map(|(names, path)| {
            let mut reader = Reader { all: &all, module: names.clone(), paths: Vec::new() };
            reader.visit_file(&parse(&path));
            let mut module = Module {
                file: path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().display().to_string(),
                own: BTreeSet::new(),
                foreign: BTreeSet::new(),
                imports: Vec::new(),
            };
            for Found { path, known_as } in reader.paths {
                match path {
                    Whose::Own(path) => {
                        module.imports.extend(known_as.map(|name| (name, path.clone())));
                        module.own.insert(path);
                    }
                    Whose::Foreign(path) => {
                        module.foreign.insert(path.join("::"));
                    }
                }
            }
            (names, module)
        });
        House(modules.collect())
    }

    /// All parts: modules at the top.
    pub fn parts(&self) -> BTreeSet<&str> {
        self.0.keys().filter_map(|names| names.first()).map(String::as_str).collect()
    }

    fn of<'a>(&'a self, part: &'a str) -> impl Iterator<Item = (&'a Names, &'a Module)> {
        self.0.iter().filter(move |(names, _)| names.first().is_some_and(|name| name == part))
    }

    /// The other parts that a part names.
    pub fn parts_named_by<'a>(&'a self, part: &'a str) -> BTreeSet<&'a str> {
        let paths = self.of(part).flat_map(|(_, module)| &module.own);
        paths.filter_map(|path| path.first()).map(String::as_str).filter(|other| *other != part).collect()
    }

    /// What a part names of another one, as `FILE: crate::OTHER::...`.
    pub fn uses(&self, part: &str, other: &str) -> Vec<String> {
        let named = self.of(part).flat_map(|(_, module)| {
            let of_other = module.own.iter().filter(|path| path.first().is_some_and(|name| name == other));
            of_other.map(|path| format!("{}: crate::{}", module.file, path.join("::")))
        });
        named.collect()
    }

    /// What a part names that is not this crate's, each with the file.
    pub fn foreign<'a>(&'a self, part: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.of(part).flat_map(|(_, module)| module.foreign.iter().map(|path| (&*module.file, &**path)))
    }

    /// Files that name each other in a circle, the first one again at the end; none if there is no circle.
    pub fn circle(&self) -> Vec<&str> {
        let mut left: BTreeMap<&Names, BTreeSet<&Names>> =
            self.0.iter().map(|(names, module)| (names, self.named_by(names, module))).collect();
        // Whoever names nobody who is left is in no circle.
        while let Some(free) = left.iter().find(|(_, named)| named.is_empty()).map(|(names, _)| *names) {
            left.remove(free);
            for named in left.values_mut() {
                named.remove(free);
            }
        }
        let mut way: Vec<&Names> = left.keys().copied().take(1).collect();
        while let Some(next) = way.last().and_then(|last| left.get(last)?.first().copied()) {
            let seen = way.iter().position(|known| *known == next);
            way.push(next);
            if let Some(start) = seen {
                way.drain(..start);
                break;
            }
        }
        way.into_iter().map(|names| &*self.0[names].file).collect()
    }

    /// The files whose items a file names, but for those of its parents.
    fn named_by(&self, names: &Names, module: &Module) -> BTreeSet<&Names> {
        let homes = module.own.iter().filter_map(|path| self.home(path, 0));
        homes.filter(|home| !names.starts_with(home)).collect()
    }

    /// The module whose file defines what a path names.
    fn home(&self, path: &[String], depth: usize) -> Option<&Names> {
        let length = (0..=path.len()).rev().find(|length| self.0.contains_key(&path[..*length]))?;
        let (home, module) = self.0.get_key_value(&path[..length])?;
        let Some(item) = path.get(length) else { return Some(home) };
        // A name may be imported from itself only in a circle of imports, which the compiler refuses.
        let import = module.imports.iter().find(|(name, from)| name == item && from != path).filter(|_| depth < 10);
        match import {
            Some((_, from)) => self.home(&[from, &path[length + 1..]].concat(), depth + 1),
            None => Some(home),
        }
    }
}

enum Whose {
    Own(Names),
    Foreign(Names),
}

struct Found {
    path: Whose,
    /// The name that an import gives it.
    known_as: Option<String>,
}

/// Collects every path that a file names.
struct Reader<'a> {
    all: &'a BTreeSet<Names>,
    /// Where it is: the file's module, and perhaps one that is written out in it.
    module: Names,
    paths: Vec<Found>,
}

impl Reader<'_> {
    fn note(&mut self, path: Names, known_as: Option<String>) {
        let known_as = known_as.filter(|_| self.all.contains(&self.module));
        let path = self.absolute(path);
        self.paths.push(Found { path, known_as });
    }

    fn absolute(&self, path: Names) -> Whose {
        let mut module = self.module.clone();
        let mut rest = path.as_slice();
        match path.first().map(String::as_str) {
            Some("crate") => (module, rest) = (Vec::new(), &path[1..]),
            Some("self") => rest = &path[1..],
            Some("super") => {
                while rest.first().is_some_and(|name| name == "super") {
                    module.pop();
                    rest = &rest[1..];
                }
            }
            Some(first) => {
                module.push(first.to_owned());
                if !self.all.contains(&module) {
                    return Whose::Foreign(path);
                }
                module.pop();
            }
            None => {}
        }
        Whose::Own([&module, rest].concat())
    }

    fn import(&mut self, tree: &UseTree, mut path: Names) {
        match tree {
            UseTree::Path(next) => {
                path.push(next.ident.to_string());
                self.import(&next.tree, path);
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.import(tree, path.clone())),
            UseTree::Glob(_) => self.note(path, None),
            UseTree::Name(name) if name.ident == "self" => {
                let known_as = path.last().cloned();
                self.note(path, known_as);
            }
            UseTree::Name(name) => {
                path.push(name.ident.to_string());
                self.note(path, Some(name.ident.to_string()));
            }
            UseTree::Rename(rename) => {
                if rename.ident != "self" {
                    path.push(rename.ident.to_string());
                }
                self.note(path, Some(rename.rename.to_string()));
            }
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_for_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.import(&item.tree, Vec::new());
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            self.note(path.segments.iter().map(|segment| segment.ident.to_string()).collect(), None);
        }
        visit::visit_path(self, path);
    }

    /// What stands in a macro is no syntax yet: words with `::` between them.
    fn visit_macro(&mut self, item: &'ast Macro) {
        let text = item.tokens.to_string().replace(" :: ", "::");
        for word in text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':') {
            if let Some((first, _)) = word.split_once("::")
                && !first.is_empty()
            {
                self.note(word.split("::").map(str::to_owned).collect(), None);
            }
        }
        visit::visit_macro(self, item);
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    let is_test = |attribute: &Attribute| attribute.parse_args::<syn::Ident>().is_ok_and(|name| name == "test");
    attributes.iter().any(|attribute| attribute.path().is_ident("cfg") && is_test(attribute))
}

/// All files that `mod` leads to from this one, itself included.
pub fn modules_below(main: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut open = vec![(main.to_owned(), main.parent().unwrap().to_owned())];
    while let Some((path, directory)) = open.pop() {
        for item in parse(&path).items {
            if let Item::Mod(ItemMod { ident, content: None, .. }) = item {
                let below = directory.join(ident.to_string());
                let file = [below.with_extension("rs"), below.join("mod.rs")].into_iter().find(|path| path.exists());
                open.push((file.unwrap(), below));
            }
        }
        found.insert(path);
    }
    found
}

/// All files of this kind below a directory of the project.
pub fn files(directory: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(directory)];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "{directory} has no source files");
    found
}

fn parse(path: &Path) -> syn::File {
    syn::parse_file(&fs::read_to_string(path).unwrap()).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

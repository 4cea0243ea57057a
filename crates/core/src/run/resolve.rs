//! Finding a run or a module by what a user types: a name, the beginning of one, `latest`, or a path.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::document;
use super::error::Error;
use super::layout::{self, MANIFEST, MODULE};
use super::name::LATEST;
use super::reader::Run;
use super::store::Store;

/// Similarity above which one name is taken for a typing error of another.
const SIMILAR: f64 = 0.5;

impl Store {
    /// The directory of the run that `query` means: a name, `latest`, a path, or the beginning of one name.
    /// The run may be damaged.
    ///
    /// # Errors
    ///
    /// When there is no such run (names the most similar one), or several names begin like this (lists them).
    pub fn resolve(&self, query: &str) -> Result<PathBuf, Error> {
        let names = layout::directories(&self.directory)?;
        let path = Path::new(query);
        if query == LATEST {
            let paths = names.iter().map(|name| self.directory.join(name));
            return newest(paths, MANIFEST).ok_or_else(|| unknown("run", query, &self.directory, &[]));
        }
        if !names.iter().any(|name| name == query) && holds(path, MANIFEST) {
            return Ok(absolute(path));
        }
        pick("run", query, &self.directory, &names).map(|name| self.directory.join(name))
    }

    /// The run of exactly this name, as a module or a branch names the run that it comes from: the beginning of
    /// another's name, a path or `latest` could mean another run, whose classes are others.
    ///
    /// # Errors
    ///
    /// When there is no such run, and as [`Run::open`].
    pub fn exact(&self, name: &str) -> Result<Run, Error> {
        Run::open(&self.directory_of(name)?)
    }

    /// The directory of the run of exactly this name. The run may be damaged.
    ///
    /// # Errors
    ///
    /// When there is no such run.
    pub fn directory_of(&self, name: &str) -> Result<PathBuf, Error> {
        let names = layout::directories(&self.directory)?;
        match names.iter().any(|other| other == name) {
            true => Ok(self.directory.join(name)),
            false => Err(unknown("run", name, &self.directory, &names)),
        }
    }

    /// The directory of the module that `query` means: a name, `latest`, a path, the beginning of one name, or
    /// any of these (but the path) after a run and a slash.
    ///
    /// # Errors
    ///
    /// When there is no such module (names the most similar one), or several are called or begin like this
    /// (lists them).
    pub fn resolve_module(&self, query: &str) -> Result<PathBuf, Error> {
        let path = Path::new(query);
        if holds(path, MODULE) {
            return Ok(absolute(path));
        }
        match query.rsplit_once('/') {
            Some((run, name)) => module_of(&self.resolve(run)?, name),
            None => self.module_of_any(query),
        }
    }

    fn module_of_any(&self, query: &str) -> Result<PathBuf, Error> {
        let modules = self.all_modules()?;
        let path = |(run, name): &(String, String)| layout::modules(&self.directory.join(run)).join(name);
        if query == LATEST {
            let newest = newest(modules.iter().map(path), MODULE);
            return newest.ok_or_else(|| unknown("module", query, &self.directory, &[]));
        }
        let named: Vec<_> = modules.iter().filter(|(_, name)| name == query).collect();
        let begun =
            || modules.iter().filter(|(_, name)| !query.is_empty() && name.starts_with(query)).collect();
        match (if named.is_empty() { begun() } else { named }).as_slice() {
            [one] => Ok(path(one)),
            [] => {
                let names: Vec<String> = modules.into_iter().map(|(_, name)| name).collect();
                Err(unknown("module", query, &self.directory, &names))
            }
            several => {
                let candidates = several.iter().map(|(run, name)| format!("{run}/{name}")).collect();
                Err(Error::Ambiguous { kind: "module", query: query.into(), candidates })
            }
        }
    }

    fn all_modules(&self) -> Result<Vec<(String, String)>, Error> {
        let mut all = Vec::new();
        for run in layout::directories(&self.directory)? {
            let names = layout::directories(&layout::modules(&self.directory.join(&run)))?;
            all.extend(names.into_iter().map(|name| (run.clone(), name)));
        }
        Ok(all)
    }
}

fn module_of(run: &Path, query: &str) -> Result<PathBuf, Error> {
    let directory = layout::modules(run);
    let names = layout::directories(&directory)?;
    if query == LATEST {
        let newest = newest(names.iter().map(|name| directory.join(name)), MODULE);
        return newest.ok_or_else(|| unknown("module", query, &directory, &[]));
    }
    pick("module", query, &directory, &names).map(|name| directory.join(name))
}

fn pick<'a>(kind: &'static str, query: &str, place: &Path, names: &'a [String]) -> Result<&'a String, Error> {
    if let Some(name) = names.iter().find(|name| *name == query) {
        return Ok(name);
    }
    let begun = names.iter().filter(|name| !query.is_empty() && name.starts_with(query));
    match begun.collect::<Vec<_>>().as_slice() {
        [one] => Ok(one),
        [] => Err(unknown(kind, query, place, names)),
        several => {
            let candidates = several.iter().map(|name| name.to_string()).collect();
            Err(Error::Ambiguous { kind, query: query.into(), candidates })
        }
    }
}

fn unknown(kind: &'static str, query: &str, place: &Path, names: &[String]) -> Error {
    let similarity = |name: &String| strsim::normalized_damerau_levenshtein(query, name);
    let nearest = names.iter().max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
    let nearest = nearest.filter(|name| similarity(name) > SIMILAR).cloned();
    Error::Unknown { kind, query: query.into(), place: place.into(), nearest }
}

/// The directory whose `document` was created last; those without a readable one do not count.
fn newest(paths: impl Iterator<Item = PathBuf>, document: &str) -> Option<PathBuf> {
    #[derive(Deserialize)]
    struct Dated {
        created: Option<String>,
        module: Option<Box<Dated>>,
    }
    let created = |path: &Path| {
        let dated: Dated = document::read(&path.join(document)).ok()?;
        dated.module.map_or(dated.created, |module| module.created)
    };
    paths.filter_map(|path| Some((created(&path)?, path))).max().map(|(_, path)| path)
}

/// Whether a path that a user typed is a directory with this document; an empty path is not.
fn holds(path: &Path, document: &str) -> bool {
    !path.as_os_str().is_empty() && path.join(document).is_file()
}

/// The working directory may change, and what a relative path means with it.
fn absolute(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.into())
}

#[cfg(test)]
mod tests {
    use super::super::{Error, Module, fixture};

    #[test]
    fn a_module_is_found_by_name_run_prefix_latest_and_path() {
        let (_home, store) = fixture::store();
        for (run, name) in [("a", "cat"), ("a", "cat-dog"), ("b", "dog"), ("b", "shared"), ("a", "shared")] {
            let run = store
                .open(run)
                .or_else(|_| Ok::<_, Error>(store.create(Some(run), fixture::manifest())?.run));
            run.unwrap().save_module(&fixture::module(name)).unwrap();
        }
        let name = |query: &str| {
            let module = Module::load(&store.resolve_module(query)?)?;
            Ok::<_, Error>(module.manifest.name)
        };
        for (query, expected) in [
            ("cat", "cat"),
            ("cat-", "cat-dog"),
            ("do", "dog"),
            ("b/latest", "shared"),
            ("latest", "shared"),
            ("a/cat", "cat"),
            ("a/s", "shared"),
        ] {
            assert_eq!(name(query).unwrap(), expected, "{query}");
        }
        assert_eq!(name(store.directory().join("b/modules/dog").to_str().unwrap()).unwrap(), "dog");
        assert!(store.resolve_module("latest").unwrap().ends_with("a/modules/shared"));
        let ambiguous = name("shared").unwrap_err().to_string();
        assert!(ambiguous.contains("a/shared, b/shared"), "{ambiguous}");
        let unknown = name("b/dgo").unwrap_err().to_string();
        assert!(unknown.contains("did you mean `dog`?"), "{unknown}");
        assert_eq!(store.open("a").unwrap().free_module_name("cat"), "cat-2");
    }

    #[test]
    fn a_run_that_something_comes_from_is_no_other_that_begins_like_it() {
        let (_home, store) = fixture::store();
        store.create(Some("digits-12"), fixture::manifest()).unwrap();
        let path = store.directory().join("digits-12");
        assert_eq!(store.open("digits-1").unwrap(), store.exact("digits-12").unwrap());
        for name in ["digits-1", "latest", "", ".", path.to_str().unwrap()] {
            assert!(matches!(store.exact(name), Err(Error::Unknown { .. })), "{name}");
        }
    }

    #[test]
    fn a_module_goes_with_the_directory_of_its_run_when_that_is_renamed() {
        let (_home, store) = fixture::store();
        let run = store.create(Some("digits"), fixture::manifest()).unwrap().run.clone();
        let mut module = fixture::module("one");
        let card = module.manifest.card.as_mut().unwrap();
        card.class_runs = vec!["digits".into()];
        run.save_module(&module).unwrap();
        std::fs::rename(&run.path, store.directory().join("mine")).unwrap();
        let path = store.resolve_module("mine/one").unwrap();
        let manifest = Module::load(&path).unwrap().manifest;
        assert_eq!((manifest.run.as_str(), manifest.class_runs().next()), ("mine", Some("mine")));
        manifest.update(&path).unwrap();
        assert_eq!(Module::load(&path).unwrap().manifest, manifest);
    }

    #[test]
    fn modules_are_listed_with_their_damage_and_removed() {
        let (_home, store) = fixture::store();
        let run = store.create(Some("a"), fixture::manifest()).unwrap().run.clone();
        run.save_module(&fixture::module("one")).unwrap();
        std::fs::create_dir(run.path.join("modules/two")).unwrap();
        let modules = run.modules().unwrap();
        assert_eq!(modules.iter().map(|m| m.manifest.is_ok()).collect::<Vec<_>>(), [true, false]);
        run.remove_module("one").unwrap();
        assert!(run.remove_module("../../b").is_err());
        assert_eq!(run.modules().unwrap().len(), 1);
    }
}

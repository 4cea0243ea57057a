//! The directory of a module: its files, and whether they are as they were written.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::document::{self, Checked, damaged};
use super::super::error::Error;
use super::super::layout::{MODULE as DOCUMENT, SCHEMA};
use super::manifest::ModuleManifest;
use crate::disk;
use crate::spec::{Slot, Spec, State, StateError};

const WEIGHTS: &str = "weights.safetensors";
const README: &str = "README.md";

/// Bytes of a card at most: one of 1,000 classes takes some hundred kilobytes.
const LONGEST_README: u64 = 16 << 20;
/// Bytes of the names and shapes in a file of weights at most.
const LONGEST_HEADER: u64 = 16 << 20;

/// A module: a network of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Module {
    /// What it is.
    pub manifest: ModuleManifest,
    /// Its weights: all arrays of `manifest.network`.
    pub weights: State,
}

/// A module's directory, readable or not.
#[derive(Debug)]
pub struct ModuleEntry {
    /// Its name.
    pub name: String,
    /// Its directory.
    pub path: PathBuf,
    /// What it is, or why that cannot be read.
    pub manifest: Result<ModuleManifest, Error>,
}

/// What [`Module::verify`] found.
#[derive(Debug)]
pub struct Verification {
    /// Every file that belongs to the module, and whether it is as it was written.
    pub files: Vec<(String, FileState)>,
    /// Names in the directory of which the module knows nothing.
    pub others: Vec<String>,
}

/// Whether a file of a module is as it was written.
#[derive(Debug)]
pub enum FileState {
    /// Its bytes are those that were written.
    Whole,
    /// An older version of the program wrote the module, without a checksum for this file.
    NoSum,
    /// It is absent, changed, or no plain file.
    Wrong(Error),
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Document {
    schema: u32,
    /// The checksum of the weights in modules that were written before there were cards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weights: Option<Checked>,
    /// Every other file of the directory by its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    files: BTreeMap<String, Checked>,
    /// The page as it was before the module was measured again, until the new one is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    readme_before: Option<Checked>,
    pub(super) module: ModuleManifest,
}

impl Document {
    fn read(directory: &Path) -> Result<Document, Error> {
        let path = directory.join(DOCUMENT);
        let mut document: Document = document::read_sealed(&path)?;
        if let Some(fault) = document.module.fault() {
            return Err(damaged(&path, &fault));
        }
        document.module.name_after(directory);
        // A name is joined to the directory, and must not lead out of it.
        match document.files.keys().find(|name| !matches!(name.as_str(), WEIGHTS | README)) {
            Some(name) => Err(damaged(&path, &format!("it names a file that no module has: {name:?}"))),
            None => Ok(document),
        }
    }

    fn sum(&self, file: &str) -> Option<&Checked> {
        self.files.get(file).or(self.weights.as_ref().filter(|_| file == WEIGHTS))
    }

    /// The checksum of the page in the directory: while the page is being replaced, it may be the old one's or the new one's.
    fn page(&self, directory: &Path) -> Result<&Checked, Error> {
        let path = directory.join(README);
        let is_whole = |sum: &&Checked| sum.read(&path, LONGEST_README).is_ok();
        match self.readme_before.as_ref().filter(is_whole).or(self.sum(README)) {
            Some(sum) => sum.read(&path, LONGEST_README).map(|_| sum),
            None => Err(damaged(&path, "there is no checksum to compare it with")),
        }
    }

    /// The text of `module.toml`.
    fn encode(&self, directory: &Path) -> Result<String, Error> {
        let path = directory.join(DOCUMENT);
        match self.module.fault() {
            // What is written must be read again.
            Some(problem) => Err(Error::Unwritable { path, problem }),
            None => document::encode_sealed(&path, self),
        }
    }
}

/// Bytes that the weights of a network take at most.
fn longest(network: &Spec) -> u64 {
    let slots = network.slots().unwrap_or_default();
    let values = |slot: &Slot| slot.shape.iter().fold(4u64, |bytes, n| bytes.saturating_mul(*n as u64));
    slots.iter().map(values).fold(LONGEST_HEADER, u64::saturating_add)
}

impl Module {
    /// Reads the module in a directory, and nothing outside it.
    ///
    /// # Errors
    ///
    /// When a file is absent, a link, or not as it was written, or the weights are not those of the network.
    pub fn load(directory: &Path) -> Result<Self, Error> {
        let document = Document::read(directory)?;
        let path = directory.join(WEIGHTS);
        let longest = longest(&document.module.network);
        let bytes = match document.sum(WEIGHTS) {
            Some(sum) => sum.read(&path, longest)?,
            None => disk::read(&path, longest)?,
        };
        let module = document.module;
        let read = |bytes| -> Result<State, StateError> {
            let (state, _) = State::from_safetensors(bytes)?;
            state.check(&module.network)?;
            Ok(state)
        };
        let weights = read(&bytes).map_err(|error| damaged(&path, &error.to_string()))?;
        Ok(Module { manifest: module, weights })
    }

    /// Compares every file of the module in a directory with its checksum.
    ///
    /// # Errors
    ///
    /// When `module.toml` itself is absent, a link, or not as it was written, or the directory cannot be read.
    pub fn verify(directory: &Path) -> Result<Verification, Error> {
        let document = Document::read(directory)?;
        let mut files = vec![(DOCUMENT.to_owned(), FileState::Whole)];
        for name in [WEIGHTS, README] {
            let path = directory.join(name);
            let state = match document.sum(name) {
                Some(sum) => {
                    let found = match name {
                        README => document.page(directory).map(|_| ()),
                        _ => sum.read(&path, longest(&document.module.network)).map(|_| ()),
                    };
                    found.map_or_else(FileState::Wrong, |()| FileState::Whole)
                }
                None if name == README && path.symlink_metadata().is_err() => continue,
                None => FileState::NoSum,
            };
            files.push((name.to_owned(), state));
        }
        if matches!(files[1].1, FileState::Whole | FileState::NoSum)
            && let Err(error) = Module::load(directory)
        {
            files[1].1 = FileState::Wrong(error);
        }
        let entries = std::fs::read_dir(directory).map_err(disk::Error::at("read", directory))?;
        let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut others: Vec<String> =
            names.filter(|name| !matches!(name.as_str(), DOCUMENT | WEIGHTS | README)).collect();
        others.sort();
        Ok(Verification { files, others })
    }

    /// Writes the module as a new directory `path`.
    pub(in crate::run) fn create(&self, path: &Path) -> Result<(), Error> {
        let unwritable =
            |error: StateError| Error::Unwritable { path: path.into(), problem: error.to_string() };
        self.weights.check(&self.manifest.network).map_err(unwritable)?;
        let weights = self.weights.to_safetensors(HashMap::new()).map_err(unwritable)?;
        let readme = self.manifest.readme();
        let sums = [(WEIGHTS, Checked::of(&weights)), (README, Checked::of(readme.as_bytes()))];
        let sums = sums.map(|(name, sum)| (name.to_owned(), sum)).into();
        let module = self.manifest.clone();
        let document = Document { schema: SCHEMA, weights: None, files: sums, readme_before: None, module };
        let text = document.encode(path)?;
        let files: [(&str, &[u8]); 3] =
            [(WEIGHTS, &weights), (README, readme.as_bytes()), (DOCUMENT, text.as_bytes())];
        disk::create_dir(path, &files).map_err(|error| match error.is_taken() {
            true => Error::Taken { kind: "module", name: self.manifest.name.clone(), path: path.into() },
            false => error.into(),
        })
    }
}

impl ModuleManifest {
    /// Reads what the module in a directory is, without its weights.
    ///
    /// # Errors
    ///
    /// When the file is absent, a link, or not as it was written.
    pub fn read(directory: &Path) -> Result<Self, Error> {
        Ok(Document::read(directory)?.module)
    }

    /// Replaces what is said of the module in `directory`, whose weights stay.
    ///
    /// # Errors
    ///
    /// When there is no such module, or a file cannot be written.
    pub fn update(&self, directory: &Path) -> Result<(), Error> {
        let old = Document::read(directory)?;
        let readme = self.readme();
        let mut files = BTreeMap::from([(README.to_owned(), Checked::of(readme.as_bytes()))]);
        files.extend(old.sum(WEIGHTS).map(|sum| (WEIGHTS.to_owned(), sum.clone())));
        let last =
            Document { schema: SCHEMA, weights: None, files, readme_before: None, module: self.clone() };
        // A crash between two of these leaves a page that is known: the old one or the new.
        let page = old.page(directory).ok().cloned();
        let first = Document { readme_before: page, ..last.clone() }.encode(directory)?;
        disk::write_files(directory, &[(DOCUMENT, first.as_bytes()), (README, readme.as_bytes())])?;
        Ok(disk::write(&directory.join(DOCUMENT), last.encode(directory)?.as_bytes())?)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::super::super::fixture;
    use super::super::Control;
    use super::*;

    pub(in crate::run) fn saved() -> (tempfile::TempDir, PathBuf, Module) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("zero");
        let module = fixture::module("zero");
        module.create(&path).unwrap();
        (home, path, module)
    }

    #[test]
    fn save_then_load_is_identity_and_a_name_is_taken_once() {
        let (_home, path, module) = saved();
        assert_eq!(Module::load(&path).unwrap(), module);
        assert!(matches!(module.create(&path), Err(Error::Taken { .. })));
    }

    #[test]
    fn what_is_said_of_a_module_can_change_but_not_its_weights() {
        let (_home, path, mut module) = saved();
        module.manifest.accuracy_after = Some(0.5);
        module.manifest.controls = vec![Control { draw: 0, accuracy_before: 0.1, accuracy_after: None }];
        module.manifest.update(&path).unwrap();
        assert_eq!(Module::load(&path).unwrap(), module);
    }

    #[test]
    fn a_crash_while_the_figures_are_written_leaves_a_module_that_is_whole() {
        let (_home, path, module) = saved();
        let [page, document] = [README, DOCUMENT].map(|file| fs::read(path.join(file)).unwrap());
        let changed = ModuleManifest { accuracy_after: Some(0.5), ..module.manifest };
        changed.update(&path).unwrap();
        let [new_page, new_document] = [README, DOCUMENT].map(|file| fs::read(path.join(file)).unwrap());
        let is_whole = |files: [(&str, &[u8]); 2]| {
            files.iter().for_each(|(file, bytes)| fs::write(path.join(file), bytes).unwrap());
            let found = Module::verify(&path).unwrap().files;
            found.iter().all(|(_, state)| matches!(state, FileState::Whole))
        };
        let mut between: Document = document::read_sealed(&path.join(DOCUMENT)).unwrap();
        between.readme_before = Some(Checked::of(&page));
        let between = between.encode(&path).unwrap();
        for state in [
            [(DOCUMENT, &*document), (README, &*page)],
            [(DOCUMENT, between.as_bytes()), (README, &*page)],
            [(DOCUMENT, between.as_bytes()), (README, &*new_page)],
            [(DOCUMENT, &*new_document), (README, &*new_page)],
        ] {
            assert!(is_whole(state));
        }
        assert!(!is_whole([(DOCUMENT, &*new_document), (README, &*page)]));
        assert!(!is_whole([(DOCUMENT, between.as_bytes()), (README, b"something else")]));
    }

    #[test]
    fn tampered_files_are_refused_by_name() {
        let (_home, path, _) = saved();
        let wrong = |path: &Path| match Module::verify(path) {
            Err(error) => error.to_string(),
            Ok(found) => {
                format!("{:?}", found.files.iter().find(|(_, state)| matches!(state, FileState::Wrong(_))))
            }
        };
        for file in [DOCUMENT, WEIGHTS, README] {
            let whole = fs::read(path.join(file)).unwrap();
            let mut bytes = whole.clone();
            bytes[whole.len() - 3] ^= 4;
            fs::write(path.join(file), &bytes).unwrap();
            assert!(wrong(&path).contains(file), "{}", wrong(&path));
            if file != README {
                assert!(Module::load(&path).unwrap_err().to_string().contains(file));
            }
            fs::write(path.join(file), whole).unwrap();
        }
        assert_eq!(wrong(&path), "None");
        fs::remove_file(path.join(README)).unwrap();
        assert!(wrong(&path).contains(README));
    }

    pub(in crate::run) fn rewrite(path: &Path, change: impl Fn(&mut Document)) {
        let mut document: Document = document::read_sealed(&path.join(DOCUMENT)).unwrap();
        change(&mut document);
        let text = document::encode_sealed(&path.join(DOCUMENT), &document).unwrap();
        fs::write(path.join(DOCUMENT), text).unwrap();
    }

    #[test]
    fn a_module_of_before_there_were_cards_loads_and_says_what_has_no_sum() {
        let (_home, path, module) = saved();
        rewrite(&path, |document| {
            document.weights = document.files.remove(WEIGHTS);
            document.files.clear();
        });
        fs::remove_file(path.join(README)).unwrap();
        assert_eq!(Module::load(&path).unwrap(), module);
        assert!(matches!(Module::verify(&path).unwrap().files[1].1, FileState::Whole));
        rewrite(&path, |document| document.weights = None);
        assert_eq!(Module::load(&path).unwrap(), module);
        assert!(matches!(Module::verify(&path).unwrap().files[1].1, FileState::NoSum));
        fs::write(path.join(WEIGHTS), b"something else").unwrap();
        assert!(matches!(Module::verify(&path).unwrap().files[1].1, FileState::Wrong(_)));
    }

    #[test]
    fn a_module_of_before_there_was_a_provenance_was_cut_by_usage_and_its_threshold() {
        let (_home, path, module) = saved();
        let text = fs::read_to_string(path.join(DOCUMENT)).unwrap();
        let body = text.split_once('\n').unwrap().1;
        let table = "[module.provenance]\nby = \"usage\"\nthreshold = 0.9\n";
        assert!(body.contains(table) && body.contains("\nthreshold = 0.9\n"), "{body}");
        fs::write(path.join(DOCUMENT), document::seal(&body.replace(table, ""))).unwrap();
        let old = Module::load(&path).unwrap().manifest;
        assert_eq!(old.provenance, None);
        assert_eq!(old.provenance(), module.manifest.provenance);
    }

    #[test]
    fn a_module_of_a_newer_program_is_refused_as_such() {
        let (_home, path, _) = saved();
        rewrite(&path, |document| document.schema = SCHEMA + 1);
        assert!(matches!(Module::load(&path), Err(Error::Newer { .. })));
        assert!(matches!(Module::verify(&path), Err(Error::Newer { .. })));
    }

    #[test]
    fn a_file_name_that_leads_out_of_the_directory_is_refused() {
        let (_home, path, _) = saved();
        rewrite(&path, |document| {
            document.files.insert("../secret".into(), Checked::of(b""));
        });
        assert!(Module::load(&path).unwrap_err().to_string().contains("../secret"));
    }

    #[test]
    fn weights_that_are_longer_than_their_network_are_not_read() {
        let (_home, path, module) = saved();
        let file = fs::File::create(path.join(WEIGHTS)).unwrap();
        // Sparse: nobody's disk is filled.
        file.set_len(1 << 33).unwrap();
        assert_eq!(longest(&module.manifest.network) >> 20, 16);
        let refused = Module::load(&path).unwrap_err().to_string();
        assert!(refused.contains("where at most"), "{refused}");
        rewrite(&path, |document| document.files.clear());
        let refused = Module::load(&path).unwrap_err().to_string();
        assert!(refused.contains("at most"), "{refused}");
    }

    proptest! {
        /// An attacker can seal whatever they write: any number for any number.
        #[test]
        fn no_numbers_in_a_module_make_more_than_an_error(at: prop::sample::Index, number: i64, huge: bool) {
            let (_home, path, _) = saved();
            let text = fs::read_to_string(path.join(DOCUMENT)).unwrap();
            let body = text.split_once('\n').unwrap().1;
            let places: Vec<_> = body.match_indices(|c: char| c.is_ascii_digit()).collect();
            let (place, _) = places[at.index(places.len())];
            let number = if huge { number } else { number % 10 };
            let changed = format!("{}{number}{}", &body[..place], &body[place + 1..]);
            fs::write(path.join(DOCUMENT), document::seal(&changed)).unwrap();
            let _ = Module::verify(&path);
            if let Ok(module) = Module::load(&path) {
                crate::spec::Cost::of(&module.manifest.network).unwrap();
                let _ = module.manifest.readme();
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn weights_elsewhere_are_not_read() {
        let (home, path, _) = saved();
        let elsewhere = home.path().join("elsewhere");
        fs::rename(path.join(WEIGHTS), &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, path.join(WEIGHTS)).unwrap();
        assert!(Module::load(&path).unwrap_err().to_string().contains("not a plain file"));
    }
}

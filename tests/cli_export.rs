//! `cleave export` and `cleave import`, as a user runs them.
#![allow(clippy::unwrap_used)]

mod common;
#[cfg(target_os = "linux")]
#[path = "common/mount.rs"]
mod mount;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use cleave::import::{Format, read};
use cleave::run::{Entry, Event};
use common::{Ended, Home};
#[cfg(target_os = "linux")]
use mount::Mount;

/// A home with a run `one` of one epoch, made once.
fn trained() -> &'static Home {
    static HOME: OnceLock<Home> = OnceLock::new();
    HOME.get_or_init(|| {
        let home = Home::new();
        home.train(&["trial", "--epochs", "1", "--name", "one"]).exits(0);
        home
    })
}

struct Target(tempfile::TempDir);

impl Target {
    fn new() -> Target {
        Target(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Exports the run `one` to `name`.
    fn export(&self, name: &str, arguments: &[&str]) -> Ended {
        let path = self.path(name);
        trained().cleave(&[&["export", "one", "--to", path.to_str().unwrap()], arguments].concat())
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn import(file: &Path, arguments: &[&str]) -> Ended {
    let file = file.to_str().unwrap();
    trained().cleave(&[&["import", file, "--preset", "trial", "--device", "cpu"], arguments].concat())
}

#[test]
fn every_format_is_written_whole_and_tells_its_size() {
    let target = Target::new();
    for (format, arguments) in [
        ("safetensors", &[][..]),
        ("onnx", &["--with-preprocessing=nchw", "--fold-bn"]),
        ("onnx", &["--without-masks"]),
        ("pytorch", &[]),
        ("burn", &["--fold-bn"]),
    ] {
        let name = format!("{format}{}", arguments.len());
        let report =
            target.export(&name, &[&["--format", format, "--json"], arguments].concat()).exits(0).json();
        let path = target.path(&name);
        let size = |path: PathBuf| fs::metadata(path).unwrap().len();
        let written = match path.is_dir() {
            true => fs::read_dir(&path).unwrap().map(|entry| size(entry.unwrap().path())).sum(),
            false => size(path),
        };
        assert_eq!(report["bytes"].as_u64(), Some(written), "{report}");
    }
    assert_eq!(target.names(), ["burn1", "onnx1", "onnx2", "pytorch0", "safetensors0"]);
}

#[test]
fn what_cannot_be_written_is_refused_and_leaves_nothing() {
    let target = Target::new();
    target.export("absent/x", &["--format", "onnx"]).exits(1).says(&["there is no directory"]);
    for format in ["onnx", "pytorch", "burn"] {
        fs::write(target.path("taken"), "mine").unwrap();
        target.export("taken", &["--format", format]).exits(1).says(&["already exists"]);
    }
    fs::create_dir(target.path("directory")).unwrap();
    fs::write(target.path("directory/thesis"), "mine").unwrap();
    target.export("directory", &["--format", "onnx", "--force"]).exits(1).says(&["is a directory"]);
    target.export("directory", &["--format", "pytorch"]).exits(0);
    target.export("directory", &["--format", "pytorch"]).exits(1).says(&["already exists"]);
    target.export("x", &["--format", "tflite"]).exits(2).says(&["invalid value 'tflite'"]);
    target.export("x", &["--with-preprocessing"]).exits(2).says(&["--format onnx"]);
    target.export("x", &["--format", "csv", "--fold-bn"]).exits(2).says(&["--fold-bn", "not to records"]);
    assert_eq!(target.names(), ["directory", "taken"]);
    assert_eq!(fs::read(target.path("taken")).unwrap(), b"mine");
    assert_eq!(fs::read(target.path("directory/thesis")).unwrap(), b"mine");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_or_read_only_disk_is_said_and_what_was_there_stays_whole() {
    let Some(mount) = Mount::new("128k") else { return };
    let (home, to) = (trained(), mount.path().join("dir"));
    let to = to.to_str().unwrap();
    let export = |format: &str| home.cleave(&["export", "one", "--format", format, "--to", to, "--force"]);
    let content = || -> Vec<(PathBuf, Vec<u8>)> {
        let paths = fs::read_dir(to).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = paths.map(|path| (path.clone(), fs::read(&path).unwrap())).collect();
        files.sort();
        files
    };
    export("pytorch").exits(0);
    // As if an older version had written it.
    fs::write(Path::new(to).join("module.py"), "old").unwrap();
    let before = content();
    assert_eq!(before.len(), 2);
    assert!(fs::write(mount.path().join("filler"), vec![0; 1 << 20]).is_err());
    for format in ["pytorch", "burn", "csv"] {
        export(format).exits(1).says(&["the disk is full"]);
        assert!(content() == before, "{format}");
    }
    home.cleave(&["report", "one", "--to", to]).exits(1).says(&["the disk is full"]);
    fs::remove_file(mount.path().join("filler")).unwrap();
    mount.make_read_only();
    for format in ["pytorch", "tensorboard"] {
        export(format).exits(1).says(&["the file system is read-only"]);
    }
    assert!(content() == before);
}

#[test]
fn what_was_exported_comes_back_as_a_finished_run_of_the_same_accuracy() {
    let target = Target::new();
    target.export("dir", &["--format", "pytorch"]).exits(0);
    let file = target.path("dir/module.safetensors");
    let report = import(&file, &["--name", "back", "--json"]).exits(0).json();
    let run = trained().run("back");
    assert_eq!(run.load(0).unwrap().weights, trained().run("one").newest_whole().unwrap().checkpoint.weights);
    let shown = trained().cleave(&["evaluate", "one", "--device", "cpu", "--json"]).exits(0).json();
    assert_eq!(report["test_accuracy"], shown["test_accuracy"]);
    assert_eq!(Entry::read(&run.path).status.to_string(), "finished");
    let (events, _) = run.events().unwrap();
    assert!(
        matches!(&events[0], Event::Imported { from, .. } if from.file == "module.safetensors"),
        "{events:?}"
    );
    trained().cleave(&["extract", "back", "--classes", "3,8", "--device", "cpu", "--head-free"]).exits(0);
    trained().train(&["--branch", "back", "--epochs", "1", "--name", "further"]).exits(0);
}

#[test]
fn a_mapping_tells_other_names() {
    let target = Target::new();
    target.export("dir", &["--format", "pytorch"]).exits(0);
    let bytes = fs::read(target.path("dir/module.safetensors")).unwrap();
    let arrays = read(&bytes, Format::Safetensors).unwrap();
    let renamed = arrays.into_iter().map(|(name, array)| (name.replace("conv0.conv", "stem"), array));
    let state = cleave::spec::State(renamed.collect());
    fs::write(target.path("odd.safetensors"), state.to_safetensors(Default::default()).unwrap()).unwrap();
    let file = target.path("odd.safetensors");
    import(&file, &[]).exits(1).says(&["missing: `conv0.conv.weight`", "unknown: `stem.weight`"]);
    let map = target.path("names.toml");
    fs::write(&map, "\"conv0.conv\" = \"stem\"\n\"residual0.conv0.conv\" = \"residual0.stem\"").unwrap();
    import(&file, &["--map", map.to_str().unwrap(), "--name", "mapped"]).exits(0);
}

#[test]
fn a_file_that_is_not_the_networks_makes_no_run() {
    let target = Target::new();
    let before = runs();
    fs::write(target.path("noise.pth"), [7; 100]).unwrap();
    import(&target.path("noise.pth"), &[]).exits(1).says(&["not a readable PyTorch checkpoint"]);
    fs::write(target.path("noise.safetensors"), [7; 100]).unwrap();
    import(&target.path("noise.safetensors"), &[]).exits(1).says(&["not a readable safetensors file"]);
    import(&target.path("absent.pth"), &[]).exits(1).says(&["no such file"]);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import_files");
    import(&folder.join("code.pth"), &[]).exits(1).says(&["posix.system", "code in a file is never run"]);
    import(&folder.join("nested.pth"), &[]).exits(1).says(&["missing: `conv0.conv.weight` [6, 1, 3, 3]"]);
    assert_eq!(runs(), before);
}

/// Names of runs that the failing imports could have made.
fn runs() -> Vec<String> {
    let names = trained().store().list().unwrap().into_iter().map(|run| run.id);
    names.filter(|name| name.starts_with("trial-")).collect()
}

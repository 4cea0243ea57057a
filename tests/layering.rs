//! The rules of the source: which room may know which, no circles between files, and what no file may hold.
//!
//! A room is a module at the root of the crate `cleave`, or of `cleave-core`, which `cleave` builds on. `KNOWS`, `WORDS`
//! and `CIRCLES` are the rules; all else reads the sources. The checks look at paths that begin
//! with `crate`, `cleave`, `self`, `super` or a module declared in the file, in `use` and elsewhere, outside comments
//! and strings.

#![allow(clippy::unwrap_used)]

#[path = "layering/code.rs"]
mod code;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use code::{Lead, Token, declared, paths, tokens, tokens_of_program};

/// Each room and the rooms that it may know, from the top down: a room knows only rooms further down.
const KNOWS: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    ("cli", BELOW_THE_COMMANDS),
    ("tui", BELOW_THE_WORKBENCH),
    (
        "export",
        &[
            "backend", "data", "disk", "import", "learn", "markup", "method", "modular", "network", "plot",
            "preset", "reuse", "run", "session", "spec",
        ],
    ),
    (
        "session",
        &[
            "backend", "data", "import", "learn", "method", "modular", "network", "paths", "preset",
            "random", "reuse", "run", "spec",
        ],
    ),
    (
        "reuse",
        &[
            "backend", "data", "import", "learn", "method", "modular", "network", "preset", "random", "run",
            "spec",
        ],
    ),
    ("learn", &["backend", "data", "method", "modular", "network", "preset", "random", "run", "spec"]),
    ("run", &["backend", "disk", "import", "markup", "modular", "paths", "preset", "spec"]),
    ("preset", &["backend", "data", "method", "spec"]),
    ("import", &["disk", "spec"]),
    ("method", &["backend", "modular", "network", "random", "spec"]),
    ("modular", &["random", "spec"]),
    ("network", &["backend", "random", "spec"]),
    ("data", &["disk", "random"]),
    ("backend", &["random", "spec"]),
    ("spec", &["random"]),
    ("plot", &["disk"]),
    ("disk", &[]),
    ("markup", &[]),
    ("paths", &[]),
    ("random", &[]),
];

/// The command line opens the workbench: it is what `cleave` does without a command.
const BELOW_THE_COMMANDS: &[&str] = &[
    "tui", "backend", "data", "disk", "export", "import", "learn", "markup", "method", "modular", "network",
    "paths", "plot", "preset", "random", "reuse", "run", "session", "spec",
];

const BELOW_THE_WORKBENCH: &[&str] = &[
    "backend", "data", "disk", "export", "import", "learn", "markup", "method", "modular", "network",
    "paths", "plot", "preset", "random", "reuse", "run", "session", "spec",
];

/// Words (with `!`: macros) and the rooms in which they may or must not stand.
const WORDS: &[(&[&str], Where, &str)] = &[
    (
        &["burn_flex", "burn_cuda", "burn_ndarray", "burn_wgpu", "cubecl", "cudarc", "Flex", "FlexDevice"],
        Where::Only(&["backend"]),
        "a concrete backend",
    ),
    (&["CudaDevice", "NdArray", "Wgpu"], Where::Only(&["backend"]), "a concrete backend"),
    (&["burn"], Where::Only(&["backend", "export", "learn", "method", "network"]), "tensors"),
    (&["IsTerminal", "crossterm", "indicatif"], Where::Only(&["cli", "tui"]), "the terminal"),
    (&["ratatui"], Where::Only(&["cli", "plot", "tui"]), "cells of a terminal"),
    (&["clap"], Where::Only(&["cli"]), "command-line arguments"),
    (
        &["print!", "println!", "eprint!", "eprintln!", "dbg!"],
        Where::Only(&["cli", "main", "tui"]),
        "standard output or error",
    ),
    (&["thread", "JoinHandle", "mpsc", "rayon"], Where::Never(&["data", "modular"]), "threads"),
    (
        &["try_lock", "try_lock_shared", "lock_shared", "TryLockError"],
        Where::Never(&["data", "modular"]),
        "file locks",
    ),
];

/// Circles between files that are let be, each with its reason: none.
const CIRCLES: &[(&[&str], &str)] = &[];

enum Where {
    Only(&'static [&'static str]),
    Never(&'static [&'static str]),
}

/// Longest source file, in lines.
const LONGEST: usize = 600;

/// Marks of unfinished work, in halves so that this file does not hold them.
const UNFINISHED: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("todo", "!"),
    concat!("unimpl", "emented!"),
];

#[test]
fn no_room_knows_what_it_must_not() {
    let root = root();
    let mut faults = Vec::new();
    for (file, within) in sources() {
        let name = file.strip_prefix(&root).unwrap().display().to_string();
        faults.extend(faults_of(&name, &module_path(&within), &fs::read_to_string(&file).unwrap()));
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn the_kernels_crate_stands_alone() {
    let folder = root().join("crates/kernels");
    let manifest: toml::Table = fs::read_to_string(folder.join("Cargo.toml")).unwrap().parse().unwrap();
    for kind in ["dependencies", "dev-dependencies", "build-dependencies", "target"] {
        assert!(!manifest.contains_key(kind), "crates/kernels has no {kind}");
    }
    let sources = files(&folder.join("src"), &["rs"]);
    assert!(!sources.is_empty());
    for file in sources {
        let tokens = tokens(&fs::read_to_string(&file).unwrap());
        let mut faults = word_faults("kernels", &tokens);
        let cleave = tokens.iter().filter(|token| token.text == "cleave");
        faults.extend(cleave.map(|token| (token.line, "must not know `cleave`".to_owned())));
        assert!(faults.is_empty(), "{}: {faults:?}", short(&file));
    }
}

#[test]
fn knowledge_goes_down() {
    for (index, (room, known)) in KNOWS.iter().enumerate() {
        for other in *known {
            let further_down = KNOWS[index + 1..].iter().any(|(below, _)| below == other);
            assert!(further_down, "`{room}` may know `{other}`, which is not further down in the table");
        }
    }
}

#[test]
fn no_files_of_a_room_need_each_other() {
    let source = |of: &[String], path: PathBuf, within: &Path| {
        Source::new(short(&path), of, module_path(within), &fs::read_to_string(&path).unwrap())
    };
    let mut all: Vec<Source> =
        sources().into_iter().map(|(path, within)| source(&[], path, &within)).collect();
    // The crate of kernels is like one more room.
    let folder = root().join("crates/kernels/src");
    let kernels = files(&folder, &["rs"]).into_iter().map(|path| {
        let within = path.strip_prefix(&folder).unwrap().to_owned();
        source(&["kernels".to_owned()], path, &within)
    });
    all.extend(kernels);
    let circles = circles(all);
    let known: Vec<Vec<&str>> = CIRCLES.iter().map(|(files, _)| files.to_vec()).collect();
    let names = |circle: &Circle| circle.keys().cloned().collect::<Vec<_>>();
    let new: Vec<String> =
        circles.iter().filter(|c| !known.iter().any(|k| *k == names(c))).map(shown).collect();
    assert!(new.is_empty(), "these files need each other:\n{}", new.join("\n"));
    for files in known {
        assert!(circles.iter().any(|circle| names(circle) == files), "no circle any more: {files:?}");
    }
}

#[test]
fn no_source_file_is_too_long() {
    let mut faults = Vec::new();
    for folder in ["src", "crates", "tests", "benches", "examples"] {
        for file in files(&root().join(folder), &["rs"]) {
            let lines = fs::read_to_string(&file).unwrap().lines().count();
            if lines > LONGEST {
                faults.push(format!("{}: {lines} lines, at most {LONGEST}", short(&file)));
            }
        }
    }
    assert!(faults.is_empty(), "split these files:\n{}", faults.join("\n"));
}

#[test]
fn nothing_is_marked_as_unfinished() {
    let kinds = ["rs", "toml", "md", "py"];
    let mut all = Vec::new();
    for folder in ["src", "crates", "tests", "benches", "examples", "presets", "assets", "docs"] {
        all.extend(files(&root().join(folder), &kinds));
    }
    let own = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path());
    all.extend(own.filter(|path| path.is_file() && has_kind(path, &kinds)));
    let mut faults = Vec::new();
    for file in all {
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in (1..).zip(text.lines()) {
            if let Some(mark) = UNFINISHED.iter().find(|mark| line.contains(*mark)) {
                faults.push(format!("{}:{number}: {mark}", short(&file)));
            }
        }
    }
    assert!(faults.is_empty(), "finish or remove:\n{}", faults.join("\n"));
}

#[test]
fn the_check_sees_what_it_should() {
    let text = r##"
//! Links to [`crate::cli`] are no knowledge.
use crate::spec::{Spec, State};
use crate::{cli, modular::{self, Usage}, run::Run};
const TEXT: &str = "use crate::cli; \" println!"; // crate::cli
const RAW: &str = r#"crate::tui "quoted" "#; /* burn /* burn */ */
fn f<'a>(c: char) -> bool { c == '"' || super::super::session::step(c) }
mod tests {
    use super::super::fixture;
    fn g() { super::super::super::cli::main(); println!("{}", burn::x()); }
}
fn h() { super::session(); println(); crate::attic::x() }
"##;
    let faults = faults_of("m.rs", &["modular".into(), "slice".into()], text);
    let expected = [
        "m.rs:4: room `modular` must not know room `cli`",
        "m.rs:4: room `modular` must not know room `run`",
        "m.rs:7: room `modular` must not know room `session`",
        "m.rs:10: room `modular` must not know room `cli`",
        "m.rs:10: room `modular` must not know standard output or error (`println!`)",
        "m.rs:10: room `modular` must not know tensors (`burn`)",
        "m.rs:12: room `modular` must not know room `attic`, which has no row in the table",
    ];
    assert_eq!(faults, expected);
}

#[test]
fn circles_are_seen_through_re_exports_and_not_in_tests() {
    let circles = |files: &[(&str, &str)]| {
        let module = |file: &str| module_path(Path::new(file));
        let sources = files.iter().map(|(file, text)| Source::new((*file).into(), &[], module(file), text));
        circles(sources.collect()).iter().map(shown).collect::<Vec<_>>()
    };
    let root = ("m.rs", "mod a; mod b; pub use b::B as C; pub struct M;");
    let circle =
        circles(&[root, ("m/a.rs", "use super::C;\npub struct A;"), ("m/b.rs", "struct B(super::a::A);")]);
    assert_eq!(circle, ["    m/a.rs:1 needs m/b.rs\n    m/b.rs:1 needs m/a.rs"]);
    let none: [&[(&str, &str)]; 4] = [
        // Downwards only.
        &[root, ("m/a.rs", "pub struct A;"), ("m/b.rs", "use super::a::A;")],
        // A child uses what its parent declares.
        &[("m.rs", "mod a; fn f() { a::g() } pub struct M;"), ("m/a.rs", "use super::M;")],
        // Only tests go back.
        &[
            root,
            ("m/a.rs", "#[cfg(test)]\nmod tests { use super::super::b::B; }"),
            ("m/b.rs", "use super::a::A;"),
        ],
        // A visibility is no path, nor is a text.
        &[
            root,
            ("m/a.rs", "pub(in crate::m::b) const A: &str = \"super::b::B\";"),
            ("m/b.rs", "use super::a::A;"),
        ],
    ];
    for files in none {
        assert_eq!(circles(files), [""; 0], "{files:?}");
    }
}

/// The files of all rooms, with their paths within the crate that holds the room.
fn sources() -> Vec<(PathBuf, PathBuf)> {
    let folders = ["src", "crates/core/src"].map(|folder| root().join(folder));
    let of = |folder: PathBuf| {
        let found = files(&folder, &["rs"]).into_iter();
        found.map(move |file| (file.clone(), file.strip_prefix(&folder).unwrap().to_owned()))
    };
    folders.into_iter().flat_map(of).collect()
}

fn faults_of(file: &str, module: &[String], text: &str) -> Vec<String> {
    let room = module.first().map_or("lib", String::as_str);
    let tokens = tokens(text);
    let mut faults = Vec::new();
    for (line, known) in rooms_known(module, &tokens) {
        let row = KNOWS.iter().find(|(name, _)| *name == room).map_or(&[][..], |(_, known)| known);
        if known != room && !row.contains(&known.as_str()) {
            let is_listed = KNOWS.iter().any(|(name, _)| *name == known);
            let unlisted = if is_listed { "" } else { ", which has no row in the table" };
            faults.push((line, format!("room `{room}` must not know room `{known}`{unlisted}")));
        }
    }
    faults.extend(word_faults(room, &tokens));
    faults.sort_by_key(|(line, _)| *line);
    faults.into_iter().map(|(line, fault)| format!("{file}:{line}: {fault}")).collect()
}

/// The words of a room's file that must not stand there, with their lines.
fn word_faults(room: &str, tokens: &[Token]) -> Vec<(usize, String)> {
    let mut faults = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let is_macro = tokens.get(index + 1).is_some_and(|next| next.text == "!");
        for (words, place, what) in WORDS {
            let hit = words.iter().find(|word| match word.strip_suffix('!') {
                Some(word) => is_macro && word == token.text,
                None => **word == token.text,
            });
            let allowed = match place {
                Where::Only(rooms) => rooms.contains(&room),
                Where::Never(rooms) => !rooms.contains(&room),
            };
            if let (Some(word), false) = (hit, allowed) {
                faults.push((token.line, format!("room `{room}` must not know {what} (`{word}`)")));
            }
        }
    }
    faults
}

/// The rooms that paths in a file of `module` lead to, with their lines.
fn rooms_known(module: &[String], tokens: &[Token]) -> Vec<(usize, String)> {
    let paths = paths(&[], module, tokens).into_iter();
    let mut found: Vec<_> = paths.filter_map(|path| Some((path.line, path.to.into_iter().next()?))).collect();
    found.dedup();
    found
}

/// A file of the crate, as the search for circles sees it.
struct Source {
    file: String,
    module: Vec<String>,
    leads: Vec<Lead>,
    /// Modules that are only there in tests.
    for_tests: Vec<String>,
}

impl Source {
    /// A file of the crate `of`, which is the root or a module of its name, and of a module in that.
    fn new(file: String, of: &[String], module: Vec<String>, text: &str) -> Source {
        let module = [of, &module].concat();
        let program = tokens_of_program(text);
        let for_tests = declared(&tokens(text)).difference(&declared(&program)).cloned().collect();
        Source { file, leads: paths(of, &module, &program), module, for_tests }
    }
}

/// Files of a circle, each with the lines that lead to others of it.
type Circle = BTreeMap<String, Vec<(usize, String)>>;

/// The circles between files of one room. Re-exports are followed to the file of the item. A file may use what
/// the modules around it declare: `chart/draw.rs` draws the chart that `chart.rs` describes.
fn circles(mut sources: Vec<Source>) -> Vec<Circle> {
    let tests: Vec<Vec<String>> = sources
        .iter()
        .flat_map(|source| {
            source.for_tests.iter().map(|name| [&source.module[..], std::slice::from_ref(name)].concat())
        })
        .collect();
    sources.retain(|source| !tests.iter().any(|test| source.module.starts_with(test)));
    let by_module: BTreeMap<&[String], &Source> =
        sources.iter().map(|source| (&source.module[..], source)).collect();
    let edges = |source: &Source| -> BTreeMap<String, usize> {
        let leads = source.leads.iter().rev().filter_map(|lead| {
            let target = target(&by_module, &lead.to, 0)?;
            let in_room = !target.module.is_empty() && target.module.first() == source.module.first();
            let counts = in_room && !source.module.starts_with(&target.module);
            counts.then(|| (target.file.clone(), lead.line))
        });
        leads.collect()
    };
    let graph: BTreeMap<String, BTreeMap<String, usize>> =
        sources.iter().map(|source| (source.file.clone(), edges(source))).collect();
    let reached = |from: &String| {
        let (mut found, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(file) = open.pop() {
            open.extend(graph[file].keys().filter(|next| found.insert((*next).clone())));
        }
        found
    };
    let reach: BTreeMap<&String, BTreeSet<String>> = graph.keys().map(|file| (file, reached(file))).collect();
    let mut circles: Vec<Circle> = Vec::new();
    for file in graph.keys().filter(|file| reach[file].contains(*file)) {
        if circles.iter().any(|circle| circle.contains_key(file)) {
            continue;
        }
        let members: Vec<&String> = reach[file].iter().filter(|other| reach[other].contains(file)).collect();
        let leads = |member: &String| {
            let inside = graph[member].iter().filter(|(to, _)| members.contains(to));
            inside.map(|(to, line)| (*line, to.clone())).collect()
        };
        circles.push(members.iter().map(|member| ((*member).clone(), leads(member))).collect());
    }
    circles
}

/// The file that holds the item at the end of a path.
fn target<'a>(
    by_module: &BTreeMap<&[String], &'a Source>,
    path: &[String],
    depth: usize,
) -> Option<&'a Source> {
    let length = (0..=path.len()).rev().find(|length| by_module.contains_key(&path[..*length]))?;
    let source = by_module[&path[..length]];
    let imported = path.get(length).and_then(|item| {
        source.leads.iter().find(|lead| lead.name.as_ref() == Some(item) && lead.to != path)
    });
    match imported {
        Some(lead) if depth < 8 => {
            target(by_module, &[&lead.to[..], &path[length + 1..]].concat(), depth + 1)
        }
        _ => Some(source),
    }
}

fn shown(circle: &Circle) -> String {
    let lines = circle.iter().flat_map(|(file, leads)| {
        leads.iter().map(move |(line, to)| format!("    {file}:{line} needs {to}"))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// `run/list.rs` is the module `run::list`, `lib.rs` the root.
fn module_path(file: &Path) -> Vec<String> {
    let path = file.with_extension("");
    let names: Vec<String> = path.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    if names == ["lib"] { Vec::new() } else { names }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn short(file: &Path) -> String {
    file.strip_prefix(root()).unwrap_or(file).display().to_string()
}

fn has_kind(path: &Path, kinds: &[&str]) -> bool {
    path.extension().is_some_and(|extension| kinds.iter().any(|kind| extension == *kind))
}

/// The files of these extensions in a folder and all below it, sorted; none when it does not exist.
fn files(folder: &Path, kinds: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path, kinds)),
            false if has_kind(&path, kinds) => found.push(path),
            false => {}
        }
    }
    found.sort();
    found
}

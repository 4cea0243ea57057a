//! The rules of the house: which room may know which, and what no source file may hold.
//!
//! A room is a module at the root of the crate `cleave`. `KNOWS` and `WORDS` are the rules; all else reads `src`,
//! and `crates`, which hold what `cleave` builds on and know nothing of it. The check looks at paths that begin with `crate`, `cleave`, `self` or `super`, in `use` and elsewhere, outside
//! comments and strings.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

/// Each room and the rooms that it may know, from the top of the house down: a room knows only rooms further
/// down. Rooms that are planned have a row already.
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
            "backend", "data", "import", "learn", "method", "modular", "network", "preset", "random",
            "reuse", "run", "spec",
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
    ("modular", &["random", "spec"]),
    ("method", &["backend", "network", "spec"]),
    ("network", &["backend", "random", "spec"]),
    ("data", &["random"]),
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
    (&["burn"], Where::Only(&["backend", "export", "learn", "method", "network", "session"]), "tensors"),
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
    for file in files(&root.join("src"), &["rs"]) {
        let module = module_path(file.strip_prefix(root.join("src")).unwrap());
        let name = file.strip_prefix(&root).unwrap().display().to_string();
        faults.extend(faults_of(&name, &module, &fs::read_to_string(&file).unwrap()));
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

/// A word or a character of the code, and its line.
struct Token {
    text: String,
    line: usize,
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
    let mut found = Vec::new();
    // Modules written out in the file, each with the brace depth around it.
    let mut inner: Vec<(String, usize)> = Vec::new();
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate() {
        let follows = |offset: usize, text: &str| tokens.get(index + offset).is_some_and(|t| t.text == text);
        let goes_on = index > 0 && tokens[index - 1].text == "::";
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                inner.pop_if(|(_, around)| *around == depth);
            }
            "mod" if follows(2, "{") => inner.push((tokens[index + 1].text.clone(), depth)),
            "crate" | "cleave" if follows(1, "::") && !goes_on => {
                walk(tokens, index + 2, Vec::new(), &mut found);
            }
            word @ ("self" | "super") if follows(1, "::") && !goes_on => {
                let mut base: Vec<String> = module.to_vec();
                base.extend(inner.iter().map(|(name, _)| name.clone()));
                if word == "super" {
                    base.pop();
                }
                walk(tokens, index + 2, base, &mut found);
            }
            _ => {}
        }
    }
    found
}

/// Follows a path, or the branches of a `use`, from `at` on; gives the index behind it.
fn walk(tokens: &[Token], mut at: usize, mut base: Vec<String>, found: &mut Vec<(usize, String)>) -> usize {
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token.text != "}") {
                    at = walk(tokens, at, base.clone(), found);
                    while tokens.get(at).is_some_and(|token| token.text != "," && token.text != "}") {
                        at += 1;
                    }
                    at += usize::from(tokens.get(at).is_some_and(|token| token.text == ","));
                }
                return at + 1;
            }
            "self" => {}
            "super" => {
                base.pop();
            }
            word if is_word(word) => {
                if base.is_empty() {
                    found.push((token.line, word.to_owned()));
                }
                base.push(word.to_owned());
            }
            _ => return at + 1,
        }
        match tokens.get(at + 1) {
            Some(next) if next.text == "::" => at += 2,
            _ => return at + 1,
        }
    }
    at
}

/// Words, `::` and single characters of Rust code without comments, strings and characters.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let (mut tokens, mut at, mut line) = (Vec::new(), 0, 1);
    while at < chars.len() {
        let rest = &chars[at..];
        let length = match rest[0] {
            '/' if rest.starts_with(&['/', '/']) => until(rest, |r| r[0] == '\n'),
            '/' if rest.starts_with(&['/', '*']) => block_comment(rest),
            '"' => string(rest),
            '\'' if rest.get(1) == Some(&'\\') => 3 + until(&rest[3.min(rest.len())..], |r| r[0] == '\'') + 1,
            '\'' if rest.get(2) == Some(&'\'') => 3,
            c if c.is_alphanumeric() || c == '_' => {
                let word = until(rest, |r| !(r[0].is_alphanumeric() || r[0] == '_'));
                let text: String = rest[..word].iter().collect();
                match ["r", "br", "cr"].contains(&text.as_str()).then(|| raw_string(&rest[word..])).flatten()
                {
                    Some(string) => word + string,
                    None => {
                        tokens.push(Token { text, line });
                        word
                    }
                }
            }
            ':' if rest.starts_with(&[':', ':']) => {
                tokens.push(Token { text: "::".into(), line });
                2
            }
            c => {
                if !c.is_whitespace() {
                    tokens.push(Token { text: c.into(), line });
                }
                1
            }
        };
        let length = length.min(rest.len());
        line += rest[..length].iter().filter(|c| **c == '\n').count();
        at += length;
    }
    tokens
}

fn until(rest: &[char], end: impl Fn(&[char]) -> bool) -> usize {
    (0..rest.len()).find(|&i| end(&rest[i..])).unwrap_or(rest.len())
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let (change, length) = match &rest[at..] {
            ['/', '*', ..] => (1, 2),
            ['*', '/', ..] => (-1, 2),
            _ => (0, 1),
        };
        depth += change;
        at += length;
        if depth == 0 {
            break;
        }
    }
    at
}

fn string(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != '"' {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// The length of `#"..."#` with any number of `#`, if `rest` begins with one.
fn raw_string(rest: &[char]) -> Option<usize> {
    let hashes = until(rest, |r| r[0] != '#');
    if rest.get(hashes) != Some(&'"') {
        return None;
    }
    let mut end = vec!['"'];
    end.extend(std::iter::repeat_n('#', hashes));
    Some(hashes + 1 + until(&rest[hashes + 1..], |r| r.starts_with(&end)) + end.len())
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
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

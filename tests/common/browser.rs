//! A headless browser, for tests of pages: `$CLEAVE_TEST_BROWSER`, or Chromium or Chrome under its usual names.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::python::skip;

/// Names of Chromium and Chrome on various systems.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// What a page came to.
#[derive(Debug)]
pub struct Shown {
    /// The document as the browser has it, as HTML.
    pub document: String,
    /// What stands on its console: errors, and requests that its policy forbids.
    pub console: String,
}

/// Shows a page; `None`, said loudly, where there is no browser.
pub fn show(page: &Path) -> Option<Shown> {
    let Some(browser) = find() else {
        skip("there is no Chromium; $CLEAVE_TEST_BROWSER names one (on Debian: apt-get install chromium)");
        return None;
    };
    let output = run(&browser, page, &["--dump-dom"]);
    let said = String::from_utf8_lossy(&output.stderr);
    let console = said.lines().filter(|line| line.contains("CONSOLE")).collect::<Vec<_>>().join("\n");
    let document = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(document.contains("<html"), "{said}");
    Some(Shown { document, console })
}

/// How many pixels wide a page is in a window of `width`: more than that, if one has to scroll sideways.
pub fn width_needed(page: &Path, width: u32) -> Option<u32> {
    // The window of a headless browser has a least width; a frame has none.
    let frame = page.with_file_name("frame.html");
    let name = page.file_name().unwrap().to_str().unwrap();
    let html = format!(
        "<!doctype html><html><body><iframe id=f src={name} style='width:{width}px;height:800px;border:0'></iframe>\
         <pre id=o></pre><script>onload = () => {{ \
         o.textContent = 'needs ' + f.contentDocument.documentElement.scrollWidth + ' px' }}</script></body></html>"
    );
    fs::write(&frame, html).unwrap();
    let arguments = ["--dump-dom", "--allow-file-access-from-files", "--virtual-time-budget=3000"];
    let document = String::from_utf8_lossy(&run(&find()?, &frame, &arguments).stdout).into_owned();
    let needed = document.split("needs ").nth(1)?;
    Some(needed.split(' ').next()?.parse().unwrap_or_else(|_| panic!("{document}")))
}

fn run(browser: &Path, page: &Path, arguments: &[&str]) -> Output {
    let profile = tempfile::tempdir().unwrap();
    let mut command = Command::new(browser);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]);
    command.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
    command.args(["--enable-logging=stderr", "--window-size=1280,900"]).args(arguments);
    command.arg(format!("--user-data-dir={}", profile.path().display()));
    command.arg(format!("file://{}", page.display())).output().unwrap()
}

fn find() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("CLEAVE_TEST_BROWSER") {
        return Some(path.into());
    }
    let works = |name: &&&str| Command::new(name).arg("--version").output().is_ok_and(|o| o.status.success());
    NAMES.iter().find(works).map(PathBuf::from)
}

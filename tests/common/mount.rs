//! A small file system of its own, for tests of full and read-only disks.

use std::path::Path;
use std::process::{Command, Stdio};

/// A file system in memory, for as long as this lives.
pub struct Mount(tempfile::TempDir);

impl Mount {
    /// One of this size, such as `256k`; `None` where none can be mounted.
    pub fn new(size: &str) -> Option<Mount> {
        let directory = tempfile::tempdir().unwrap();
        let mounted = mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"], directory.path());
        if !mounted {
            println!("skipped: mounting a tmpfs needs root");
        }
        mounted.then_some(Mount(directory))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Forbids writing from now on.
    pub fn make_read_only(&self) {
        assert!(mount(&["-o", "remount,ro"], self.path()));
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path()).status();
    }
}

fn mount(options: &[&str], path: &Path) -> bool {
    Command::new("mount")
        .args(options)
        .arg(path)
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

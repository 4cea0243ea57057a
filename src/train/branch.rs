//! Branches: a new run that goes on from another run's checkpoint.

use super::error::Error;
use crate::run::{Manifest, Parent, Run, Store, now};

/// Makes a run directory that begins with the checkpoint of `step` of `run`; `change` may edit its manifest
/// (the preset, say) first.
///
/// # Errors
///
/// When there is no such checkpoint, the name is taken, or the disk refuses.
pub fn branch(
    run: &Run,
    step: u64,
    name: Option<&str>,
    change: impl FnOnce(&mut Manifest),
) -> Result<Run, Error> {
    let checkpoint = run.load(step)?;
    let parent = Parent { run: run.manifest.id.clone(), step };
    let mut manifest =
        Manifest { parent: Some(parent), created: now(), id: String::new(), ..run.manifest.clone() };
    change(&mut manifest);
    let mut writer = Store::around(run).create(name, manifest)?;
    writer.save_checkpoint(&checkpoint, None)?;
    Ok(writer.run.clone())
}

//! `cleave replace`.

use super::context::Context;
use super::error::Failure;
use super::extract;
use super::output;
use crate::backend::Choice;
use crate::reuse::{Replacement, other_class};

/// Replace one weak class of a network by a module.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cleave replace --in digits-weak --class 8 --with digits-1/3-8
  cleave replace --in pets --class cat --with other/cat --name pets-2

The module's logit replaces that of the class. A linear layer over all logits is then trained for 5 epochs on the
run's training samples, with both networks frozen (module replacement as in MODA). The result is a module of the run
with all classes and the accuracy of each before and after. A module of several classes must have a class of this
name. A one-vs-rest module may replace any class; a warning and the card say so if its own class differs.")]
pub(super) struct Args {
    /// Run whose network has the weak class: its name, a unique prefix of it, `latest`, or its path
    #[arg(long = "in", value_name = "RUN")]
    weak: String,
    /// Class to replace, by name or number (`#3` always means number 3)
    #[arg(long)]
    class: String,
    /// Replacement module: a name, a unique prefix of it, RUN/MODULE, or a path
    #[arg(long = "with", value_name = "MODULE")]
    donor: String,
    /// Name of the result, which is stored in the same run
    #[arg(long)]
    name: Option<String>,
    /// Device: auto, cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: Choice,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let (device, _) = args.device.resolve()?;
    let weak = context.store.open(&args.weak)?;
    let class = extract::parse_class(&args.class, &weak.manifest.classes)?;
    let donor = context.module(&args.donor)?;
    let decided = &weak.manifest.classes[class];
    if let Some(own) = other_class(&donor.manifest, decided) {
        let name = &donor.manifest.name;
        output::warn(&format!(
            "module {name} was extracted for class `{own}` but replaces class `{decided}`"
        ));
    }
    let replacement = Replacement { weak, class, donor, name: args.name.clone() };
    let archives = context.archives();
    let (module, path) = context.place(&archives, device).replace(&replacement)?;
    output::note(&format!("module {} in {}", module.name, path.display()));
    extract::print(&module, args.json)
}

//! `cleave replace`.

use super::context::Context;
use super::error::Failure;
use super::extract;
use super::output;
use crate::backend::Choice;
use crate::reuse::{Replacement, other_class};

/// Let a module decide one class of a network that is weak at it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cleave replace --in digits-weak --class 8 --with digits-1/3-8
  cleave replace --in pets --class cat --with other/cat --name pets-2

The module's logit takes the place of the class's; a linear layer over all logits is trained for 5 epochs on the
run's training samples while both networks stay as they are (MODA's module replacement). The result is a module of
the run: all classes, with the accuracy of each before and after. A module of several classes must have one of the
class's name. One that tells a single class from the rest may decide any: where that is not its own, a warning and
the card say so.")]
pub(super) struct Args {
    /// The run whose network is weak: its name, a unique prefix of it, `latest`, or its path
    #[arg(long = "in", value_name = "RUN")]
    weak: String,
    /// The class, by name or number (`#3` is number 3 whatever classes are called)
    #[arg(long)]
    class: String,
    /// The module that decides it: a name, a unique prefix of it, RUN/MODULE, or a path
    #[arg(long = "with", value_name = "MODULE")]
    donor: String,
    /// What to call the result, which is kept with the weak run
    #[arg(long)]
    name: Option<String>,
    /// Where to work: auto, cpu, cuda or cuda:N
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
        output::warn(&format!("the module {name} tells `{own}` from the rest, and is to decide `{decided}`"));
    }
    let replacement = Replacement { weak, class, donor, name: args.name.clone() };
    let archives = context.archives();
    let (module, path) = context.place(&archives, device).replace(&replacement)?;
    output::note(&format!("module {} in {}", module.name, path.display()));
    extract::print(&module, args.json)
}

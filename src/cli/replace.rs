//! `cleave replace`.

use super::context::Context;
use super::error::Failure;
use super::extract;
use crate::backend::Choice;
use crate::run::Module;
use crate::train::replace_class;

/// Let a module decide one class of a network that is weak at it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cleave replace --in digits-weak --class 8 --with digits-1/3-8
  cleave replace --in pets --class cat --with other/cat --name pets-2

The module's logit takes the place of the class's; a linear layer over all logits is trained for 5 epochs on the
run's training samples while both networks stay as they are (MODA's module replacement). The result is a module of
the run: all classes, with the accuracy of each before and after.")]
pub(super) struct Args {
    /// The run whose network is weak: its name, a unique prefix of it, `latest`, or its path
    #[arg(long = "in", value_name = "RUN")]
    weak: String,
    /// The class, by name or number
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
    let donor = Module::load(&context.store.resolve_module(&args.donor)?)?;
    let name = args.name.clone().unwrap_or_else(|| format!("replaced-{}", weak.manifest.classes[class]));
    let module = replace_class(&weak, class, &donor, &name, &context.archives(), device)?;
    let path = weak.save_module(&module)?;
    eprintln!("module {} in {}", module.manifest.name, path.display());
    extract::print(&module.manifest, args.json)
}

//! What a description of a module cannot say. A file says what it likes; its checksum shows only that it is as it was
//! written.

use super::super::{fault, name};
use super::manifest::ModuleManifest;

impl ModuleManifest {
    /// What is invalid in it, if anything.
    pub(super) fn fault(&self) -> Option<String> {
        self.names().or_else(|| self.network_and_input()).or_else(|| self.labels()).or_else(|| self.figures())
    }

    /// Names lead to files and stand in generated code: those of runs and modules are held to the rules of names.
    fn names(&self) -> Option<String> {
        let parents = self.card.iter().flat_map(|card| &card.parents);
        let parents = parents.flat_map(|parent| parent.module.iter().chain([&parent.run]));
        let runs = self.card.iter().flat_map(|card| &card.class_runs);
        let mut names = [&self.name, &self.run].into_iter().chain(parents).chain(runs);
        names.find_map(|name| name::check(name).err()).map(|error| error.to_string())
    }

    fn network_and_input(&self) -> Option<String> {
        let ModuleManifest { network, input, mean, std, classes, .. } = self;
        fault::of_network(network, *input, [mean, std], classes.len())
    }

    /// Samples are labelled by the position of their class, and counted at that of a logit.
    fn labels(&self) -> Option<String> {
        let (classes, indices) = (self.classes.len(), self.class_indices.len());
        let fits = match self.one_vs_rest {
            true => (classes, indices) == (2, 1),
            false => classes >= 2 && classes == indices,
        };
        if !fits {
            let kind = if self.one_vs_rest { "tells one class from the rest" } else { "tells classes apart" };
            return Some(format!(
                "it {kind}, with {classes} classes and {indices} labels of the whole network"
            ));
        }
        let card = self.card.as_ref()?;
        if let Some(replaced) = card.replaced.filter(|replaced| *replaced >= classes) {
            return Some(format!("its replaced class {replaced} is none of its {classes}"));
        }
        let runs = card.class_runs.len();
        (runs != 0 && runs != indices).then(|| format!("it names runs for {runs} classes of {indices}"))
    }

    fn figures(&self) -> Option<String> {
        let provenance = self.provenance();
        let threshold = provenance.iter().filter_map(|provenance| provenance.threshold).chain(self.threshold);
        let settings = provenance.iter().flat_map(|provenance| &provenance.settings);
        let mut figures = threshold
            .map(|value| ("threshold", value))
            .chain(settings.map(|(name, &value)| (name.as_str(), value)))
            .chain([("krr", self.krr), ("krr_all", self.krr_all)]);
        let wrong = figures.find(|(_, value)| !value.is_finite());
        wrong.map(|(name, value)| format!("its {name} is {value}"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{Error, fixture};
    use super::super::document::tests::{rewrite, saved};
    use super::super::{Ancestor, Module};
    use super::*;
    use crate::modular::Provenance;

    /// A stranger seals whatever they write: the seal of every one of these is right.
    fn refused(change: impl Fn(&mut ModuleManifest), says: &str) {
        let (_home, path, _) = saved();
        rewrite(&path, |document| change(&mut document.module));
        let error = Module::load(&path).unwrap_err().to_string();
        assert!(error.contains("module.toml") && error.contains(says), "{says}: {error}");
    }

    #[test]
    fn a_network_that_cannot_be_is_refused() {
        refused(|module| module.input = [1, 1 << 40, 1 << 40], "images");
        refused(
            |module| (module.input, module.network.input) = ([1, 1 << 40, 8], [1, 1 << 40, 8]),
            "1099511627776",
        );
        refused(|module| module.mean.clear(), "mean []");
        refused(|module| module.std[0] = f32::NAN, "std [NaN]");
        refused(|module| module.classes.push("more".into()), "classes and its network");
        refused(|module| module.network.stages.clear(), "end it with a linear stage");
    }

    #[test]
    fn a_name_that_could_be_code_or_a_path_is_refused() {
        let code = "x\"\"\"\nimport os";
        refused(|module| module.name = code.into(), "cannot be a name");
        refused(|module| module.run = "../elsewhere".into(), "cannot be a name");
        let parent = |module: &mut ModuleManifest, run: &str, name: &str| {
            let parent = Ancestor { run: run.into(), step: 0, module: Some(name.into()) };
            module.card.iter_mut().for_each(|card| card.parents = vec![parent.clone()]);
        };
        refused(|module| parent(module, "a b", "x"), "cannot be a name");
        refused(|module| parent(module, "a", "x;y"), "cannot be a name");
        refused(
            |module| module.card.iter_mut().for_each(|card| card.class_runs = vec![code.into()]),
            "cannot be a name",
        );
    }

    #[test]
    fn labels_that_do_not_fit_the_logits_are_refused() {
        refused(|module| module.class_indices.push(0), "tells one class from the rest");
        refused(|module| module.one_vs_rest = false, "tells classes apart");
        refused(|module| module.class_indices.clear(), "0 labels");
        refused(|module| module.card.iter_mut().for_each(|card| card.replaced = Some(2)), "replaced class 2");
        let runs = |runs: &[&str]| runs.iter().map(|run| (*run).to_owned()).collect::<Vec<_>>();
        refused(
            |module| module.card.iter_mut().for_each(|card| card.class_runs = runs(&["a", "b"])),
            "runs for 2 classes of 1",
        );
        refused(|module| module.krr = f64::NAN, "krr is NaN");
        refused(|module| module.threshold = Some(f64::INFINITY), "threshold is inf");
        let by_search = |module: &mut ModuleManifest| {
            let settings = [("alpha".to_owned(), f64::NAN)].into();
            module.provenance = Some(Provenance { by: "search".into(), threshold: None, settings });
        };
        refused(by_search, "alpha is NaN");
    }

    #[test]
    fn what_would_be_refused_is_not_written() {
        let home = tempfile::tempdir().unwrap();
        let mut module = fixture::module("zero");
        module.manifest.run = "my run".into();
        let error = module.create(&home.path().join("zero")).unwrap_err();
        assert!(
            matches!(&error, Error::Unwritable { .. }) && error.to_string().contains("`my run`"),
            "{error}"
        );
    }
}

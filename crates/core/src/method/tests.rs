//! What holds for every method, and for plans.

use super::*;
use crate::spec::Architecture;

#[test]
fn every_method_says_of_itself_what_others_rely_on() {
    for method in MethodConfig::all() {
        let name = method.name();
        let toml = toml::to_string(&method).unwrap();
        assert!(toml.starts_with(&format!("name = \"{name}\"")), "{toml}");
        assert_eq!(toml::from_str::<MethodConfig>(&toml).unwrap(), method);
        assert_eq!(toml::from_str::<MethodConfig>(&format!("name = \"{name}\"")).unwrap(), method);
        for weight in method.weight_specs() {
            assert_eq!(method.weight(weight.name), Some(weight.default), "{name}: {}", weight.name);
            assert!(weight.allows(weight.default) && !weight.help.is_empty() && !weight.label.is_empty());
            assert!(toml.contains(&format!("{} = ", weight.name)), "each weight is a key: {toml}");
            let mut changed = method.clone();
            changed.set_weight(weight.name, weight.range[0]).unwrap();
            assert_eq!(changed.weight(weight.name), Some(weight.range[0]));
        }
        assert_eq!(method.weights().len(), method.weight_specs().len());
        for term in method.term_specs() {
            assert!(method.weight(term.weight).is_some(), "{name}: {} has a weight", term.name);
            assert_eq!(method.term_weights().of(term.name), method.weight(term.weight).unwrap());
        }
        let spec = Architecture::Small.spec([1, 16, 16], 4, 0.25, method.has_generators());
        assert_eq!(method.observes(&spec).unwrap().is_empty(), !method.is_modular(), "{name}");
        assert!(method.check_state(&spec, &MethodState::default()).is_ok());
        assert!(name == "probe" || method.check_state(&spec, &remembered()).is_err());
    }
}

fn remembered() -> MethodState {
    crate::spec::State([("steps".to_owned(), crate::spec::Array::filled(&[1], 1.0))].into())
}

#[test]
fn a_weight_that_is_not_there_or_may_not_be_so_is_refused() {
    let mut method = MethodConfig::Mwt(Mwt::default());
    for value in [-0.1, f64::NAN, f64::INFINITY] {
        let why = method.set_weight("alpha", value).unwrap_err();
        assert_eq!(why, format!("the loss weight alpha must be a number of at least 0, not {value}"));
    }
    assert_eq!(method.set_weight("gamma", 1.0).unwrap_err(), "the method mwt has no loss weight gamma");
    assert_eq!(method, MethodConfig::Mwt(Mwt::default()));
    let mut probe = MethodConfig::Probe(probe::Probe::default());
    assert!(probe.set_weight("load", 1.5).unwrap_err().contains("a number from 0 to 1"));
}

#[test]
fn methods_that_differ_in_weights_alone_are_told_from_others() {
    let of = |toml: &str| toml::from_str::<MethodConfig>(toml).unwrap();
    let rehearsed = of("name = \"mwt\"\nrehearsal = { share = 0.2 }");
    let same = ["rehearsal = { share = 0.7 }", "beta = 4\nrehearsal = { align = 0 }"];
    for text in same.map(|settings| format!("name = \"mwt\"\n{settings}")) {
        assert!(rehearsed.is_same_but_for_weights(&of(&text)), "{text}");
    }
    for text in ["name = \"mwt\"", "name = \"mwt\"\nrehearsal = { cap = 0.5 }", "name = \"assigned\""] {
        assert!(!rehearsed.is_same_but_for_weights(&of(text)), "{text}");
        assert!(!of(text).is_same_but_for_weights(&rehearsed), "{text}");
    }
}

#[test]
fn mwt_counts_terms_by_the_weights_that_it_was_given() {
    let mwt = Mwt { alpha: 2.0, beta: 3.0, average: Average::Pairs, rehearsal: None };
    let method = MethodConfig::Mwt(mwt.clone());
    assert_eq!(method.term_weights().sum([("coupling", 0.5), ("cohesion", 0.25), ("other", 9.0)]), 2.0);
    // Two samples of one class and one of another; orthogonal masks but for the first two.
    let observed = vec![vec![1.0, 0.0, 1.0, 0.0, 0.0, 1.0]];
    let (weights, state) = (TermWeights(vec![("cohesion", 0.0), ("coupling", 1.0)]), MethodState::default());
    let batch = HostBatch { observed: &observed, labels: &[0, 0, 1], weights: &weights, state: &state };
    let HostTerms { values, gradients } = mwt.host_terms(&batch);
    assert_eq!(values, [("cohesion", 0.0), ("coupling", 0.0)]);
    // Of coupling alone: half of each neighbour's direction, at right angles to the own one.
    assert_eq!(gradients, [[0.0, 0.5, 0.0, 0.5, 1.0, 0.0]]);
}

#[test]
fn the_parts_of_a_plan_are_the_plan() {
    let plan = PassPlan {
        samples: Some(vec![1, 3, 4, 8]),
        masks: PassMasks {
            given: vec![GivenMask { site: 2, values: (0..8).map(|n| n as f32).collect() }],
            samples: vec![true, false, true, false],
            gradient: false,
        },
        classes: Some([[true, false], [false, true], [true, true], [false, false]].concat()),
        terms: Terms::Only(vec!["cohesion"]),
        watched: true,
    };
    assert_eq!((plan.len(10), plan.own(10)), (4, Some(vec![1, 3])));
    assert_eq!(plan.part(0, 10, 10), plan);
    let part = plan.part(3, 4, 10);
    assert_eq!(part.samples, Some(vec![0, 1]));
    assert_eq!(part.masks.given[0].values, [2.0, 3.0, 4.0, 5.0]);
    assert_eq!((part.masks.samples.clone(), part.own(4)), (vec![false, true], Some(vec![0])));
    assert_eq!(part.classes, Some(vec![false, true, true, true]));
    assert!(part.watched && part.terms.has("cohesion") && !part.terms.has("coupling"));
    assert_eq!(plan.part(5, 3, 10).len(3), 0);
    let whole = PassPlan::default();
    assert_eq!((whole.part(4, 3, 10), whole.len(3), whole.own(3)), (PassPlan::default(), 3, None));
}

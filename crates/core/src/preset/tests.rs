//! What a person who writes presets sees.

use std::fs;
use std::path::Path;

use miette::{GraphicalReportHandler, GraphicalTheme};
use proptest::prelude::*;

use super::*;
use crate::method::Mwt;
use crate::spec::{Architecture, Cost, Stage};

/// Lines are counted in the tests below.
const TRIAL: &str = r#"description = "a trial"

[data]
source = "digits"

[network]
stages = [
  { conv = { kernels = 8, masked = true } },
  { max-pool = { size = 2 } },
  "flatten",
  { linear = { outputs = 10 } },
]

[method]
name = "mwt"
beta = 3.0

[training]
epochs = 3
"#;

fn nowhere() -> &'static Path {
    Path::new("/there/is/no/such/directory")
}

fn trial(from: &str, to: &str) -> Result<Preset, Error> {
    assert!(TRIAL.contains(from), "{from}");
    Preset::parse(&TRIAL.replacen(from, to, 1), "trial.toml", &[])
}

fn with(base: &str, overrides: &[&str]) -> Result<Preset, Error> {
    let overrides: Result<Vec<Override>, Error> = overrides.iter().map(|text| text.parse()).collect();
    Preset::find(base, nowhere(), &overrides?)
}

fn shown(error: &Error) -> String {
    let mut text = String::new();
    let theme = GraphicalTheme::unicode_nocolor();
    GraphicalReportHandler::new_themed(theme).with_width(200).render_report(&mut text, error).unwrap();
    text
}

fn shows(error: &Error, parts: &[&str]) {
    let text = shown(error);
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

#[test]
fn every_embedded_preset_is_whole_and_there_is_no_other() {
    let mut files = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../presets")).unwrap().count();
    for (name, text) in embedded() {
        let preset = Preset::parse(text, &format!("presets/{name}.toml"), &[]).unwrap();
        assert_eq!(preset.name, name);
        assert!(text.starts_with("# ") && text.contains("# Time: "), "{name} has no header");
        assert!(!preset.description.is_empty(), "{name} has no description");
        assert_eq!(preset, with(name, &[]).unwrap());
        assert_eq!(Preset::parse(&preset.to_toml().unwrap(), "other", &[]).unwrap(), preset);
        files -= 1;
    }
    assert_eq!(files, 0, "presets/ holds files that are not embedded");
}

#[test]
fn a_standard_twin_differs_in_its_method_only() {
    let has_twin = |name: &str| !name.ends_with("-standard") && !name.starts_with("digits-");
    for (name, _) in embedded().filter(|(name, _)| has_twin(name)) {
        let (preset, twin) = (with(name, &[]).unwrap(), with(&format!("{name}-standard"), &[]).unwrap());
        assert!(preset.method.has_generators() && !twin.method.has_generators());
        let (name, description, method) = (twin.name.clone(), twin.description.clone(), twin.method.clone());
        assert_eq!(twin, Preset { name, description, method, ..preset });
    }
}

#[test]
fn paper_presets_build_the_published_networks() {
    let expected = [
        ("vgg16", 15_253_578, 15_253_578, 1_728_576),
        ("resnet18", 11_173_962, 11_173_962, 1_585_792),
        ("simcnn", 15_245_130, 15_253_450, 1_728_576),
        ("rescnn", 16_010_122, 16_018_570, 1_867_904),
    ];
    for (network, standard, modular, generators) in expected {
        for data in ["cifar10", "svhn"] {
            let cost = |twin: &str| {
                let preset = with(&format!("paper-{network}-{data}{twin}"), &[]).unwrap();
                assert!(preset.paper.is_some() && preset.data.augmentation().flip);
                Cost::of(&preset.spec([3, 32, 32], 10).unwrap()).unwrap()
            };
            let (whole, plain) = (cost(""), cost("-standard"));
            assert_eq!((whole.trunk_params, whole.generator_params), (modular, generators));
            assert_eq!((plain.trunk_params, plain.generator_params), (standard, 0));
        }
    }
}

#[test]
fn the_loss_weights_are_those_of_table_1() {
    let table = [
        ("vgg16-cifar10", 0.5, 1.5),
        ("vgg16-svhn", 1.0, 2.0),
        ("resnet18-cifar10", 0.5, 1.5),
        ("resnet18-svhn", 1.3, 1.5),
        ("simcnn-cifar10", 0.5, 3.5),
        ("simcnn-svhn", 0.5, 2.0),
        ("rescnn-cifar10", 1.0, 2.2),
        ("rescnn-svhn", 1.0, 1.8),
    ];
    for (name, alpha, beta) in table {
        let preset = with(&format!("paper-{name}"), &[]).unwrap();
        assert_eq!(preset.method.weights(), [("alpha", alpha), ("beta", beta)]);
        assert_eq!((preset.training.epochs, preset.training.cosine_period()), (200, 200));
    }
}

#[test]
fn typos_are_shown_with_their_place_and_the_nearest_key() {
    let trials = [
        ("epochs = 3", "epoch = 3", "19:1", "did you mean `epochs`?"),
        ("epochs = 3", "threshold = 0.5", "19:1", "did you mean `modules.threshold`?"),
        ("[data]", "[dta]", "3:2", "did you mean `data`?"),
        ("[data]", "batch = 3\n[data]", "3:1", "did you mean `training.batch`?"),
        ("description", "bse", "1:1", "did you mean `base`?"),
        ("kernels = 8", "kernals = 8", "8:14", "did you mean `kernels`?"),
        ("size = 2", "size = 2, stride = 2", "9:28", "known here: size"),
        ("max-pool", "maxpool", "9:5", "did you mean `max-pool`?"),
        ("\"flatten\"", "\"flaten\"", "10:3", "did you mean `flatten`?"),
        ("\"digits\"", "\"digit\"", "4:10", "did you mean `digits`?"),
        ("\"mwt\"", "\"mtw\"", "15:8", "did you mean `mwt`?"),
        ("\"mwt\"", "\"plain\"", "16:1", "unknown key `beta` in `method`"),
        ("beta", "betta", "16:1", "did you mean `beta`?"),
        ("beta = 3.0", "average = \"class\"", "16:11", "did you mean `classes`?"),
        ("[network]", "[network]\narchitecture = \"vgg-16\"", "7:16", "did you mean `vgg16`?"),
    ];
    for (from, to, place, advice) in trials {
        let error = trial(from, to).unwrap_err();
        let line = TRIAL.replacen(from, to, 1);
        let line = line.lines().nth(place.split(':').next().unwrap().parse::<usize>().unwrap() - 1).unwrap();
        shows(&error, &[&format!("[trial.toml:{place}]"), advice, line]);
        assert!(error.line().starts_with(&format!("trial.toml:{place}: ")), "{}", error.line());
    }
}

#[test]
fn wrong_types_and_missing_keys_say_what_is_wanted() {
    let trials = [
        ("epochs = 3", "epochs = \"x\"", "19:10", "must be a whole number of at least 0"),
        ("epochs = 3", "epochs = -1", "19:10", "`training.epochs` is integer `-1`"),
        ("beta = 3.0", "beta = true", "16:8", "`method.beta` is boolean `true`; it must be a number"),
        ("{ kernels = 8, masked = true }", "8", "8:12", "must be a table"),
        ("kernels = 8, ", "", "8:12", "missing key `kernels`"),
        ("source = \"digits\"", "", "3:1", "missing key `source` in `data`"),
        ("name = \"mwt\"", "", "14:1", "missing key `name` in `method`"),
        ("[data]\nsource = \"digits\"", "", "1:1", "missing key `data`"),
        ("epochs = 3", "epochs = ", "19:10", "this is not TOML"),
        ("epochs = 3", "epochs = 3\nepochs = 4", "20:1", "duplicate key"),
        ("epochs = 3\n", "x = [", "19:5", "this is not TOML: unclosed array"),
    ];
    for (from, to, place, advice) in trials {
        shows(&trial(from, to).unwrap_err(), &[&format!("[trial.toml:{place}]"), advice]);
    }
}

#[test]
fn values_that_make_no_sense_are_shown_with_what_is_allowed() {
    let training = |line: &str| trial("epochs = 3", line).unwrap_err();
    let trials = [
        (training("epochs = 0"), "19:10", "`training.epochs` is 0; it must be at least 1"),
        (training("batch = 0"), "19:9", "`training.batch` is 0; it must be at least 1"),
        (training("learning_rate = -0.1"), "19:17", "is -0.1; it must be a number above 0"),
        (training("learning_rate = nan"), "19:17", "is NaN; it must be a number above 0"),
        (training("momentum = 1"), "19:12", "at least 0, below 1"),
        (training("cosine_epochs = 0"), "19:17", "at least 1"),
        (training("[modules]\nthreshold = 1.5"), "20:13", "is 1.5; it must be above 0, at most 1"),
        (training("[modules]\nfine_tune_cosine_epochs = 0"), "20:27", "at least 1"),
        (trial("beta = 3.0", "beta = -inf").unwrap_err(), "16:8", "`method.beta` is -inf"),
        (trial("[network]", "valid_fraction = 0\n[network]").unwrap_err(), "6:18", "above 0, at most 0.5"),
        (trial("[network]", "size = 0\n[network]").unwrap_err(), "6:8", "`data.size`"),
        (trial("[network]", "[network]\nwidth = 2").unwrap_err(), "7:9", "named architecture"),
        (trial("[network]", "[network]\narchitecture = \"tiny\"").unwrap_err(), "8:10", "both"),
        (trial("kernels = 8", "kernels = 9223372036854775807").unwrap_err(), "8:3", "stage 0 (conv)"),
        (trial("outputs = 10", "outputs = 99999999").unwrap_err(), "11:3", "stage 3 (linear)"),
    ];
    for (error, place, advice) in trials {
        shows(&error, &[&format!("[trial.toml:{place}]"), advice]);
    }
}

#[test]
fn a_network_that_does_not_fit_its_data_is_found_when_the_preset_is_read() {
    let misfit = trial("size = 2", "size = 9").unwrap_err();
    shows(&misfit, &["[trial.toml:9:3]", "stage 1 (max-pool): a 9x9 window", "1x8x8"]);
    let outputs = trial("outputs = 10", "outputs = 7").unwrap_err();
    shows(&outputs, &["[trial.toml:11:3]", "stage 3 (linear)", "7 logits", "10 classes"]);
    let small = with("cifar10-small", &["data.source=digits", "network.architecture=vgg16"]).unwrap_err();
    shows(&small, &["[--set network.architecture=vgg16:1:22]", "stage 13 (max-pool)", "data.size"]);
    let large = trial("kernels = 8", "kernels = 8000").unwrap();
    assert!(matches!(large.spec([1, 4096, 4096], 10), Err(Error::Value { message, .. })
        if message.contains("a map of 8000x4096x4096 has more than")));
    let folder = ["data.source=folder", "data.path=/x", "network.stages=[\"flatten\"]", "method.name=plain"];
    with("digits", &folder).unwrap();
    with("digits", &["data.source=folder", "data.path=/x", "data.size=8"]).unwrap();
}

#[test]
fn a_preset_changed_in_memory_is_checked_by_key() {
    let mut preset = with("digits", &[]).unwrap();
    preset.training.epochs = 0;
    let Err(Error::Value { key, message, .. }) = preset.check() else { panic!("epochs 0 pass") };
    assert_eq!(
        (key.as_str(), message.as_str()),
        ("training.epochs", "`training.epochs` is 0; it must be at least 1")
    );
    let Err(Error::Value { key, .. }) = trial("epochs", "epochs").unwrap().spec([1, 8, 8], 7) else {
        panic!("10 logits pass for 7 classes")
    };
    assert_eq!(key, "network.stages.3");
}

#[test]
fn masks_come_with_the_method_and_where_the_stages_ask_for_them() {
    let conv = "{ conv = { kernels = 8 } }";
    let three = format!("{conv}, {conv}, {{ conv = {{ kernels = 8, masked = true }} }}");
    let masked = |preset: &Preset| -> Vec<bool> {
        preset.spec([1, 8, 8], 10).unwrap().convs().map(|conv| conv.masked).collect()
    };
    let first = "{ conv = { kernels = 8, masked = true } }";
    assert_eq!(masked(&trial(first, &format!("{conv}, {conv}")).unwrap()), [false, true]);
    let chosen = trial(first, &three).unwrap();
    assert_eq!(masked(&chosen), [false, false, true]);
    let plain = Preset { method: MethodConfig::PLAIN, ..chosen };
    assert_eq!(masked(&plain), [false, false, false]);
}

#[test]
fn a_modular_method_needs_units_to_look_at() {
    let error = trial("8, masked = true", "8").unwrap_err();
    shows(
        &error,
        &["[trial.toml:7:10]", "no convolution that gets a mask generator", "method.name = \"plain\""],
    );
    let mut preset = trial("epochs = 3", "epochs = 3").unwrap();
    preset.network.stages = Some(vec![Stage::Flatten, Stage::Linear { outputs: 10 }]);
    let Err(Error::Value { key, .. }) = preset.spec([1, 8, 8], 10) else {
        panic!("a network without convolutions passes")
    };
    assert_eq!(key, "network.stages");
    trial("\"mwt\"\nbeta = 3.0", "\"plain\"").unwrap();
}

#[test]
fn a_method_refuses_what_its_settings_may_not_be() {
    assert_eq!(trial("\"mwt\"\nbeta = 3.0", "\"probe\"\nevery = 3").unwrap().method.name(), "probe");
    let error = trial("\"mwt\"\nbeta = 3.0", "\"probe\"\nevery = 1").unwrap_err();
    shows(&error, &["[trial.toml:16:9]", "`method.every`: it is 1; it must be at least 2"]);
}

#[test]
fn overrides_are_toml_or_bare_words() {
    let changes = ["training.epochs=5", "data.path=/x y/z", "training.batch = 2", "training.batch=3"];
    let preset = with("digits", &changes).unwrap();
    assert_eq!((preset.training.epochs, preset.training.batch), (5, 3));
    assert_eq!(preset.data.path.as_deref(), Some(Path::new("/x y/z")));
    let changes = ["network.stages=[\"flatten\", {linear={outputs=10}}]", "method.name=plain"];
    let stages = with("digits", &changes).unwrap().network;
    assert_eq!(stages.architecture, None);
    assert_eq!(stages.stages, Some(vec![Stage::Flatten, Stage::Linear { outputs: 10 }]));
    let named = trial("epochs = 3", "epochs = 3").unwrap().to_toml().unwrap();
    let change = ["network.architecture=tiny".parse().unwrap()];
    let named = Preset::parse(&named, "trial", &change).unwrap();
    assert_eq!(named.network, NetworkConfig::named(Architecture::Tiny));
}

#[test]
fn another_method_starts_from_its_defaults_and_the_same_one_keeps_its_settings() {
    assert_eq!(with("digits", &["method.name=plain"]).unwrap().method, MethodConfig::PLAIN);
    assert_eq!(with("digits", &["method.name=mwt"]).unwrap(), with("digits", &[]).unwrap());
    for changes in [["method.name=mwt", "method.alpha=2"], ["method.alpha=2", "method.name=mwt"]] {
        let method = with("digits-standard", &changes).unwrap().method;
        assert_eq!(method.weights(), [("alpha", 2.0), ("beta", 1.5)]);
    }
    let error = with("digits", &["method.beta=2", "method.name=plain"]).unwrap_err();
    shows(&error, &["[--set method.beta=2:1:8]", "unknown key `beta`"]);
}

#[test]
fn a_wrong_override_is_shown_itself() {
    let trials = [
        ("training.epoch=5", "[--set training.epoch=5:1:10]", "did you mean `epochs`?"),
        ("epochs=5", "[--set epochs=5:1:1]", "did you mean `training.epochs`?"),
        ("training.epochs=soon", "[--set training.epochs=soon:1:17]", "whole number"),
        ("training.epochs=0", "[--set training.epochs=0:1:17]", "at least 1"),
        ("method.name=plane", "[--set method.name=plane:1:13]", "did you mean `plain`?"),
        ("network.stages=[", "[--set network.stages=[:1:16]", "this is not TOML"),
        ("training", "--set training", "this is not KEY=VALUE"),
        ("=5", "--set =5", "this is not KEY=VALUE"),
    ];
    for (change, place, advice) in trials {
        shows(&with("digits", &[change]).unwrap_err(), &[place, advice]);
    }
}

#[test]
fn a_users_preset_comes_before_the_built_in_one_and_may_be_based_on_it() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    let find = |name: &str| Preset::find(name, directory.path(), &[]);
    write("digits.toml", "base = \"digits\"\n[training]\nepochs = 7");
    write("mine.toml", "base = \"digits-standard\"\ndescription = \"mine\"");
    write("broken.toml", "base = \"digits\"\n[training]\nepoch = 7");
    assert_eq!(find("digits").unwrap().training.epochs, 7);
    let built_in = Preset::find("digits", nowhere(), &[]).unwrap();
    assert_eq!(find("digits").unwrap().training.batch, built_in.training.batch);
    let mine = find("mine").unwrap();
    assert_eq!((mine.name.as_str(), mine.training.epochs), ("mine", 7));
    let path = directory.path().join("mine.toml");
    assert_eq!(Preset::find(path.to_str().unwrap(), nowhere(), &[]).unwrap().training.epochs, 40);

    let listed = list(directory.path());
    assert_eq!(listed.len(), embedded().count() + 2);
    let line = |name: &str| listed.iter().find(|line| line.name == name).unwrap();
    assert_eq!((line("mine").description.as_str(), &line("mine").problem), ("mine", &None));
    assert!(line("digits").origin.ends_with("digits.toml") && line("mnist-small").origin == "built in");
    assert!(line("broken").problem.as_ref().unwrap().contains("broken.toml:3:1: unknown key `epoch`"));
}

#[test]
fn bases_that_are_missing_or_go_in_circles_are_shown() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    let find = |name: &str| Preset::find(name, directory.path(), &[]).unwrap_err();
    write("a.toml", "base = \"b\"");
    write("b.toml", "base = \"./c.toml\"");
    write("c.toml", "base = \"a\"");
    shows(&find("a"), &["c.toml:1:8]", "based on each other", "a.toml -> ", "b.toml -> "]);
    write("self.toml", "base = \"self.toml\"");
    shows(&find("self"), &["self.toml:1:8]", "based on each other"]);
    write("typo.toml", "\nbase = \"digit\"");
    shows(&find("typo"), &["typo.toml:2:8]", "did you mean \"digits\"?"]);
    write("gone.toml", "base = \"gone/away.toml\"");
    shows(&find("gone"), &["gone.toml:1:8]", "cannot read"]);
    write("number.toml", "base = 3");
    shows(&find("number"), &["number.toml:1:8]", "in quotes"]);
    write("value.toml", "base = \"digits\"\nname = \"other\"\n[modules]\nthreshold = 2.0");
    shows(&find("value"), &["value.toml:4:13]", "is 2; it must be above 0"]);
}

#[test]
fn what_is_not_there_or_not_text_is_an_error() {
    shows(&with("digts", &[]).unwrap_err(), &["there is no preset \"digts\"", "did you mean \"digits\"?"]);
    shows(&with("zzz", &[]).unwrap_err(), &["cleave presets list"]);
    shows(&with("./zzz", &[]).unwrap_err(), &["cannot read the preset ./zzz"]);
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("bytes.toml"), [0x80, 0xff]).unwrap();
    shows(&Preset::find("bytes", directory.path(), &[]).unwrap_err(), &["bytes.toml", "UTF-8"]);
}

/// A preset with these phases in place of its epochs, which begin at line 18.
fn phased(phases: &str) -> Result<Preset, Error> {
    Preset::parse(&TRIAL.replacen("[training]\nepochs = 3\n", phases, 1), "trial.toml", &[])
}

const PHASES: &str = "[[phase]]
name = \"warm-up\"
epochs = 2
objective = \"cross-entropy\"
learning_rate = 0.02

[[phase]]
epochs = 3
train = { layers = [\"linear0\"] }
weights = { alpha = 0.25 }
";

#[test]
fn phases_follow_from_the_epoch_and_their_sum_is_that_of_the_training() {
    let preset = phased(PHASES).unwrap();
    assert_eq!(preset.training.epochs, 5);
    let phases: Vec<_> = (0..7).map(|epoch| preset.phase_at(epoch).unwrap()).collect();
    assert_eq!(phases, [0, 0, 1, 1, 1, 1, 1]);
    assert_eq!((preset.epochs_before(1), preset.epochs_before(2)), (2, 5));
    let weights = |phase| preset.method_in(phase).unwrap().weights();
    assert_eq!(weights(None), [("alpha", 0.5), ("beta", 3.0)]);
    assert_eq!(weights(Some(0)), [("alpha", 0.0), ("beta", 0.0)]);
    assert_eq!(weights(Some(1)), [("alpha", 0.25), ("beta", 3.0)]);
    let spec = preset.spec([1, 8, 8], 10).unwrap();
    assert_eq!(preset.frozen_in(Some(0), &spec).unwrap().parts(), Vec::<String>::new());
    assert_eq!(preset.frozen_in(Some(1), &spec).unwrap().parts(), ["conv0"]);
    assert_eq!(Preset::parse(&preset.to_toml().unwrap(), "again", &[]).unwrap(), preset);
    assert_eq!(
        with("digits", &[]).unwrap().phase_at(3),
        None,
        "a preset without phases has none to tell apart"
    );
}

#[test]
fn phases_are_cut_or_made_longer_where_a_run_is_to_have_other_epochs() {
    let of = |change: &str| {
        let text = TRIAL.replacen("[training]\nepochs = 3\n", PHASES, 1);
        let preset = Preset::parse(&text, "trial.toml", &[change.parse().unwrap()]).unwrap();
        (preset.training.epochs, preset.phase.iter().map(|phase| phase.epochs).collect::<Vec<_>>())
    };
    assert_eq!(of("training.epochs=1"), (1, vec![1]));
    assert_eq!(of("training.epochs=4"), (4, vec![2, 2]));
    assert_eq!(of("training.epochs=9"), (9, vec![2, 7]));
    assert_eq!(of("phase.1.epochs=1"), (3, vec![2, 1]));
    assert_eq!(of("phase.0.epochs=4"), (7, vec![4, 3]));
}

#[test]
fn mistakes_in_phases_are_shown_with_their_place() {
    let trials = [
        ("epochs = 2", "epoch = 2", "20:1", "did you mean `epochs`?"),
        ("epochs = 2", "", "18:1", "missing key `epochs`"),
        ("epochs = 2", "epochs = 0", "20:10", "must be at least 1"),
        ("\"cross-entropy\"", "\"cross_entrpy\"", "21:13", "did you mean `cross-entropy`?"),
        ("0.02", "0", "22:17", "must be a number above 0"),
        (
            "{ layers = [\"linear0\"] }",
            "{ layers = [\"conv0\", \"conv3\"] }",
            "26:30",
            "there are conv0, linear0",
        ),
        ("{ layers = [\"linear0\"] }", "{ layers = [] }", "26:9", "nothing of it can be trained"),
        ("{ layers = [\"linear0\"] }", "{ stages = [1, 4] }", "26:20", "there are stages 0 to 3"),
        ("{ layers = [\"linear0\"] }", "{ stages = [1, 2] }", "26:9", "nothing of it can be trained"),
        ("{ layers = [\"linear0\"] }", "\"mask\"", "26:9", "did you mean `masks`?"),
        ("{ layers = [\"linear0\"] }", "{}", "26:9", "what trains is one choice"),
        ("alpha = 0.25", "gamma = 0.25", "27:21", "no loss weight gamma"),
        ("alpha = 0.25", "alpha = -1", "27:21", "at least 0"),
        ("learning_rate = 0.02", "weights = { beta = 1 }", "22:11", "cross-entropy alone"),
        ("learning_rate = 0.02", "momentum = 0.5", "22:1", "did you mean `training.momentum`?"),
    ];
    for (from, to, place, advice) in trials {
        let error = phased(&PHASES.replacen(from, to, 1)).unwrap_err();
        shows(&error, &[&format!("[trial.toml:{place}]"), advice]);
    }
    let both = phased(&format!("[training]\nepochs = 4\n{PHASES}")).unwrap_err();
    shows(&both, &["[trial.toml:19:10]", "`training.epochs` is 4 and the phases have 5 epochs together"]);
    let misplaced = trial("epochs = 3", "epochs = 3\nobjective = \"method\"").unwrap_err();
    shows(&misplaced, &["[trial.toml:20:1]", "did you mean `phase.objective`?"]);
    let unmasked = PHASES.replacen("{ layers = [\"linear0\"] }", "\"masks\"", 1);
    let unmasked = unmasked.replacen("weights = { alpha = 0.25 }", "", 1);
    let text = TRIAL.replacen("[training]\nepochs = 3\n", &unmasked, 1);
    let plain = text.replacen("\"mwt\"\nbeta = 3.0", "\"plain\"", 1);
    let error = Preset::parse(&plain, "trial.toml", &[]).unwrap_err();
    shows(&error, &["the method plain has no mask generators"]);
}

prop_compose! {
    fn stages()(kernels in 1..300usize, stride in 1..3usize, masked: bool, probability in 0.0..1.0)
        -> Vec<Stage> {
        let conv = crate::spec::Conv { stride, masked, ..crate::spec::Conv::new(kernels) };
        let residual = crate::spec::Residual {
            body: vec![conv.clone()], shortcut: Some(conv.clone()), join: None, relu: masked,
        };
        vec![
            Stage::Conv(conv), Stage::Residual(residual), Stage::GlobalAvgPool,
            Stage::Dropout { probability }, Stage::Linear { outputs: 10 },
        ]
    }
}

prop_compose! {
    fn presets()(
        name in "[a-z]\\PC{0,8}", description in "\\PC*", path in "\\PC+", limit in 1..9usize,
        stages in proptest::option::of(stages()), plain: bool, alpha in 0.0..1e9, beta in 0.0..1e-9,
        seed in 0..i64::MAX as u64, epochs in 1..=i64::MAX as usize, momentum in 0.0..1.0,
        phases in proptest::option::of((1..9usize, 1..9usize, 0.001..1.0)),
        cosine_epochs in proptest::option::of(1..9usize), threshold in 0.001..=1.0, augment_usage: bool,
    ) -> Preset {
        let network = match stages {
            Some(stages) => NetworkConfig {
                architecture: None, width: 1.0, init: Some(Default::default()), stages: Some(stages),
            },
            None => NetworkConfig { width: 0.3, ..NetworkConfig::named(Architecture::Resnet18) },
        };
        let data = DataConfig {
            path: Some(path.into()), limit: Some(limit), ..DataConfig::new(crate::data::Source::Svhn)
        };
        let method = if plain {
            MethodConfig::PLAIN
        } else {
            MethodConfig::Mwt(Mwt { alpha, beta, average: crate::method::Average::Classes, rehearsal: None })
        };
        let (mut epochs, mut phase) = (epochs, Vec::new());
        if let Some((first, second, rate)) = phases {
            let stages = Trains::Stages([0, 0]);
            let begun = Phase { name: Some(name.clone()), epochs: first, train: stages, objective: Objective::Method,
                weights: Default::default(), learning_rate: Some(rate) };
            let train = Trains::Layers(vec!["conv0.conv".into()]);
            let then = Phase { name: None, epochs: second, train, objective: Objective::CrossEntropy,
                learning_rate: None, ..begun.clone() };
            (epochs, phase) = (first + second, vec![begun, then]);
        }
        Preset {
            name, description, data, network, method,
            training: Training { seed, epochs, momentum, cosine_epochs, ..Training::default() },
            modules: Modules { threshold, augment_usage, ..Modules::default() },
            phase,
            paper: None,
        }
    }
}

proptest! {
    #[test]
    fn writing_and_reading_a_preset_is_identity(preset in presets()) {
        let text = preset.to_toml().unwrap();
        prop_assert_eq!(Preset::parse(&text, "a.toml", &[]).unwrap(), preset);
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC*", change in "\\PC*") {
        let _ = Preset::parse(&text, "a.toml", &[]).map_err(|error| (shown(&error), error.line()));
        let _ = with("digits", &[&change]).map_err(|error| (shown(&error), error.line()));
        let _ = with("digits", &[&format!("training.epochs={change}")]).map_err(|error| shown(&error));
    }

    #[test]
    fn no_damage_makes_it_panic(
        which: prop::sample::Index, from: prop::sample::Index, gone in 0..9usize, put in "\\PC{0,5}",
    ) {
        let texts: Vec<&str> = embedded().map(|(_, text)| text).chain([TRIAL]).collect();
        let text = texts[which.index(texts.len())];
        let start = text.floor_char_boundary(from.index(text.len()));
        let end = text.ceil_char_boundary((start + gone).min(text.len()));
        let text = format!("{}{put}{}", &text[..start], &text[end..]);
        let _ = Preset::parse(&text, "a.toml", &[]).map_err(|error| (shown(&error), error.line()));
    }
}

#[test]
fn deep_nesting_is_an_error_and_no_overflow() {
    for text in ["[".repeat(100_000), "a.".repeat(100_000), "{a=".repeat(100_000)] {
        with("digits", &[&format!("x={text}")]).unwrap_err();
        with("digits", &[&format!("{text}x=1")]).unwrap_err();
        Preset::parse(&format!("x = {text}"), "deep.toml", &[]).unwrap_err();
        Preset::parse(&format!("[{text}x]"), "deep.toml", &[]).unwrap_err();
    }
}

//! Everything that a person can do, in one table: keys, key bar, help page, palette and key file come from it.

use serde::{Deserialize, Serialize};

/// Where an action means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// On every screen.
    Everywhere,
    /// On the list of runs.
    Home,
    /// On the training dashboard.
    Dashboard,
    /// On the modules screen.
    Modules,
}

/// A row of the table of actions.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// What it does.
    pub action: Action,
    /// Where.
    pub place: Place,
    /// The keys that do it unless the key file says otherwise.
    pub keys: &'static [&'static str],
    /// Two or three words, for the key bar.
    pub title: &'static str,
    /// One line, for the help page and the palette.
    pub help: &'static str,
    /// Whether the key bar shows it.
    pub bar: bool,
}

macro_rules! actions {
    ($($place:ident { $($action:ident $keys:tt $title:literal $help:literal $($bar:ident)?;)* })*) => {
        /// An action. Its name in the key file is its name here in kebab case.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Action { $($(#[doc = $help] $action,)*)* }

        /// Every action, in the order of the help page.
        pub const TABLE: &[Entry] = &[$($(Entry {
            action: Action::$action,
            place: Place::$place,
            keys: &$keys,
            title: $title,
            help: $help,
            bar: actions!(@bar $($bar)?),
        },)*)*];
    };
    (@bar bar) => { true };
    (@bar) => { false };
}

actions! {
    Everywhere {
        Help ["?", "F1"] "help" "Show all keys of this screen" bar;
        Palette [":", "ctrl-p"] "find" "Find any action by name" bar;
        GoHome ["1"] "runs" "Go to the list of runs" bar;
        GoDashboard ["2"] "training" "Go to the training dashboard" bar;
        GoModules ["3"] "modules" "Go to the modules screen" bar;
        Quit ["q", "ctrl-c"] "quit" "Leave; a run in training is saved first" bar;
        Back ["esc"] "back" "Close what is open, or go back";
        Up ["up", "k"] "up" "Move up";
        Down ["down", "j"] "down" "Move down";
        Left ["left", "h"] "left" "Move left, or lower the value";
        Right ["right", "l"] "right" "Move right, or raise the value";
        PageUp ["pageup", "ctrl-u"] "page up" "Move up a page";
        PageDown ["pagedown", "ctrl-d"] "page down" "Move down a page";
        Top ["home", "g"] "first" "Go to the first";
        Bottom ["end", "G"] "last" "Go to the last";
        NextPane ["tab"] "pane" "Give the next pane the keys" bar;
        PreviousPane ["backtab"] "previous pane" "Give the pane before the keys";
        Accept ["enter"] "open" "Open or accept what is selected" bar;
        Filter ["/"] "filter" "Show only what matches a text" bar;
        NextTheme ["T"] "theme" "Change to the next theme";
        NextCharset ["C"] "charset" "Change to the next set of characters";
        ToggleMouse ["M"] "mouse" "Give the mouse to the terminal for selecting text, or take it back";
        ToggleLog ["L"] "log" "Show or hide the log";
        CopyCommand ["Y", "alt-y"] "copy command" "Copy the command line that does the same without the workbench; alt-y in a form";
        CopyValue ["y"] "copy value" "Copy the value under the cursor";
        ExportChart ["E"] "export chart" "Save the chart under the cursor as SVG, PNG or CSV";
        Report ["P"] "report" "Write a page about the run, or about the marked runs, to read in a browser";
        ExportRun ["X"] "export run" "Write the whole network or the records of the run for other programs";
        ImportRun ["I"] "import" "Make a run of weights that another program has trained";
        Suspend ["ctrl-z"] "suspend" "Put the program to sleep; training pauses with it";
        Redraw ["ctrl-l"] "redraw" "Draw the whole screen again";
    }
    Home {
        NewRun ["n"] "new" "Start a new run from a preset" bar;
        ResumeRun ["r"] "resume" "Go on with a run that stopped" bar;
        BranchRun ["b"] "branch" "Start a new run from a checkpoint of this one" bar;
        MarkRun ["space"] "mark" "Mark the run for comparison" bar;
        CompareRuns ["c"] "compare" "Show the marked runs over each other on the dashboard" bar;
        TagRun ["t"] "tag" "Give the run a tag" bar;
        DeleteRun ["d", "delete"] "delete" "Delete the run and all that belongs to it" bar;
        SortRuns ["s"] "sort" "Sort by the next column";
        ReverseRuns ["S"] "reverse" "Turn the order round";
        TreeRuns ["v"] "tree" "Show branches below the runs that they come from";
        RefreshRuns ["R", "F5"] "refresh" "Read the runs again";
    }
    Dashboard {
        PauseResume ["p", "space"] "pause" "Pause training, or go on" bar;
        StepOnce ["."] "one step" "Make one training step while paused";
        Checkpoint ["w"] "save" "Save a checkpoint now" bar;
        StopTraining ["x"] "stop" "Save a checkpoint and end training" bar;
        EvaluateNow ["e"] "evaluate" "Measure the validation accuracy now";
        SliderUp ["+", "="] "raise" "Raise the selected slider" bar;
        SliderDown ["-", "_"] "lower" "Lower the selected slider" bar;
        NextSlider ["]"] "next slider" "Select the next slider";
        PreviousSlider ["["] "slider before" "Select the slider before";
        EditSlider ["i"] "type value" "Type the value of the selected slider";
        UndoChange ["u"] "undo" "Take the last change of a slider back" bar;
        SaveSchedule ["W"] "save schedule" "Save the changes of this run as a schedule to replay";
        BranchHere ["b"] "branch" "Start a new run from a checkpoint, with other weights" bar;
        SmoothMore [">"] "smoother" "Smooth the curves more";
        SmoothLess ["<"] "rougher" "Smooth the curves less";
        NextXAxis ["a"] "x axis" "Count by step, epoch or time";
        LogX ["ctrl-x"] "log x" "Logarithmic x axis";
        LogY ["ctrl-y"] "log y" "Logarithmic y axis of the selected chart";
        RobustRange ["o"] "robust range" "Leave outliers out of the range";
        ZoomIn ["z", "ctrl-up"] "zoom in" "Show less of the x axis";
        ZoomOut ["Z", "ctrl-down"] "zoom out" "Show more of the x axis";
        Follow ["f"] "follow" "Follow the newest values, or all of them";
        ExpandChart ["enter"] "expand" "Show the selected chart alone";
        AlignRuns ["A"] "align" "Align compared runs at their start or at the fork";
        ClearOverlays ["O"] "clear overlays" "Take compared runs off the charts";
    }
    Modules {
        ToggleClass ["space"] "class" "Take the class into the module, or out of it" bar;
        NextView ["v"] "view" "Show sizes, overlap, retention or kernels" bar;
        ExtractModule ["x"] "extract" "Take the module out and measure it" bar;
        AllClasses ["a"] "all" "Take all classes, or none";
        InvertClasses ["i"] "invert" "Take the classes that are not taken";
        SaveSet ["w"] "save set" "Save this set of classes under a name";
        LoadSet ["o"] "load set" "Take a saved set of classes";
        ThresholdUp ["+", "="] "raise" "Raise the threshold" bar;
        ThresholdDown ["-", "_"] "lower" "Lower the threshold" bar;
        SortMatrix ["s"] "sort" "Order the matrix by name, size or clusters; other numbers in other views";
        ScrubBack [","] "earlier" "Show an earlier epoch, or the layer before";
        ScrubForward ["."] "later" "Show a later epoch, or the next layer";
        TryImage ["t"] "try image" "Show a module's prediction for a picture" bar;
        CompareModules ["c"] "mark" "Mark the module, to compare or compose it; marks stay when another run is opened" bar;
        ComposeModules ["m"] "compose" "Put the marked modules together to one network";
        ReplaceClass ["r"] "replace" "Let a module decide a class that the run's network is weak at";
        VerifyModule ["V"] "verify" "Check that the module's files are as they were written";
        ExportModule ["e"] "export" "Write the module for other programs" bar;
        DeleteModule ["d", "delete"] "delete" "Delete the module";
    }
}

impl Action {
    /// Whether every screen does it in its own way, or has no use for it.
    pub fn is_of_screens(self) -> bool {
        use Action::*;
        matches!(
            self,
            Back | Up
                | Down
                | Left
                | Right
                | PageUp
                | PageDown
                | Top
                | Bottom
                | NextPane
                | PreviousPane
                | Accept
                | Filter
                | CopyValue
                | ExportChart
        )
    }

    /// Its row in the table.
    pub fn entry(self) -> &'static Entry {
        match TABLE.iter().find(|entry| entry.action == self) {
            Some(entry) => entry,
            None => unreachable!("the table is made with the enum"),
        }
    }
}

impl Place {
    /// What the help page calls it.
    pub fn title(self) -> &'static str {
        match self {
            Place::Everywhere => "Everywhere",
            Place::Home => "Runs",
            Place::Dashboard => "Training",
            Place::Modules => "Modules",
        }
    }
}

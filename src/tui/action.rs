//! Every user action, in one table from which keys, key bar, help page, palette and key file are generated.

use serde::{Deserialize, Serialize};

/// The screen that an action belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Screen {
    /// Available on every screen.
    Everywhere,
    /// The run list.
    Home,
    /// The training dashboard.
    Dashboard,
    /// The modules screen.
    Modules,
}

/// A row of the action table.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The action.
    pub action: Action,
    /// The screen on which it is available.
    pub screen: Screen,
    /// Its default keys.
    pub keys: &'static [&'static str],
    /// Two or three words for the key bar.
    pub title: &'static str,
    /// One line for the help page and the palette.
    pub help: &'static str,
    /// Whether the key bar shows it.
    pub bar: bool,
}

macro_rules! actions {
    ($($screen:ident { $($action:ident $keys:tt $title:literal $help:literal $($bar:ident)?;)* })*) => {
        /// An action. Its name in the key file is its name here in kebab case.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Action { $($(#[doc = $help] $action,)*)* }

        /// Every action, in the order of the help page.
        pub const TABLE: &[Entry] = &[$($(Entry {
            action: Action::$action,
            screen: Screen::$screen,
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
        Help ["?", "F1"] "help" "Show the keys of this screen" bar;
        Palette [":", "ctrl-p"] "find" "Find any action by name" bar;
        GoHome ["1"] "runs" "Show the run list" bar;
        GoDashboard ["2"] "training" "Show the training dashboard" bar;
        GoModules ["3"] "modules" "Show the modules screen" bar;
        Quit ["q", "ctrl-c"] "quit" "Quit; asks first while a run trains" bar;
        Back ["esc"] "back" "Close the topmost box, or go back";
        Up ["up", "k"] "up" "Move the selection up";
        Down ["down", "j"] "down" "Move the selection down";
        Left ["left", "h"] "left" "Move left, or decrease the value";
        Right ["right", "l"] "right" "Move right, or increase the value";
        PageUp ["pageup", "ctrl-u"] "page up" "Move up one page";
        PageDown ["pagedown", "ctrl-d"] "page down" "Move down one page";
        Top ["home", "g"] "first" "Go to the start";
        Bottom ["end", "G"] "last" "Go to the end";
        NextPane ["tab"] "pane" "Focus the next pane" bar;
        PreviousPane ["backtab"] "previous pane" "Focus the previous pane";
        Accept ["enter"] "open" "Open or accept the selected item" bar;
        Filter ["/"] "filter" "Show only entries that match a text" bar;
        NextTheme ["T"] "theme" "Switch to the next colour theme";
        NextCharset ["C"] "charset" "Switch to the next character set";
        ToggleMouse ["M"] "mouse" "Toggle mouse capture; without it the terminal selects text";
        ToggleLog ["L"] "log" "Show or hide the log";
        CopyCommand ["Y", "alt-y"] "copy command" "Copy the equivalent cleave command; in a form press alt-y";
        CopyValue ["y"] "copy value" "Copy the value under the cursor";
        ExportChart ["E"] "export chart" "Export the chart under the cursor as SVG, PNG or CSV";
        Report ["P"] "report" "Write an HTML report on the run, or on the marked runs";
        ExportRun ["X"] "export run" "Export the run's network or records to other formats";
        ImportRun ["I"] "import" "Create a run from weights trained by another program";
        Suspend ["ctrl-z"] "suspend" "Suspend the program; training is suspended too";
        Redraw ["ctrl-l"] "redraw" "Redraw the screen";
    }
    Home {
        NewRun ["n"] "new" "Start a new run from a preset" bar;
        ResumeRun ["r"] "resume" "Resume a stopped run" bar;
        BranchRun ["b"] "branch" "Start a new run from a checkpoint of this one" bar;
        MarkRun ["space"] "mark" "Mark the run for comparison" bar;
        CompareRuns ["c"] "compare" "Overlay the marked runs on the dashboard" bar;
        TagRun ["t"] "tag" "Edit the run's tags" bar;
        DeleteRun ["d", "delete"] "delete" "Delete the run with its checkpoints and modules" bar;
        SortRuns ["s"] "sort" "Sort by the next column";
        ReverseRuns ["S"] "reverse" "Reverse the sort order";
        TreeRuns ["v"] "tree" "Show branches below their parent runs";
        RefreshRuns ["R", "F5"] "refresh" "Reload the run list";
    }
    Dashboard {
        PauseResume ["p", "space"] "pause" "Pause or resume training" bar;
        StepOnce ["."] "one step" "Run one training step while paused";
        Checkpoint ["w"] "save" "Save a checkpoint now" bar;
        StopTraining ["x"] "stop" "Save a checkpoint and stop training" bar;
        EvaluateNow ["e"] "evaluate" "Measure the validation accuracy now";
        SliderUp ["+", "="] "raise" "Increase the value of the selected slider" bar;
        SliderDown ["-", "_"] "lower" "Decrease the value of the selected slider" bar;
        NextSlider ["]"] "next slider" "Select the next slider";
        PreviousSlider ["["] "previous slider" "Select the previous slider";
        EditSlider ["i"] "type value" "Type a value for the selected slider";
        FreezeLayer ["F"] "freeze" "Freeze a layer, or let it train again";
        UndoChange ["u"] "undo" "Undo the last change of a setting" bar;
        SaveSchedule ["W"] "save schedule" "Save this run's setting changes as a schedule for replay";
        BranchHere ["b"] "branch" "Start a new run from a checkpoint, with other settings" bar;
        SmoothMore [">"] "smooth more" "Smooth the curves more";
        SmoothLess ["<"] "smooth less" "Smooth the curves less";
        NextXAxis ["a"] "x axis" "Switch the x axis between step, epoch and time";
        LogX ["ctrl-x"] "log x" "Toggle the logarithmic x axis";
        LogY ["ctrl-y"] "log y" "Toggle the logarithmic y axis of the selected chart";
        RobustRange ["o"] "robust range" "Exclude outliers from the y range";
        ZoomIn ["z", "ctrl-up"] "zoom in" "Zoom in on the x axis";
        ZoomOut ["Z", "ctrl-down"] "zoom out" "Zoom out on the x axis";
        Follow ["f"] "follow" "Follow the newest values, or show all";
        ExpandChart ["enter"] "expand" "Maximise the selected chart";
        AlignRuns ["A"] "align" "Align compared runs at their start or at the fork point";
        ClearOverlays ["O"] "clear overlays" "Remove compared runs from the charts";
    }
    Modules {
        ToggleClass ["space"] "class" "Add the class to the module, or remove it" bar;
        NextView ["v"] "view" "Switch between sizes, overlap, retention and kernels" bar;
        ExtractModule ["x"] "extract" "Extract the module of the chosen classes and measure it" bar;
        AllClasses ["a"] "all" "Choose all classes, or none";
        InvertClasses ["i"] "invert" "Invert the choice of classes";
        SaveSet ["w"] "save set" "Save the chosen classes as a named set";
        LoadSet ["o"] "load set" "Load a saved set of classes";
        ThresholdUp ["+", "="] "raise" "Raise the threshold" bar;
        ThresholdDown ["-", "_"] "lower" "Lower the threshold" bar;
        SortMatrix ["s"] "sort" "Sort the matrix by name, size or cluster, or switch what the view shows";
        ScrubBack [","] "earlier" "Show an earlier epoch, or the previous layer";
        ScrubForward ["."] "later" "Show a later epoch, or the next layer";
        TryImage ["t"] "try image" "Classify an image with the module" bar;
        CompareModules ["c"] "mark" "Mark the module for comparing or composing; marks survive opening another run" bar;
        ComposeModules ["m"] "compose" "Compose the marked modules into one network";
        ReplaceClass ["r"] "replace" "Replace a weak class of the run's network by a module";
        VerifyModule ["V"] "verify" "Check the module's files against their checksums";
        ExportModule ["e"] "export" "Export the module to other formats" bar;
        DeleteModule ["d", "delete"] "delete" "Delete the module";
    }
}

impl Action {
    /// Whether each screen implements it itself, or does not support it.
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

    /// Its row in the action table.
    pub fn entry(self) -> &'static Entry {
        match TABLE.iter().find(|entry| entry.action == self) {
            Some(entry) => entry,
            None => unreachable!("the table and the enum come from one macro"),
        }
    }
}

impl Screen {
    /// Its heading on the help page.
    pub fn title(self) -> &'static str {
        match self {
            Screen::Everywhere => "Everywhere",
            Screen::Home => "Runs",
            Screen::Dashboard => "Training",
            Screen::Modules => "Modules",
        }
    }
}

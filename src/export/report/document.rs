//! The report as data, rendered to HTML and Markdown.

/// A report.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Document {
    pub title: String,
    pub blocks: Vec<Block>,
}

/// A part of a report. All text is plain; it is escaped when rendered.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Block {
    /// A heading of level 2 to 4; the title is level 1.
    Heading(u8, String),
    Text(String),
    Table(Table),
    /// A code block (commands or a file) with a caption.
    Code(String, String),
    Figure(Figure),
}

/// A table. Cells of digits, signs and units count as numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Table {
    /// Column titles; empty for a list of facts, whose first column is the name.
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

/// A figure.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Figure {
    /// Unique in the report and safe as a file name.
    pub name: String,
    /// Its title.
    pub title: String,
    /// Its caption.
    pub caption: String,
    /// Width in pixels.
    pub width: u32,
    /// The SVG elements, including the title.
    pub svg: String,
}

impl Document {
    pub(super) fn heading(&mut self, level: u8, text: impl Into<String>) {
        self.blocks.push(Block::Heading(level, text.into()));
    }

    pub(super) fn text(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Text(text.into()));
    }

    pub(super) fn figures(&self) -> impl Iterator<Item = &Figure> {
        self.blocks.iter().filter_map(|block| match block {
            Block::Figure(figure) => Some(figure),
            _ => None,
        })
    }
}

impl Table {
    pub(super) fn new(columns: &[&str]) -> Table {
        Table { columns: columns.iter().map(|column| (*column).to_owned()).collect(), rows: Vec::new() }
    }

    /// A table of names and values.
    pub(super) fn facts(facts: impl IntoIterator<Item = (&'static str, String)>) -> Table {
        let rows = facts.into_iter().map(|(name, value)| vec![name.to_owned(), value]);
        Table { columns: Vec::new(), rows: rows.collect() }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Whether this column holds numbers, which are right-aligned.
    pub(super) fn is_of_figures(&self, column: usize) -> bool {
        let figure = |cell: &String| cell.chars().all(|c| c.is_ascii_digit() || "+-./ %kMG".contains(c));
        !self.columns.is_empty()
            && column > 0
            && self.rows.iter().all(|row| row.get(column).is_some_and(figure))
    }
}

impl Figure {
    pub(super) fn file(&self) -> String {
        format!("{}.svg", self.name)
    }
}

//! A page as data, so that all its forms say the same.

/// A page.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Document {
    pub title: String,
    pub blocks: Vec<Block>,
}

/// A part of a page. All text is plain and becomes safe where it is written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Block {
    /// Of level 2 to 4; the title is level 1.
    Heading(u8, String),
    Text(String),
    Table(Table),
    /// Commands or a file, with a caption.
    Code(String, String),
    Figure(Figure),
}

/// A table; a cell of digits, signs and units is a figure.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Table {
    /// Empty for a list of facts, whose first column is the name.
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

/// A picture.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Figure {
    /// Unique on the page; safe as a file name.
    pub name: String,
    /// What it shows.
    pub title: String,
    /// How to read it.
    pub caption: String,
    /// Pixels that it is wide.
    pub width: u32,
    /// The elements of the picture; its title is among them.
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

    /// Names and values.
    pub(super) fn facts(facts: impl IntoIterator<Item = (&'static str, String)>) -> Table {
        let rows = facts.into_iter().map(|(name, value)| vec![name.to_owned(), value]);
        Table { columns: Vec::new(), rows: rows.collect() }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Whether this column holds figures, which are set flush right.
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

//! SVG pictures as PNG images, drawn by resvg with the fonts of the computer.

use std::sync::{Arc, OnceLock};

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::fontdb::Database;
use resvg::usvg::{Options, Tree};

/// Pixels along a side at most.
const LARGEST: f32 = 16_384.0;

/// Widespread fonts, in order of preference.
const FAMILIES: [&str; 7] =
    ["DejaVu Sans", "Noto Sans", "Liberation Sans", "Arial", "Helvetica", "Segoe UI", "Verdana"];

/// Why there is no PNG image.
#[derive(Debug, thiserror::Error)]
pub enum PngError {
    /// Text cannot be drawn.
    #[error("this computer has no font to write with; install one (such as DejaVu Sans) or export SVG")]
    NoFont,
    /// The image would be larger than 16,384 pixels along a side, or has no size.
    #[error("an image of {width:.0} x {height:.0} pixels cannot be drawn; take another scale or export SVG")]
    Size {
        /// Pixels across.
        width: f32,
        /// Pixels down.
        height: f32,
    },
    /// The drawing library refused; the text is its own.
    #[error("the picture could not be drawn: {0}; export SVG instead")]
    Drawing(String),
}

/// A picture on white to be rendered as a PNG image later. Creating one is fast and rendering is slow, so that an
/// interactive program can render on another thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Print(String);

impl Print {
    /// A picture that is this SVG document.
    pub(super) fn of(svg: String) -> Self {
        Print(svg)
    }

    /// The picture as a PNG image, `scale` pixels for a unit of the SVG.
    ///
    /// # Errors
    ///
    /// When the computer has no font, or the image would be too large.
    pub fn png(&self, scale: f32) -> Result<Vec<u8>, PngError> {
        draw(&self.0, scale)
    }
}

/// The fonts of the system and the family to write with. Finding them reads every font file, so it is done once; where
/// there is none it is tried again, since one may have been installed.
fn fonts() -> Result<(Arc<Database>, String), PngError> {
    static FOUND: OnceLock<(Arc<Database>, String)> = OnceLock::new();
    if let Some(found) = FOUND.get() {
        return Ok(found.clone());
    }
    let mut fonts = Database::new();
    fonts.load_system_fonts();
    let family = family(&fonts).ok_or(PngError::NoFont)?;
    fonts.set_sans_serif_family(family.clone());
    Ok(FOUND.get_or_init(|| (Arc::new(fonts), family)).clone())
}

fn draw(svg: &str, scale: f32) -> Result<Vec<u8>, PngError> {
    let (fontdb, font_family) = fonts()?;
    let options = Options { fontdb, font_family, ..Options::default() };
    let tree = Tree::from_str(svg, &options).map_err(|error| PngError::Drawing(error.to_string()))?;
    let (width, height) = (tree.size().width() * scale, tree.size().height() * scale);
    let size = PngError::Size { width, height };
    if !(width >= 1.0 && height >= 1.0 && width <= LARGEST && height <= LARGEST) {
        return Err(size);
    }
    let Some(mut image) = Pixmap::new(width.ceil() as u32, height.ceil() as u32) else { return Err(size) };
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut image.as_mut());
    image.encode_png().map_err(|error| PngError::Drawing(error.to_string()))
}

/// A family to write with: one of the usual ones, or else any.
fn family(fonts: &Database) -> Option<String> {
    let has = |family: &&str| fonts.faces().any(|face| face.families.iter().any(|(name, _)| name == family));
    let any = || fonts.faces().find_map(|face| face.families.first().map(|(name, _)| name.clone()));
    FAMILIES.iter().find(|family| has(family)).map(|family| (*family).to_owned()).or_else(any)
}

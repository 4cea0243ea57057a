use roxmltree::Document;

use super::*;
use crate::plot::{Bar, Bars, HeatMap, PngError};

/// Whether a picture is XML with a title and refers to nothing outside of itself.
pub(super) fn is_well_formed(svg: &str) -> bool {
    let Ok(document) = Document::parse(svg) else { return false };
    let titled = document
        .root_element()
        .children()
        .any(|child| child.has_tag_name(("http://www.w3.org/2000/svg", "title")));
    let mut attributes = document.descendants().flat_map(|node| node.attributes());
    titled
        && !svg.contains("NaN")
        && !svg.contains("inf\"")
        && !svg.contains("url(")
        && attributes.all(|one| !one.name().ends_with("href"))
}

fn texts(svg: &str) -> Vec<String> {
    let document = Document::parse(svg).unwrap();
    document.descendants().filter_map(|node| node.text().map(str::to_owned)).collect()
}

#[test]
fn names_are_escaped() {
    let odd = "<b>\"R&D\"</b> 'x' \u{1}";
    let chart =
        Chart::new(odd).series(Series::new(odd, vec![(0.0, 1.0), (1.0, 2.0)])).mark(Mark::new(0.5, odd));
    let names = vec![odd.to_owned()];
    let map = HeatMap::new(odd, names.clone(), names, vec![0.5]).selected(Some((0, 0)));
    let bars = Bars::new(odd, [Bar::new(odd, 1.0, 2.0)]);
    for svg in [chart.to_svg(), map.to_svg(), bars.to_svg()] {
        assert!(is_well_formed(&svg), "{svg}");
        assert!(texts(&svg).iter().any(|text| text.contains("<b>\"R&D\"</b> 'x' ")), "{svg}");
    }
}

#[test]
fn a_chart_as_svg_has_lines_marks_ticks_and_values() {
    let (train, validation) = curves();
    let svg = accuracy(&train, &validation).to_svg();
    let texts = texts(&svg);
    for text in ["accuracy", "train 63.2%", "validation 43.8%", "beta 1.5→3", "100%", "1000", "step", "86.8%"]
    {
        assert!(texts.iter().any(|one| one == text), "{text} in {texts:?}");
    }
    assert_eq!(svg.matches("<path class=\"line ").count(), 2);
    assert!(svg.contains("screen and (prefers-color-scheme:dark)") && svg.contains("var(--plot-0,"));
}

#[test]
fn a_chart_as_csv_reads_back() {
    let chart = Chart::new("").series(Series::new("a, \"b\"", vec![(0.0, 0.1), (1.0, f64::NAN)]));
    assert_eq!(chart.to_csv(), "series,x,value\n\"a, \"\"b\"\"\",0,0.1\n\"a, \"\"b\"\"\",1,\n");
}

#[test]
fn a_matrix_and_bars_as_csv_have_their_names() {
    let names = ["cat".to_owned(), "dog".to_owned()];
    let map = HeatMap::new("", &names[..], &names[..], vec![1.0, 0.25, 0.25]);
    assert_eq!(map.to_csv(), ",cat,dog\ncat,1,0.25\ndog,0.25,\n");
    assert_eq!(
        Bars::new("", [Bar::new("conv1", 16.0, 64.0)]).to_csv(),
        "name,part,whole,share\nconv1,16,64,0.25\n"
    );
}

#[test]
fn a_large_matrix_stays_a_small_file() {
    let names: Vec<String> = (0..100).map(|index| format!("class {index}")).collect();
    let values: Vec<f64> = (0..10_000).map(|index| f64::from(index % 97) / 97.0).collect();
    let size = HeatMap::new("overlap", &names[..], &names[..], values).to_svg().len();
    assert!(size < 300_000, "{size} bytes");
}

#[test]
fn a_chart_as_png_is_an_image_of_its_size() {
    let chart = Chart::new("loss").series(Series::new("a", vec![(0.0, 1.0), (1.0, 2.0)]));
    match chart.to_png(1.0) {
        Ok(png) => {
            let image = image::load_from_memory(&png).unwrap();
            assert_eq!(image.width(), 720);
            let ink = image.to_luma8().pixels().filter(|pixel| pixel.0[0] < 128).count();
            assert!(ink > 200, "{ink} dark pixels");
        }
        // A computer without fonts says so.
        Err(error) => assert!(matches!(error, PngError::NoFont), "{error}"),
    }
    assert!(matches!(chart.to_png(1e6), Err(PngError::Size { .. } | PngError::NoFont)));
    assert!(matches!(chart.to_png(f32::NAN), Err(PngError::Size { .. } | PngError::NoFont)));
}

//! Reports on runs, as one self-contained HTML file and as Markdown.
//!
//! | file | what it holds |
//! |---|---|
//! | `document` | a report as data: headings, tables, figures |
//! | `sections` | the sections of a run |
//! | `modules` | the sections of its modules |
//! | `reproduce` | the commands that reproduce a run |
//! | `charts` | its charts |
//! | `html`, `markdown` | rendering |

mod charts;
mod document;
mod html;
mod markdown;
mod modules;
mod reproduce;
mod sections;

use self::document::{Block, Document};
use super::error::Error;
use super::history::History;

/// The page of some runs, in both forms.
#[derive(Clone, Debug)]
pub struct Report {
    /// Names and contents of its files: `report.html`, which needs none of the others; `report.md` and the
    /// figures that it names.
    pub files: Vec<(String, String)>,
}

impl Report {
    /// What is known of the runs, in their order.
    ///
    /// # Errors
    ///
    /// When a run's usage makes no modules, or its preset cannot be written.
    pub fn new(histories: &[History]) -> Result<Report, Error> {
        let page = page(histories)?;
        let mut files = vec![("report.html".to_owned(), html::page(&page))];
        files.push(("report.md".to_owned(), markdown::page(&page)));
        files.extend(page.figures().map(|figure| (figure.file(), figure.svg.clone())));
        Ok(Report { files })
    }
}

fn page(histories: &[History]) -> Result<Document, Error> {
    let names: Vec<&str> = histories.iter().map(|history| history.manifest.id.as_str()).collect();
    let mut page = Document { title: format!("Cleave report: {}", names.join(", ")), blocks: Vec::new() };
    if histories.len() > 1 {
        page.heading(2, "The runs beside each other");
        page.blocks.push(Block::Table(sections::comparison(histories)));
    }
    for history in histories {
        page.heading(2, format!("Run {}", history.manifest.id));
        sections::run(history, &mut page)?;
        modules::sections(history, &mut page)?;
        reproduce::section(history, &mut page)?;
    }
    if let Some(figure) = charts::accuracy_against_size(histories) {
        page.heading(2, "Accuracy against size");
        page.blocks.push(Block::Figure(figure));
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::super::history::fixture;
    use super::*;

    fn report() -> Report {
        Report::new(&[fixture::history(), fixture::history()]).unwrap()
    }

    #[test]
    fn the_page_asks_for_nothing_from_anywhere() {
        let html = &report().files[0].1;
        let text = html.replace("http://www.w3.org/2000/svg", "");
        for forbidden in
            ["<script", "<link", "<img", "<iframe", "@import", "url(", "src=", "href=\"http", "onload"]
        {
            assert!(!text.contains(forbidden), "{forbidden}");
        }
    }

    /// Every element is closed in its order, every attribute quoted, every `&` a reference.
    #[test]
    fn the_page_is_well_formed() {
        let html = &report().files[0].1;
        let mut open: Vec<&str> = Vec::new();
        let mut rest = html.strip_prefix("<!doctype html>").unwrap();
        while let Some(at) = rest.find('<') {
            let (text, tag) = rest.split_at(at);
            assert!(!text.contains('>') || open.last() == Some(&"style"), "a stray > in {text:?}");
            let end = tag.find('>').unwrap();
            let inside = &tag[1..end];
            assert_eq!(inside.matches('"').count() % 2, 0, "{inside}");
            let name = inside.trim_start_matches('/').split([' ', '/', '\n']).next().unwrap();
            match inside {
                _ if inside.starts_with('/') => assert_eq!(open.pop(), Some(name), "in {inside}"),
                _ if inside.ends_with('/') || ["meta", "br", "hr"].contains(&name) => {}
                _ => open.push(name),
            }
            rest = &tag[end + 1..];
        }
        assert!(open.is_empty(), "{open:?}");
        for (_, after) in html.match_indices('&').map(|(at, _)| html.split_at(at)) {
            assert!(
                ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"].iter().any(|r| after.starts_with(r)),
                "{after:.20}"
            );
        }
    }

    #[test]
    fn names_from_outside_are_only_text() {
        let report = report();
        let (html, markdown) = (&report.files[0].1, &report.files[1].1);
        assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
        assert!(!markdown.contains("<script>") && !markdown.contains("![x]"), "{markdown}");
        assert!(report.files.iter().all(|(_, content)| !content.contains("<script>alert")));
    }

    #[test]
    fn both_forms_say_what_was_trained_what_came_out_and_how_to_do_it_again() {
        let report = report();
        for (name, text) in &report.files[..2] {
            for said in [
                "paper-vgg16-cifar10",
                "90.86 %",
                "90.00 %",
                "held out for validation here",
                "98.00 %",
                "cleave train run-1.toml --name run-1",
                "cleave extract run-1 --classes 0,1",
                "beta 1.5 to 3",
            ] {
                assert!(text.contains(said), "{said} in {name}");
            }
        }
    }

    #[test]
    fn the_figures_that_markdown_names_are_there() {
        let report = report();
        let markdown = &report.files[1].1;
        let figures: Vec<&String> = report.files[2..].iter().map(|(name, _)| name).collect();
        assert!(figures.iter().all(|name| markdown.contains(&format!("]({name})"))), "{figures:?}");
        assert_eq!(markdown.matches(".svg)").count(), figures.len());
    }

    #[test]
    fn a_run_that_has_only_begun_has_a_report() {
        let mut history = fixture::history();
        (history.epochs, history.steps, history.events) = (Vec::new(), Vec::new(), Vec::new());
        (history.modules, history.usage) = (Vec::new(), None);
        let report = Report::new(&[history]).unwrap();
        assert!(report.files[0].1.contains("has not finished"), "{}", report.files[1].1);
    }
}

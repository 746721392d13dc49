//! A page for a browser: one file, readable in light and in dark, on a phone and on paper, without
//! scripts and without external resources. The reports of runs and of plans are such pages.
//!
//! ```text
//! style.css  the only style; it follows the browser's light or dark
//! text.rs    texts of a tenant as markup: long words, times, addresses
//! ```

mod text;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use super::run_report::break_commands;

pub(super) use text::{
    InstructionPart, breakable, cell, instruction, instruction_parts, parts, safe, time, values,
};

const STYLE: &str = include_str!("style.css");

/// Every page of this program holds this. Only a page that holds it may be replaced.
pub const GENERATOR: &str = "<meta name=\"generator\" content=\"iomcopy\">";

/// A page.
pub(super) struct Page {
    pub(super) title: String,
    /// What the reader should know first, between the title and the contents.
    pub(super) head: Markup,
    pub(super) sections: Vec<Section>,
    pub(super) foot: Markup,
}

/// A part of a page.
pub(super) struct Section {
    /// Its heading.
    title: &'static str,
    /// The name of its heading for links within the page.
    id: &'static str,
    content: Markup,
}

impl Section {
    /// A part with its heading, and the heading's name for links.
    pub(super) fn new(title: &'static str, id: &'static str, content: Markup) -> Self {
        Self { title, id, content }
    }
}

impl Page {
    /// The page as HTML, without a final line break.
    pub(super) fn render(&self) -> String {
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    (PreEscaped(GENERATOR))
                    meta http-equiv="Content-Security-Policy" content=(policy());
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (self.title) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    header {
                        h1 { (self.title) }
                        (self.head)
                        nav aria-label="Contents" {
                            ul { @for section in &self.sections { li { a href=(format!("#{}", section.id)) { (section.title) } } } }
                        }
                    }
                    main {
                        @for section in &self.sections {
                            section aria-labelledby=(section.id) {
                                h2 id=(section.id) { (section.title) }
                                (section.content)
                            }
                        }
                    }
                    footer { (self.foot) }
                }
            }
        };
        // The style contains no `##`, so this changes only texts.
        break_commands(&page.into_string())
    }
}

/// What a browser may do with the page: apply this style, identified by its hash, and nothing else.
/// So no script runs even if a text was not escaped (Content Security Policy Level 3, section 6.6:
/// the hash of the element's exact text).
fn policy() -> String {
    let digest = BASE64_STANDARD.encode(Sha256::digest(STYLE));
    format!("default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'")
}

/// A row of a table of facts.
pub(super) fn row(key: &str, value: &Markup) -> Markup {
    html! { tr { th scope="row" { (key) } td { (value) } } }
}

/// A table whose rows become cards on a phone: the first cell is the card's title, and each other
/// cell has its column's name. The roles keep it a table for a screen reader then too.
pub(super) fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<Markup>>) -> Markup {
    html! {
        table.stack role="table" {
            thead role="rowgroup" {
                tr role="row" { @for title in head { th role="columnheader" scope="col" { (title) } } }
            }
            tbody role="rowgroup" {
                @for cells in rows {
                    tr role="row" {
                        @for (title, cell) in head.iter().zip(&cells) {
                            // An empty cell has no text at all, so that a phone can leave it out.
                            td role="cell" data-label=(title) { (cell) }
                        }
                    }
                }
            }
        }
    }
}

/// A list of texts.
pub(super) fn list(items: &[String]) -> Markup {
    html! { ul { @for item in items { li { (breakable(item)) } } } }
}

#[cfg(test)]
pub(in crate::report) mod tests {
    use quick_xml::Reader;
    use quick_xml::events::Event;

    use super::*;

    fn page() -> String {
        Page {
            title: "A & B".to_owned(),
            head: html! { p { "head" } },
            sections: vec![Section::new("One", "one", list(&["<b>".to_owned()]))],
            foot: html! { p { "foot" } },
        }
        .render()
    }

    /// Elements of HTML that have no end.
    const VOID: [&str; 4] = ["meta", "input", "wbr", "br"];

    /// Fails unless every element of a page has its end, in the right order, each attribute has a
    /// value or is one of those without, and no two elements have the same name for links.
    pub(in crate::report) fn assert_well_formed(page: &str) {
        let mut xml = page.replacen("<!DOCTYPE html>", "", 1);
        let (head, rest) = xml.split_once("<style>").expect("a page has a style");
        let (_, body) = rest.split_once("</style>").expect("it ends");
        xml = format!("{head}{body}");
        for boolean in [" open>", " open "] {
            xml = xml.replace(boolean, &boolean.replace("open", "open=\"\""));
        }
        let mut reader = Reader::from_str(&xml);
        // The void elements have no ends, so the ends are checked here.
        reader.config_mut().check_end_names = false;
        reader.config_mut().allow_unmatched_ends = true;
        let (mut open, mut ids) = (Vec::new(), Vec::new());
        loop {
            match reader.read_event().expect("the page is well-formed") {
                Event::Start(element) => {
                    let name = String::from_utf8_lossy(element.name().as_ref()).into_owned();
                    for attribute in element.attributes() {
                        let attribute = attribute.expect("an attribute has a value, and only one");
                        if attribute.key.as_ref() == b"id" {
                            ids.push(attribute.value.into_owned());
                        }
                    }
                    if !VOID.contains(&name.as_str()) {
                        open.push(name);
                    }
                }
                Event::End(element) => {
                    let name = String::from_utf8_lossy(element.name().as_ref()).into_owned();
                    assert_eq!(open.pop().as_deref(), Some(name.as_str()));
                }
                Event::Eof => break,
                _ => {}
            }
        }
        assert!(open.is_empty(), "{open:?}");
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all, "two elements have the same id");
    }

    #[test]
    fn the_policy_allows_exactly_the_style_and_nothing_else() {
        let page = page();
        let style = page.split("<style>").nth(1).unwrap();
        let style = style.split("</style>").next().unwrap();
        let hash = BASE64_STANDARD.encode(Sha256::digest(style));
        let policy = format!("content=\"default-src 'none'; style-src 'sha256-{hash}';");
        assert!(page.contains(&policy), "{page}");
        let attributes = page.matches(" style=").count();
        assert_eq!(attributes, 0, "a hash does not allow style attributes");
    }

    #[test]
    fn a_page_is_well_formed_and_never_loads_itself_again() {
        let page = page();
        assert_well_formed(&page);
        // A reader would lose the place and what is unfolded (WCAG 2.2, failure F41).
        assert!(!page.contains("http-equiv=\"refresh\""));
        assert!(page.contains(GENERATOR));
    }
}

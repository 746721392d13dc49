//! What a capture source listed: many rows in little memory.

use std::collections::HashSet;

use super::ListedRow;
use crate::base::packed_texts::PackedTexts;
use crate::base::text;
use crate::journal::{RowToSeal, fits};

/// Rows in their order. Their texts are packed, because a table can be as large as the tenant.
#[derive(Clone, Default)]
pub struct Listing {
    rows: Vec<Listed>,
    texts: PackedTexts,
}

/// A row without its text.
#[derive(Clone)]
struct Listed {
    key: Box<str>,
    etag: Option<Box<str>>,
    /// How long its text is, in bytes.
    size: u32,
    /// The digest of what two listings must agree on, if that is not the `ETag`.
    compared: Option<Digest>,
}

/// The first half of a SHA-256.
type Digest = [u8; 16];

/// What two listings must agree on: a digest of each row's key, with a digest of its version.
#[derive(PartialEq)]
pub(super) struct Versions(Vec<(Digest, Digest)>);

impl Listing {
    /// Adds a row.
    pub fn push(&mut self, row: ListedRow) {
        let compared = row.etag.is_none().then(|| {
            let version = row.compared.as_deref().unwrap_or(&row.text);
            digest(version)
        });
        self.texts.push(&row.text);
        self.rows.push(Listed {
            size: u32::try_from(row.text.len()).unwrap_or(u32::MAX),
            key: row.key.into(),
            etag: row.etag.map(Into::into),
            compared,
        });
    }

    /// Adds the rows of another listing.
    pub fn append(&mut self, other: Self) {
        self.rows.extend(other.rows);
        self.texts.append(other.texts);
    }

    /// The keys, in their order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().map(|row| &*row.key)
    }

    /// Does every row have a version?
    pub fn has_versions(&self) -> bool {
        self.rows.iter().all(|row| row.etag.is_some())
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Is there no row?
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Are the texts of the rows whose keys begin with `prefix` at most this many bytes?
    pub(super) fn is_within(&self, prefix: &str, bytes: u64) -> bool {
        let rows = self.rows.iter();
        let below = rows.filter(|row| row.key.starts_with(prefix));
        fits(below.map(|row| u64::from(row.size)), bytes)
    }

    /// Passes on the rows whose keys begin with `prefix`: their keys and texts.
    pub(super) fn each_text(&self, prefix: &str, mut each: impl FnMut(&str, &str)) {
        let is_below = |at: usize| {
            let row = self.rows.get(at);
            row.is_some_and(|row| row.key.starts_with(prefix))
        };
        self.texts.each_of(is_below, |at, text| {
            if let Some(row) = self.rows.get(at) {
                each(&row.key, text);
            }
        });
    }

    /// What another listing must agree on.
    pub(super) fn versions(&self) -> Versions {
        let version = |row: &Listed| match (&row.etag, row.compared) {
            (Some(etag), _) => digest(etag),
            (None, compared) => compared.unwrap_or_default(),
        };
        let versions = self.rows.iter().map(|row| (digest(&row.key), version(row)));
        let mut versions: Vec<_> = versions.collect();
        versions.sort_unstable();
        Versions(versions)
    }

    /// A key that is listed twice: then a row moved between pages, and another may be missing.
    pub(super) fn repeated(&self) -> Option<&str> {
        let mut seen = HashSet::with_capacity(self.rows.len());
        self.keys().find(|key| !seen.insert(*key))
    }

    /// The rows, one after the other, to be sealed.
    pub(super) fn into_rows(self) -> impl Iterator<Item = RowToSeal> {
        let rows = self.rows.into_iter().zip(self.texts);
        rows.map(|(row, text)| RowToSeal {
            key: row.key.into(),
            etag: row.etag.map(Into::into),
            text,
        })
    }
}

impl Extend<ListedRow> for Listing {
    fn extend<T: IntoIterator<Item = ListedRow>>(&mut self, rows: T) {
        for row in rows {
            self.push(row);
        }
    }
}

impl FromIterator<ListedRow> for Listing {
    fn from_iter<T: IntoIterator<Item = ListedRow>>(rows: T) -> Self {
        let mut listing = Self::default();
        listing.extend(rows);
        listing
    }
}

impl From<Vec<ListedRow>> for Listing {
    fn from(rows: Vec<ListedRow>) -> Self {
        rows.into_iter().collect()
    }
}

fn digest(text: &str) -> Digest {
    let whole = text::digest(text.as_bytes());
    let mut half = Digest::default();
    half.copy_from_slice(&whole[..16]);
    half
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: &str, etag: Option<&str>, text: &str) -> ListedRow {
        ListedRow {
            key: key.to_owned(),
            etag: etag.map(str::to_owned),
            text: text.to_owned(),
            compared: None,
        }
    }

    #[test]
    fn two_listings_agree_on_versions_in_any_order() {
        let listing = |rows: &[(&str, Option<&str>, &str)]| -> Listing {
            let rows = rows.iter();
            rows.map(|(key, etag, text)| row(key, *etag, text))
                .collect()
        };
        let one = listing(&[("a", Some("1"), "x"), ("b", None, "y")]);
        let same = listing(&[("b", None, "y"), ("a", Some("1"), "other")]);
        assert!(one.versions() == same.versions());
        for other in [
            listing(&[("a", Some("2"), "x"), ("b", None, "y")]),
            listing(&[("a", Some("1"), "x"), ("b", None, "z")]),
            listing(&[("a", Some("1"), "x")]),
            listing(&[
                ("a", Some("1"), "x"),
                ("a", Some("1"), "x"),
                ("b", None, "y"),
            ]),
        ] {
            assert!(one.versions() != other.versions());
        }
    }

    #[test]
    fn rows_come_back_with_the_rows_of_another_listing() {
        let mut listing: Listing = vec![row("a", Some("1"), "x")].into();
        listing.append(vec![row("b", None, ""), row("c", None, "z")].into());
        listing.push(row("d", None, "é"));
        assert_eq!(listing.keys().collect::<Vec<_>>(), ["a", "b", "c", "d"]);
        let rows: Vec<(String, String)> =
            listing.into_rows().map(|row| (row.key, row.text)).collect();
        let expected = [("a", "x"), ("b", ""), ("c", "z"), ("d", "é")];
        assert_eq!(
            rows,
            expected.map(|(key, text)| (key.to_owned(), text.to_owned()))
        );
    }
}

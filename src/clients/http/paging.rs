//! Page after page: every page or an error, never the rows so far; and never more than fits into
//! memory.

use std::collections::HashSet;

use url::Url;

use super::response::Response;
use super::service::Service;
use crate::clients::error::{Error, ErrorKind};

/// More pages than any list of a tenant has; a service that sends more is going in circles.
const MOST_PAGES: usize = 2_000;

/// How much of one list is held.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ListBudget {
    /// How many rows.
    pub rows: usize,
    /// How many bytes, after decompression.
    pub bytes: usize,
    /// How many values of JSON. A value of one byte takes some hundred in memory, so the bytes alone
    /// bound nothing.
    pub values: usize,
}

impl Default for ListBudget {
    /// 250,000 rows; 256 MiB; 5 million values, which take less than a gigabyte. A table of 5,000
    /// rows of a dozen columns has 3 MB.
    fn default() -> Self {
        Self {
            rows: 250_000,
            bytes: 256 * 1024 * 1024,
            values: 5_000_000,
        }
    }
}

/// What keeps a walk over pages finite, at home and within its budget.
#[derive(Debug)]
pub(crate) struct Pages {
    visited: HashSet<String>,
    budget: ListBudget,
    bytes: usize,
    values: usize,
}

impl Pages {
    /// A walk that begins. Takes the service, whose limits hold.
    pub(crate) fn of(service: &Service) -> Self {
        Self {
            visited: HashSet::new(),
            budget: service.http().limits().list,
            bytes: 0,
            values: 0,
        }
    }

    /// A page has come: counts it before anything is made of it. A list beyond its budget is an
    /// error, as is a page that no reader of JSON should read.
    pub(crate) fn came(&mut self, page: &Response) -> Result<(), Error> {
        self.bytes = self.bytes.saturating_add(page.body().len());
        self.values = self.values.saturating_add(page.measured()?);
        if self.bytes > self.budget.bytes {
            let so_far = format!("more than {} bytes", self.budget.bytes);
            return Err(self.too_much(page, &so_far));
        }
        if self.values > self.budget.values {
            let so_far = format!("more than {} values", self.budget.values);
            return Err(self.too_much(page, &so_far));
        }
        Ok(())
    }

    /// There is room for this many rows in all.
    pub(crate) fn room_for(&self, page: &Response, rows: usize) -> Result<(), Error> {
        if rows > self.budget.rows {
            let so_far = format!("more than {} rows", self.budget.rows);
            return Err(self.too_much(page, &so_far));
        }
        Ok(())
    }

    fn too_much(&self, page: &Response, so_far: &str) -> Error {
        let pages = self.visited.len() + 1;
        let why = format!(
            "its list does not fit into memory: {so_far} after {pages} page(s), and a list may have \
             {} rows, {} MiB and {} values",
            self.budget.rows,
            self.budget.bytes / (1024 * 1024),
            self.budget.values
        );
        page.error(ErrorKind::Malformed, &why).with_help(
            "nothing was changed because of this list; look how many rows the table that the request \
             names has, and delete what nobody needs (old jobs, logs, test data), then run again",
        )
    }

    /// The URL of the next page. Takes the page that named it and the link as it stands there. A
    /// link to another origin, a page seen before, and the page after the last allowed one are
    /// errors.
    pub(crate) fn next(
        &mut self,
        service: &Service,
        page: &Response,
        link: &str,
    ) -> Result<Url, Error> {
        let url = service.link(page, link)?;
        self.seen(page, url.as_str())?;
        Ok(url)
    }

    /// Notes a page by its link or its continuation token.
    pub(crate) fn seen(&mut self, page: &Response, mark: &str) -> Result<(), Error> {
        if !self.visited.insert(mark.to_owned()) {
            return Err(page.error(
                ErrorKind::Malformed,
                "its pages go in circles: one of them is named a second time",
            ));
        }
        if self.visited.len() > MOST_PAGES {
            let why = format!("its list does not end: more than {MOST_PAGES} pages");
            return Err(page.error(ErrorKind::Malformed, &why));
        }
        Ok(())
    }
}

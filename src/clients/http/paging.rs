//! Lists: every page or an error, never a part of the list, and never more than fits into memory.

use std::collections::HashSet;

use url::Url;

use super::policy::ListBudget;
use super::response::Response;
use super::service::Service;
use crate::clients::error::{Error, ErrorKind};

/// More pages than any list of a tenant has; a service that sends more is repeating itself.
const MAX_PAGES: usize = 2_000;

/// Guards the pages of one list: finite, on the service's own origin, and within the budget.
#[derive(Debug)]
pub(crate) struct Pages {
    visited: HashSet<String>,
    budget: ListBudget,
    bytes: usize,
    values: usize,
}

impl Pages {
    /// Starts a list within the service's limits.
    pub(crate) fn new(service: &Service) -> Self {
        Self {
            visited: HashSet::new(),
            budget: service.http().limits().list,
            bytes: 0,
            values: 0,
        }
    }

    /// Counts a page before it is parsed. Fails if the list exceeds its budget, or if the page's
    /// JSON is too deep or too large to parse.
    pub(crate) fn count_page(&mut self, page: &Response) -> Result<(), Error> {
        self.bytes = self.bytes.saturating_add(page.body().len());
        self.values = self.values.saturating_add(page.count_values()?);
        if self.bytes > self.budget.bytes {
            let so_far = format!("more than {} bytes", self.budget.bytes);
            return Err(self.over_budget(page, &so_far));
        }
        if self.values > self.budget.values {
            let so_far = format!("more than {} values", self.budget.values);
            return Err(self.over_budget(page, &so_far));
        }
        Ok(())
    }

    /// Fails if the list has more rows, over all pages so far, than its budget.
    pub(crate) fn check_rows(&self, page: &Response, rows: usize) -> Result<(), Error> {
        if rows > self.budget.rows {
            let so_far = format!("more than {} rows", self.budget.rows);
            return Err(self.over_budget(page, &so_far));
        }
        Ok(())
    }

    fn over_budget(&self, page: &Response, so_far: &str) -> Error {
        let pages = self.visited.len() + 1;
        let why = format!(
            "its list does not fit into memory: {so_far} after {pages} page(s), and a list may have \
             {} rows, {} MiB and {} values",
            self.budget.rows,
            self.budget.bytes / (1024 * 1024),
            self.budget.values
        );
        page.error(ErrorKind::Malformed, &why).with_help(
            "nothing was changed; delete rows that nobody needs from the table that the request names \
             (old jobs, logs, test data), then run again",
        )
    }

    /// The URL of the next page, from a page and the link in it. A link to another origin, a page
    /// that was visited before, and the page after the last allowed one are errors.
    pub(crate) fn next_url(
        &mut self,
        service: &Service,
        page: &Response,
        link: &str,
    ) -> Result<Url, Error> {
        let url = service.resolve_link(page, link)?;
        self.visit(page, url.as_str())?;
        Ok(url)
    }

    /// Records a page by its link or its continuation token.
    pub(crate) fn visit(&mut self, page: &Response, token: &str) -> Result<(), Error> {
        if !self.visited.insert(token.to_owned()) {
            return Err(page.error(
                ErrorKind::Malformed,
                "its pages go in circles: one page links to an earlier page",
            ));
        }
        if self.visited.len() > MAX_PAGES {
            let why = format!("its list does not end: more than {MAX_PAGES} pages");
            return Err(page.error(ErrorKind::Malformed, &why));
        }
        Ok(())
    }
}

//! Page after page: every page or an error, never the rows so far.

use std::collections::HashSet;

use url::Url;

use super::response::Response;
use super::service::Service;
use crate::clients::error::{Error, ErrorKind};

/// More pages than any list of a tenant has; a service that sends more is going in circles.
const MOST_PAGES: usize = 2_000;

/// What keeps a walk over pages finite and at home.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    visited: HashSet<String>,
}

impl Pages {
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

//! The kinds of surface that step 2 closes or reports, one file each. Facts about Microsoft's tables
//! come from Microsoft Learn's Dataverse table reference, unless a file says otherwise.
//!
//! ```text
//! plug_in_steps.rs  plug-in steps, which two kinds read
//! webhooks.rs       plug-in steps that call service endpoints
//! endpoints.rs      service endpoints whose address is replaced
//! plug_ins.rs       plug-in steps whose configuration names production
//! workflows.rs      classic workflows that call or mail
//! slas.rs           service level agreements, whose warnings may mail
//! mailboxes.rs, queues.rs, email_profiles.rs, emails.rs
//!                   what sends and receives e-mail, and e-mail that waits
//! callbacks.rs      trigger registrations of flows
//! jobs.rs           jobs that waited in the source
//! ended_jobs.rs     jobs that have ended before this run could cancel them
//! openings.rs       openings of the target by somebody else
//! yammer.rs         posts to Yammer, which no system job shows
//! rows/             tables whose rows hold an address: sites, data sources, connectors, bots, …
//! virtual_finance.rs
//!                   where virtual tables of Finance and Operations read and write
//! scripts.rs        scripts and pages of forms
//! finance/          Finance and Operations: batch jobs, e-mail, business events, printing
//! ```

pub(crate) mod callbacks;
pub(crate) mod email_profiles;
pub(crate) mod emails;
pub(crate) mod ended_jobs;
pub(crate) mod endpoints;
pub(crate) mod finance;
pub(crate) mod jobs;
pub(crate) mod mailboxes;
pub(crate) mod openings;
mod plug_in_steps;
pub(crate) mod plug_ins;
pub(crate) mod queues;
pub(crate) mod rows;
pub(crate) mod scripts;
pub(crate) mod slas;
pub(crate) mod virtual_finance;
pub(crate) mod webhooks;
pub(crate) mod workflows;
pub(crate) mod yammer;

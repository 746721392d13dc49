//! runbook.

//! The spans of steps, phases and changes, for a trace. They cost nothing unless somebody collects
//! them.

use tracing::Span;
use tracing::field::Empty;

use super::{Change, Failure, FailureKind, Phase, Step};

/// The span of a step.
pub(super) fn of_step(step: &Step) -> Span {
    tracing::info_span!(
        "step",
        otel.name = %step.name,
        iomcopy.step = %step.name,
        otel.status_code = Empty,
        otel.status_description = Empty,
    )
}

/// The span of a phase.
pub(super) fn of_phase(step: &Step, phase: &Phase) -> Span {
    tracing::info_span!(
        "phase",
        otel.name = %format_args!("{}/{}", step.name, phase.name),
        iomcopy.step = %step.name,
        iomcopy.phase = phase.name,
        otel.status_code = Empty,
        otel.status_description = Empty,
    )
}

/// The span of a change.
pub(super) fn of_change(change: &Change) -> Span {
    tracing::info_span!(
        "change",
        otel.name = %change.name,
        iomcopy.key = %change.key,
        iomcopy.kind = ?change.kind(),
        otel.status_code = Empty,
        otel.status_description = Empty,
    )
}

/// Records that a failure ended this span. A wait for a person and a stop are not failures.
pub(super) fn record_failure<T>(span: &Span, result: &Result<T, Failure>) {
    if let Err(failure) = result
        && !matches!(
            failure.kind,
            FailureKind::Waiting | FailureKind::Interrupted
        )
    {
        span.record("otel.status_code", "ERROR");
        span.record("otel.status_description", failure.message.as_str());
    }
}

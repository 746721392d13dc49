//! An operation of the admin API as the progress of a change.

use crate::clients::{Operation, OperationState};
use crate::engine::Progress;

/// What an operation's state means for the change that waits for it. An unknown state is neither
/// success nor failure: it is shown, and the operation is polled again.
pub(crate) fn operation_progress(operation: Operation) -> Progress {
    match operation.state {
        OperationState::Succeeded => Progress::Succeeded(operation.raw),
        OperationState::Failed => Progress::Failed(
            operation
                .error
                .unwrap_or_else(|| "the service gives no reason".to_owned()),
        ),
        OperationState::Running | OperationState::ValidationPassed => {
            Progress::Running(operation.stage.unwrap_or_else(|| "running".to_owned()))
        }
        OperationState::Unknown(state) => Progress::Running(format!("state '{state}'")),
    }
}

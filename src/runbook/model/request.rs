//! The writes of Intelligent Order Management that Microsoft has not published, and the
//! placeholders of the request for each.

use super::iom::IomColumn;
use super::keywords::keywords;

keywords! {
    /// A write that is not a documented platform operation.
    pub enum IomRequest {
        /// Save a platform connection reference, as opening and saving its form does.
        SavePlatformConnectionReference = "save-platform-connection-reference",
        /// *Activate system*: turns the platform's flows on.
        ActivateSystem = "activate-system",
        /// Stop a published orchestration.
        StopOrchestration = "stop-orchestration",
        /// Write an orchestration's graph.
        EditOrchestration = "edit-orchestration",
        /// Deactivate a provider.
        DeactivateProvider = "deactivate-provider",
        /// Delete an installed provider.
        DeleteProvider = "delete-provider",
        /// Install a provider from its definition.
        InstallProvider = "install-provider",
        /// Set a provider's name.
        RenameProvider = "rename-provider",
        /// Write a provider's parameter.
        SetProviderParameter = "set-provider-parameter",
        /// Write a provider's transformation.
        SetProviderTransformation = "set-provider-transformation",
        /// Set the provider of a mapping row.
        SetProviderMapping = "set-provider-mapping",
        /// Save a provider's connection reference.
        SaveProviderConnectionReference = "save-provider-connection-reference",
        /// Activate a provider's connection reference.
        ActivateProviderConnectionReference = "activate-provider-connection-reference",
        /// Activate a provider.
        ActivateProvider = "activate-provider",
        /// Publish a policy.
        PublishPolicy = "publish-policy",
        /// Publish an orchestration.
        PublishOrchestration = "publish-orchestration",
    }
}

keywords! {
    /// A value that a request's template leaves open.
    pub enum Placeholder {
        /// The row acted on; of `install-provider` the definition.
        Id = "<id>",
        /// A GUID that the program creates for a new row.
        NewId = "<new-id>",
        /// The one value that is set; of connection references the connection URL.
        Value = "<value>",
        /// The owner: `systemusers(<guid>)` or `teams(<guid>)`.
        Owner = "<owner>",
        /// The text of the graph's column.
        Graph = "<graph>",
    }
}

keywords! {
    /// The HTTP method of a request.
    pub enum Method {
        /// Create a row, or call an action.
        Post = "POST",
        /// Change a row, or create one whose id is known.
        Patch = "PATCH",
        /// Set one column.
        Put = "PUT",
        /// Remove a row.
        Delete = "DELETE",
    }
}

impl IomRequest {
    /// The placeholders that its template may use.
    pub fn placeholders(self) -> &'static [Placeholder] {
        use Placeholder::{Graph, Id, NewId, Owner, Value};
        match self {
            Self::ActivateSystem => &[],
            Self::StopOrchestration
            | Self::DeactivateProvider
            | Self::DeleteProvider
            | Self::ActivateProviderConnectionReference
            | Self::ActivateProvider
            | Self::PublishPolicy
            | Self::PublishOrchestration => &[Id],
            Self::EditOrchestration => &[Id, Graph],
            Self::InstallProvider => &[Id, NewId],
            Self::RenameProvider
            | Self::SetProviderParameter
            | Self::SetProviderTransformation
            | Self::SetProviderMapping => &[Id, Value],
            Self::SavePlatformConnectionReference | Self::SaveProviderConnectionReference => {
                &[Id, Value, Owner]
            }
        }
    }

    /// The column whose value the request sets, if it is one of IOM's own and not a graph.
    pub fn value_column(self) -> Option<IomColumn> {
        Some(match self {
            Self::SetProviderParameter => IomColumn::ProviderParameterValue,
            Self::SetProviderTransformation => IomColumn::ProviderTransformationScript,
            Self::SetProviderMapping => IomColumn::WarehouseMappingProvider,
            Self::SaveProviderConnectionReference => {
                IomColumn::ProviderConnectionReferenceConnectionUrl
            }
            Self::SavePlatformConnectionReference => {
                IomColumn::PlatformConnectionReferenceConnectionUrl
            }
            _ => return None,
        })
    }

    /// The placeholders without which the request would be the same for every row or write nothing.
    pub fn required_placeholders(self) -> &'static [Placeholder] {
        use Placeholder::{Graph, Id, Value};
        match self {
            Self::ActivateSystem => &[],
            Self::EditOrchestration => &[Id, Graph],
            Self::SavePlatformConnectionReference
            | Self::SaveProviderConnectionReference
            | Self::RenameProvider
            | Self::SetProviderParameter
            | Self::SetProviderTransformation
            | Self::SetProviderMapping => &[Id, Value],
            _ => &[Id],
        }
    }

    /// Whether the request may be sent again when its outcome is unknown: true for *Activate
    /// system* and for publishing, where repeating it is the documented remedy (Microsoft Learn,
    /// Intelligent Order Management: set-up, demo providers).
    pub fn is_harmless_to_repeat(self) -> bool {
        matches!(
            self,
            Self::ActivateSystem | Self::PublishPolicy | Self::PublishOrchestration
        )
    }
}

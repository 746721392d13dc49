//! The ids, credentials and environments of the rehearsal tenant.
//!
//! Nothing here is secret: the tenant listens on the loopback interface and its rows are invented.

/// The tenant's id.
pub const TENANT: &str = "7e4a0000-0000-4000-8000-000000000001";

/// The tenant's domain name; the authority accepts it instead of the id.
pub const TENANT_DOMAIN: &str = "contoso.onmicrosoft.com";

/// The application (client) id that the tenant knows.
pub const CLIENT: &str = "c11e0000-0000-4000-8000-000000000001";

/// The application's secret. It is valid only for this tenant.
pub const SECRET: &str = "rehearsal-tenant-only-not-a-secret";

/// The password of every user in the tenant. It is valid only for this tenant.
pub const PASSWORD: &str = "rehearsal-tenant-only-not-a-password";

/// The secret with which jobs, pods and App Service request a token: GitHub's request token, the
/// access token of Azure Pipelines, App Service's identity header. It is valid only for this
/// tenant.
pub const MACHINE_KEY: &str = "rehearsal-tenant-only-not-a-machine-key";

/// The service connection of Azure Pipelines.
pub const SERVICE_CONNECTION: &str = "5c000000-0000-4000-8000-000000000001";

/// The environment that is copied: Contoso Prod.
pub const SOURCE_ENVIRONMENT: &str = "11111111-1111-1111-1111-111111111111";

/// The environment that is refreshed: Contoso UAT.
pub const TARGET_ENVIRONMENT: &str = "22222222-2222-2222-2222-222222222222";

/// The project of Lifecycle Services in a tenant whose environments it manages.
pub const LCS_PROJECT: u64 = 1_234_567;

/// The source's id in Lifecycle Services.
pub const LCS_SOURCE: &str = "0b6fd1c3a9e84c51b7f2d4a6c8e01357";

/// The target's id in Lifecycle Services.
pub const LCS_TARGET: &str = "e7c53b85-8b6a-4ab9-8985-1e1ea89a0f0a";

/// The user who should own the target's flows and connections; a user of both environments.
pub const ACT_AS: &str = "svc-iom@contoso.com";

/// The token of a user who is signed in to Lifecycle Services, which accepts no application's token.
/// It does not expire and is valid only for this tenant.
pub const LCS_TOKEN: &str = "rehearsal-person-of-lcs-not-a-secret";

/// The same for the dual-write gateway: a token is valid for one service.
pub const DUAL_WRITE_TOKEN: &str = "rehearsal-person-of-dual-write-not-a-secret";

/// The sign-in name of that user.
pub(crate) const PERSON: &str = "ada@contoso.com";

/// The directory object id of the application's service principal.
pub(crate) const CLIENT_OBJECT: &str = "c11e0000-0000-4000-8000-0000000000ff";

/// The directory object id of [`ACT_AS`].
pub(crate) const ACT_AS_OBJECT: &str = "5e7c0000-0000-4000-8000-000000000001";

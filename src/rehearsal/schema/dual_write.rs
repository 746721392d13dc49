//! The tables behind dual-write.

use super::table::Table;

/// The tables.
pub(super) fn tables() -> Vec<Table> {
    vec![
        Table::of_solution(
            ("msdyn_dualwriteentitymap", "msdyn_dualwriteentitymaps"),
            ("Dual Write Entity Map", "Dual Write Entity Maps"),
        )
        .named("msdyn_name", "Name", 200)
        .text("msdyn_displayname", "Display Name", 200)
        .text("msdyn_version", "Version", 100)
        .memo("msdyn_mapping", "Mapping")
        .component()
        .active_or_inactive(),
        Table::of_solution(
            (
                "msdyn_dualwriteruntimeconfig",
                "msdyn_dualwriteruntimeconfigs",
            ),
            (
                "Dual Write Runtime Configuration",
                "Dual Write Runtime Configurations",
            ),
        )
        .named("msdyn_name", "Name", 200)
        .text("msdyn_internalentityname", "Internal Entity Name", 200)
        .text("msdyn_externalentityname", "External Entity Name", 200)
        .memo("msdyn_unsecure", "Unsecure Configuration")
        .active_or_inactive(),
        Table::of_solution(("cdm_Company", "cdm_companies"), ("Company", "Companies"))
            .named("cdm_name", "Name", 200)
            .text("cdm_companycode", "Company Code", 10)
            .active_or_inactive()
            .lookup(
                "cdm_defaultowningteam",
                "Default Owning Team",
                &["team"],
                "cdm_DefaultOwningTeam",
            ),
    ]
}

//! The tables of dual-write: map versions, runtime configuration, companies, plug-ins, and one
//! mapped table.

use super::column::Kind;
use super::table::Table;

/// The tables.
pub(super) fn tables() -> Vec<Table> {
    let mut tables = maps_and_rows();
    tables.extend(plug_ins());
    tables
}

fn maps_and_rows() -> Vec<Table> {
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
        Table::of_platform(("SalesOrder", "salesorders"), ("Order", "Orders"))
            .owned()
            .named("name", "Name", 300)
            .text("ordernumber", "Order ID", 100)
            .text("msdyn_salesordernumber", "Sales Order Number", 100)
            .with("msdyn_isreadytosync", "Is Ready To Sync", Kind::Boolean)
            .lookup(
                "msdyn_company",
                "Company",
                &["cdm_company"],
                "msdyn_Company",
            ),
    ]
}

fn plug_ins() -> Vec<Table> {
    vec![
        Table::of_platform(
            ("PluginAssembly", "pluginassemblies"),
            ("Plug-in Assembly", "Plug-in Assemblies"),
        )
        .named("name", "Name", 256)
        .text("version", "Version", 48),
        Table::of_platform(
            ("PluginType", "plugintypes"),
            ("Plug-in Type", "Plug-in Types"),
        )
        .named("typename", "Type Name", 256)
        .text("assemblyname", "Assembly Name", 100)
        .lookup(
            "pluginassemblyid",
            "Plugin Assembly",
            &["pluginassembly"],
            "pluginassemblyid",
        ),
        Table::of_platform(
            ("SdkMessageProcessingStep", "sdkmessageprocessingsteps"),
            (
                "Sdk Message Processing Step",
                "Sdk Message Processing Steps",
            ),
        )
        .named("name", "Name", 256)
        .lookup(
            "plugintypeid",
            "Plug-In Type",
            &["plugintype"],
            "plugintypeid",
        )
        .states(
            &[(0, "Enabled"), (1, "Disabled")],
            &[(1, "Enabled", 0), (2, "Disabled", 1)],
        ),
    ]
}

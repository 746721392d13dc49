//! The maps of this tenant. Names and integration keys are those of Microsoft's
//! *Dual-write-automations* (`App.config`) and of *Set up the Finance and Operations provider*; the
//! names of entities and the dependencies between maps are invented.

#[derive(Clone, Copy, Debug)]
pub(crate) struct MapDefinition {
    pub(crate) name: &'static str,
    /// The entity of Finance and Operations: name and display name.
    pub(crate) finance: (&'static str, &'static str),
    /// The entity set of Dataverse, the table, and its display name.
    pub(crate) dataverse: (&'static str, &'static str, &'static str),
    /// Its integration key.
    pub(crate) key: &'static [&'static str],
    /// The maps that must run before it.
    pub(crate) needs: &'static [&'static str],
    /// Whether it synchronizes in both directions; otherwise only from Finance and Operations.
    pub(crate) both_ways: bool,
}

const COMPANIES: &str = "cdm_companies - Legal entities";
const CUSTOMERS: &str = "accounts - Customers V3";
const SITES: &str = "msdyn_operationalsites - Sites";
const WAREHOUSES: &str = "msdyn_warehouses - Warehouses";
const PRODUCTS: &str = "products - CDS released distinct products";
const ORDERS: &str = "salesorders - CDS sales order headers";
const LINES: &str = "salesorderdetails - CDS sales order lines V2";
const INVOICES: &str = "invoices - Sales invoice headers V2";

pub(crate) const MAPS: [MapDefinition; 8] = [
    MapDefinition {
        name: COMPANIES,
        finance: ("LegalEntityEntity", "Legal entities"),
        dataverse: ("cdm_companies", "cdm_company", "Company"),
        key: &["cdm_companycode"],
        needs: &[],
        both_ways: false,
    },
    MapDefinition {
        name: CUSTOMERS,
        finance: ("CustCustomerV3Entity", "Customers V3"),
        dataverse: ("accounts", "account", "Account"),
        key: &["accountnumber", "msdyn_company.cdm_companycode"],
        needs: &[COMPANIES],
        both_ways: true,
    },
    MapDefinition {
        name: SITES,
        finance: ("InventOperationalSiteEntity", "Sites"),
        dataverse: ("msdyn_operationalsites", "msdyn_operationalsite", "Site"),
        key: &["msdyn_siteid", "msdyn_company.cdm_companycode"],
        needs: &[COMPANIES],
        both_ways: true,
    },
    MapDefinition {
        name: WAREHOUSES,
        finance: ("InventWarehouseEntity", "Warehouses"),
        dataverse: ("msdyn_warehouses", "msdyn_warehouse", "Warehouse"),
        key: &["msdyn_warehouseidentifier", "msdyn_company.cdm_companycode"],
        needs: &[SITES],
        both_ways: true,
    },
    MapDefinition {
        name: PRODUCTS,
        finance: (
            "EcoResReleasedDistinctProductCDSEntity",
            "CDS released distinct products",
        ),
        dataverse: ("products", "product", "Product"),
        key: &["msdyn_productnumber", "msdyn_companyid.cdm_companycode"],
        needs: &[COMPANIES],
        both_ways: true,
    },
    MapDefinition {
        name: ORDERS,
        finance: ("SalesOrderHeaderCDSEntity", "CDS sales order headers"),
        dataverse: ("salesorders", "salesorder", "Order"),
        key: &["msdyn_salesordernumber", "msdyn_company.cdm_companycode"],
        needs: &[CUSTOMERS, WAREHOUSES],
        both_ways: true,
    },
    MapDefinition {
        name: LINES,
        finance: ("SalesOrderLineCDSV2Entity", "CDS sales order lines V2"),
        dataverse: ("salesorderdetails", "salesorderdetail", "Order Product"),
        key: &[
            "sequencenumber",
            "salesorderid.msdyn_salesordernumber",
            "salesorderid.msdyn_company.cdm_companycode",
        ],
        needs: &[ORDERS, PRODUCTS],
        both_ways: true,
    },
    MapDefinition {
        name: INVOICES,
        finance: ("SalesInvoiceHeaderV2Entity", "Sales invoice headers V2"),
        dataverse: ("invoices", "invoice", "Invoice"),
        key: &[
            "msdyn_ledgervoucher",
            "msdyn_invoicedate",
            "msdyn_invoicenumber",
            "msdyn_company.cdm_companycode",
        ],
        needs: &[CUSTOMERS],
        both_ways: false,
    },
];

pub(crate) fn definition(name: &str) -> Option<&'static MapDefinition> {
    MAPS.iter().find(|map| map.name == name)
}

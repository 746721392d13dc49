//! Reads metadata once and caches it. Names are looked up, never guessed: entity sets are not
//! always the logical name and an `s`.

use std::sync::Arc;

use super::client::Dataverse;
use super::metadata::{
    OptionLabel, Table, parse_column, parse_definition, parse_lookup, parse_option,
};
use crate::base::encoding::{ODATA_OPTION, percent_encode};
use crate::clients::error::{Error, ErrorKind};
use crate::clients::http::Response;
use crate::clients::odata::literal;

const TABLE: &str = "LogicalName,EntitySetName,PrimaryIdAttribute,PrimaryNameAttribute,\
                     IsOptimisticConcurrencyEnabled,DisplayName";
const COLUMN: &str = "LogicalName,AttributeType,IsValidForUpdate,DisplayName";
const LOOKUP: &str =
    "ReferencingAttribute,ReferencedEntity,ReferencingEntityNavigationPropertyName";

impl Dataverse {
    /// A table by its logical name; `None` if the organization does not have it. Cached until
    /// [`Self::clear_metadata`].
    pub async fn table(&self, logical_name: &str) -> Result<Option<Arc<Table>>, Error> {
        let cell = self.metadata.table(logical_name);
        let table = cell.get_or_try_init(|| self.read_table(logical_name)).await;
        match table {
            Ok(table) => Ok(Some(Arc::clone(table))),
            // The code of this 404 varies from release to release, so the status decides.
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Every custom table, with its names but without its columns, to find one by its display name.
    pub async fn tables(&self) -> Result<Vec<Table>, Error> {
        let path = format!("EntityDefinitions?$select={TABLE}&$filter=IsCustomEntity%20eq%20true");
        let response = self.read_metadata(&path).await?;
        response.parse_items(response.value()?.get("value"), "tables", parse_definition)
    }

    /// The values and labels of a choice column, by the logical names of table and column; `None`
    /// if the column does not exist or is not a choice. Cached.
    pub async fn options(
        &self,
        table: &str,
        column: &str,
    ) -> Result<Option<Arc<Vec<OptionLabel>>>, Error> {
        let Some(found) = self.table(table).await? else {
            return Ok(None);
        };
        let kind = found
            .column(column)
            .and_then(|column| column.kind.as_deref());
        let cast = match kind {
            Some("State") => "StateAttributeMetadata",
            Some("Status") => "StatusAttributeMetadata",
            Some("Picklist") => "PicklistAttributeMetadata",
            _ => return Ok(None),
        };
        let cell = self.metadata.options(table, column);
        let options = cell.get_or_try_init(|| async {
            let definition = by_key("EntityDefinitions", "LogicalName", table);
            let attribute = by_key("Attributes", "LogicalName", column);
            let path = format!(
                "{definition}/{attribute}/Microsoft.Dynamics.CRM.{cast}?$select=LogicalName&$expand=OptionSet"
            );
            let response = self.read_metadata(&path).await?;
            let body = response.value()?;
            let options = body.pointer("/OptionSet/Options");
            let labels = response.parse_items(options, "options", parse_option)?;
            Ok::<_, Error>(Arc::new(labels))
        });
        Ok(Some(Arc::clone(options.await?)))
    }

    /// Clears the cached tables and options. A copy replaces them by the source's.
    pub fn clear_metadata(&self) {
        self.metadata.clear();
    }

    /// Reads a definition, not the service's cache of it, which may lag by half a minute after a
    /// change (Microsoft Learn, *Compose HTTP requests*, `Consistency`). A copy changes all of them,
    /// and what is read then is kept for the rest of the run.
    async fn read_metadata(&self, path: &str) -> Result<Response, Error> {
        let request = self.read_request(path)?.header("consistency", "Strong");
        self.service.send(&request).await
    }

    async fn read_table(&self, logical_name: &str) -> Result<Arc<Table>, Error> {
        let definition = by_key("EntityDefinitions", "LogicalName", logical_name);
        // One request for all of it (Microsoft Learn, *Query table definitions using the Web API*:
        // `$expand` of `Attributes` and of relationships).
        let path = format!(
            "{definition}?$select={TABLE}&$expand=Attributes($select={COLUMN}),\
             ManyToOneRelationships($select={LOOKUP})"
        );
        let response = self.read_metadata(&path).await?;
        let body = response.value()?;
        let table = parse_definition(&body)
            .ok_or_else(|| response.malformed("the response defines no table"))?;
        Ok(Arc::new(Table {
            columns: response.parse_items(body.get("Attributes"), "columns", parse_column)?,
            lookups: response.parse_items(
                body.get("ManyToOneRelationships"),
                "relationships",
                parse_lookup,
            )?,
            ..table
        }))
    }
}

/// A key in a path: `EntityDefinitions(LogicalName='x')`.
fn by_key(set: &str, key: &str, value: &str) -> String {
    let literal = percent_encode(&literal(value), ODATA_OPTION);
    format!("{set}({key}={literal})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::testing::{Listener, Received, Reply, Setup};

    fn response(request: &Received, _before: usize) -> Reply {
        let path = request.path.as_str();
        if path.contains("LogicalName=%27absent%27") {
            Reply::json(404, r#"{"error":{"code":"0x80060888","message":"x"}}"#)
        } else if path.contains("StatusAttributeMetadata") {
            Reply::json(
                200,
                r#"{"OptionSet":{"Options":[{"Value":1,"State":0,"Label":{"UserLocalizedLabel":{"Label":"Active"}}}]}}"#,
            )
        } else {
            Reply::json(
                200,
                r#"{"LogicalName":"t","EntitySetName":"ts","PrimaryIdAttribute":"tid","PrimaryNameAttribute":"name",
                "Attributes":[{"LogicalName":"statuscode","AttributeType":"Status","IsValidForUpdate":true},
                {"LogicalName":"name","AttributeType":"String","IsValidForUpdate":false}],
                "ManyToOneRelationships":[{"ReferencingAttribute":"ownerid","ReferencedEntity":"owner","ReferencingEntityNavigationPropertyName":"ownerid"}]}"#,
            )
        }
    }

    #[tokio::test]
    async fn a_table_is_read_once_until_the_cache_is_cleared() {
        let setup = Setup::new(1_000.0);
        let listener = Listener::start(response).await;
        let dataverse = Dataverse::new(setup.service(&listener.url));
        for _ in 0..3 {
            let table = dataverse.table("t").await.unwrap().unwrap();
            assert!(table.has_column("name") && !table.has_column("other"));
            assert_eq!(
                table.lookups_of("ownerid").next().unwrap().navigation,
                "ownerid"
            );
        }
        assert_eq!(listener.count(), 1);
        for _ in 0..2 {
            let options = dataverse.options("t", "statuscode").await.unwrap().unwrap();
            assert_eq!(options[0].label, "Active");
        }
        assert_eq!(listener.count(), 2);
        for request in listener.received() {
            assert_eq!(request.header("consistency"), Some("Strong"));
        }
        assert_eq!(dataverse.options("t", "name").await.unwrap(), None);
        dataverse.clear_metadata();
        dataverse.table("t").await.unwrap();
        assert_eq!(listener.count(), 3);
    }

    #[tokio::test]
    async fn a_missing_table_is_none_and_is_read_again() {
        let setup = Setup::new(1_000.0);
        let listener = Listener::start(response).await;
        let dataverse = Dataverse::new(setup.service(&listener.url));
        for _ in 0..2 {
            assert_eq!(dataverse.table("absent").await.unwrap(), None);
        }
        assert_eq!(dataverse.options("absent", "x").await.unwrap(), None);
        assert_eq!(listener.count(), 3);
    }
}

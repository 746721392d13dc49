//! stub
use std::path::PathBuf;
pub struct Options {
    pub world: PathBuf,
    pub speed: f64,
    pub faults: Vec<Fault>,
}
pub struct Rehearsal {}
impl Rehearsal {
    pub async fn start(_o: Options) -> Result<Self, std::io::Error> {
        Ok(Self {})
    }
    pub fn endpoints(&self) -> &Endpoints {
        todo!()
    }
    pub async fn stop(self) {}
}
pub struct Endpoints {
    pub speed: f64,
    pub authority: String,
    pub services: Vec<ServiceEndpoint>,
}
impl std::fmt::Display for Endpoints {
    fn fmt(&self, _f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}
pub struct ServiceEndpoint {
    pub key: &'static str,
    pub url: String,
    pub scope: String,
}
pub const TENANT: &str = "t";
pub const CLIENT: &str = "c";
pub const SECRET: &str = "s";
pub struct Fault;
impl std::str::FromStr for Fault {
    type Err = String;
    fn from_str(_: &str) -> Result<Self, String> {
        Ok(Fault)
    }
}

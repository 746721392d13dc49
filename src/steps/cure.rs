//! The smallest cure for what a step's survey still finds once its run has finished: a finished run
//! changes nothing any more, and a new copy is out of proportion to a flow that somebody turned off.

/// What a person does about the changes that a step still finds after its run has finished. Takes the
/// step's name.
pub(crate) fn by_hand(step: &str) -> &'static str {
    match step {
        "copy-environments" | "exit-administration-mode" => {
            "set each thing that is named on the environment's page in the admin center, or in \
             Finance and Operations where it is named there"
        }
        "reconfigure-connections" => {
            "open each reference that is named in its solution in the maker portal (IOM's own: IOM \
             app > Core settings > Admin home > Connection references) and choose the connection"
        }
        "activate-flows" => {
            "turn each flow that is named on or off in the maker portal (Solutions > Cloud flows)"
        }
        "detach-provider-actions" | "restore-provider-actions" => {
            "open each orchestration that is named in the designer, choose the provider action in \
             the tile, save and publish"
        }
        "reinstall-providers" => {
            "open the provider in the IOM app (Providers > Installed) and set what is named there"
        }
        "reconfigure-dual-write" => {
            "Finance and Operations > Data management > Dual-write: set what is named there"
        }
        _ => "make each change that is named by hand",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_has_a_cure_that_destroys_nothing() {
        for step in crate::steps::NAMES.into_iter().chain(["own-step"]) {
            let cure = by_hand(step).to_ascii_lowercase();
            for word in ["--fresh", "--again", "delete", "reset", "reinstall the"] {
                assert!(!cure.contains(word), "{step}: {cure}");
            }
        }
    }
}

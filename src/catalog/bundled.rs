//! The catalog files that are part of the program.

macro_rules! bundle {
    ($($name:literal),* $(,)?) => {
        [$((
            concat!("rules/catalog/", $name, ".toml"),
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/rules/catalog/", $name, ".toml")),
        )),*]
    };
}

/// Name and text of each file of `rules/catalog`, in the order of the guide's tables.
pub(super) const FILES: &[(&str, &str)] = &bundle![
    "roles",
    "scopia-elite-5200",
    "scopia-elite-5200-media-blade",
    "scopia-elite-5100",
    "scopia-mcu",
    "scopia-mcu-mvp",
    "scopia-gateway",
    "scopia-3g-gateway",
    "msp-324m",
    "ivp",
    "msp-ivp",
    "mvp-m2-sp",
    "scopia-ecs",
    "scopia-dcs",
    "scopia-iview-management-suite",
    "scopia-iview-network-manager",
    "scopia-pathfinder",
    "scopia-pathfinder-client",
    "scopia-desktop",
    "scopia-desktop-client",
    "scopia-xt-desktop",
    "scopia-xt1000",
    "scopia-vc240",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::FILES;

    #[test]
    fn the_list_equals_the_directory() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/rules/catalog");
        let there: BTreeSet<String> = std::fs::read_dir(directory)
            .unwrap()
            .map(|entry| format!("rules/catalog/{}", entry.unwrap().file_name().to_str().unwrap()))
            .collect();
        let listed: BTreeSet<String> = FILES.iter().map(|(name, _)| (*name).to_string()).collect();
        assert_eq!(there, listed);
        assert_eq!(listed.len(), FILES.len());
    }
}

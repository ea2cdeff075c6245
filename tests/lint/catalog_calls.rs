//! Calls to and from every bundled product that has media: `explain` knows the product's own way round where its media
//! is blocked, and what people notice there.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use crate::{behind, common};

use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use behind::{LANGUAGES, Policy, Ports};
use common::Scratch;
use pinhole::calls::Calls;
use pinhole::catalog::{Catalog, Product, Requirement, Transport};
use serde::Deserialize;

/// What `explain --format json` prints, as far as it is read here.
#[derive(Deserialize, Debug)]
struct Explained {
    works: String,
    stages: Vec<Stage>,
}

#[derive(Deserialize, Debug)]
struct Stage {
    stage: String,
    works: String,
    symptom: String,
}

/// The calls that are tried, in this order.
const CALLS: [&str; 5] = ["webrtc", "sip", "h323", "h460", "desktop"];

/// The services that media goes by.
const MEDIA: [&str; 3] = ["ice-udp", "rtp", "media"];

fn media(product: &Product) -> impl Iterator<Item = &Requirement> {
    let is = |row: &&Requirement| {
        MEDIA.contains(&row.service.as_str()) && row.is_in(None) && row.confined.is_none()
    };
    product.requirements.iter().filter(is)
}

fn ports<'r>(rows: impl Iterator<Item = &'r Requirement>) -> Vec<Ports<'static>> {
    let word = |transport: &Transport| match transport {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
    };
    let of_row = |row: &'r Requirement| {
        row.transports
            .iter()
            .flat_map(move |over| row.ports.iter().map(move |(lo, hi)| (word(over), [*lo, *hi])))
    };
    rows.flat_map(of_row).collect()
}

/// Whether a product has signalling with those whom a call is between: what only relays or mixes media, and what calls
/// its own kind alone, is no end of a call.
fn signals(catalog: &Catalog, calls: &Calls, product: &Product) -> bool {
    CALLS.iter().filter_map(|name| calls.call(name)).any(|call| {
        let needed = call.stages.iter().filter(|stage| call.needs.contains(&stage.name));
        let services: Vec<&String> = needed.flat_map(|stage| &stage.services).collect();
        let named: Vec<String> = call.roles().concat().concat();
        let roles: Vec<&str> = named.iter().flat_map(|role| catalog.implied_roles(role)).collect();
        product.requirements.iter().any(|row| {
            let meant = row.peer.as_deref().is_none_or(|peer| roles.contains(&peer));
            meant && services.contains(&&row.service) && row.is_in(None) && row.confined.is_none()
        })
    })
}

/// A product behind a firewall, and the ends of a call with it.
struct Call<'c> {
    scratch: &'c Scratch,
    product: &'c Product,
    language: &'static str,
    ends: [String; 2],
    name: &'static str,
}

impl<'c> Call<'c> {
    /// The first call that makes sense with a product, from far away or to there.
    fn first(scratch: &'c Scratch, product: &'c Product, language: &'static str) -> Option<Call<'c>> {
        let own = format!("{}-{language}", product.name);
        behind::site(scratch, &[&product.name], [], None, Policy::Without(&[]));
        for name in CALLS {
            for far in ["anybody", "office"] {
                for ends in [[far.to_string(), own.clone()], [own.clone(), far.to_string()]] {
                    let call = Call { scratch, product, language, ends, name };
                    if call.explain().is_some() {
                        return Some(call);
                    }
                }
            }
        }
        None
    }

    fn explain(&self) -> Option<Explained> {
        let [from, to] = &self.ends;
        let output = Command::new(env!("CARGO_BIN_EXE_pinhole"))
            .current_dir(&self.scratch.0)
            .args(["explain", "--from", from, "--to", to, "--call", self.name, "--format", "json"])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (output.status.code() != Some(2)).then(|| serde_json::from_slice(&output.stdout).unwrap())
    }

    fn with(&self, policy: Policy<'_>) -> Explained {
        behind::site(self.scratch, &[&self.product.name], [], None, policy);
        self.explain().unwrap()
    }

    /// What is wrong with what is said of the call.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut fault = |what: &str, said: &Explained| {
            let [from, to] = &self.ends;
            faults
                .push(format!("{} from {from} to {to} over {}: {what}: {said:?}", self.name, self.language));
        };
        let open = self.with(Policy::Without(&[]));
        if open.works != "yes" {
            fault("all is open", &open);
        }
        let shut = self.with(Policy::Only(&[]));
        let silent =
            shut.stages.iter().filter(|stage| stage.works != "yes").any(|stage| stage.symptom.is_empty());
        if shut.works != "no" || silent {
            fault("all is shut", &shut);
        }
        let browsers = self.name == "webrtc";
        let rows: Vec<&Requirement> =
            media(self.product).filter(|row| (row.service == "ice-udp") == browsers).collect();
        if rows.is_empty() {
            return faults;
        }
        let closed = ports(rows.iter().copied());
        let without = self.with(Policy::Without(&closed));
        let stages =
            without.stages.iter().filter(|stage| ["ice-udp", "media"].contains(&stage.stage.as_str()));
        let mut notices = rows.iter().filter_map(|row| row.notice.as_deref());
        if browsers && !stages.clone().any(|stage| notices.any(|notice| notice == stage.symptom)) {
            fault("the media is shut, and what people notice is not the product's", &without);
        }
        let fallback = |row: &&Requirement| {
            let named = |name: &String| [row.name(), row.service.as_str()].contains(&name.as_str());
            rows.iter().any(|media| media.fallback.iter().any(named))
        };
        let ways: Vec<&Requirement> = self.product.requirements.iter().filter(fallback).collect();
        let there_is_one = without.works != "no";
        let asked = self.name != "desktop" && without.stages.iter().any(|stage| stage.stage == "media");
        if browsers && there_is_one == ways.is_empty() || asked && without.works == "yes" {
            fault("the media is shut", &without);
        }
        let closed = ports(rows.iter().copied().chain(ways));
        let nothing = self.with(Policy::Without(&closed));
        if browsers && nothing.works != "no" {
            fault("the media is shut, and what the product falls back to", &nothing);
        }
        faults
    }
}

#[test]
fn calls_with_each_product_go_its_own_way() {
    let catalog = Catalog::bundled().unwrap();
    let calls = Calls::bundled(&catalog).unwrap();
    let products: Vec<&Product> =
        catalog.products().iter().filter(|product| media(product).next().is_some()).collect();
    let (next, faulty) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get());
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let (products, catalog, calls, next, faulty) = (&products, &catalog, &calls, &next, &faulty);
            scope.spawn(move || {
                let scratch = Scratch::new(&format!("call-{worker}"));
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(product) = products.get(at) else { return };
                    let found = match Call::first(&scratch, product, LANGUAGES[at % LANGUAGES.len()]) {
                        Some(call) => call.faults(),
                        None if signals(catalog, calls, product) => {
                            vec![format!("{}: no call makes sense", product.name)]
                        }
                        None => Vec::new(),
                    };
                    faulty.lock().unwrap().extend(found);
                }
            });
        }
    });
    let mut faulty = faulty.into_inner().unwrap();
    faulty.sort();
    assert!(faulty.is_empty(), "{} of {} products:\n{}", faulty.len(), products.len(), faulty.join("\n"));
}

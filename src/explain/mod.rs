//! Why a call works or does not: stage by stage, both ways, through every firewall on the path.
//!
//! What a call is says [`crate::calls`]; who gets through says [`crate::judge`]; here the one is asked of the other.

mod answer;
mod ends;
mod fate;
mod legs;
pub(crate) mod logs;
pub(crate) mod matrix;
mod pairs;
mod parties;
pub(crate) mod request;
mod stages;
pub(crate) mod survey;
pub(crate) mod told;
pub(crate) mod told_log;
pub(crate) mod told_request;

use std::rc::Rc;

use crate::calls::{Call, Calls, Need};
use crate::judge::{Desk, Judge};
use crate::packet::Family;
use crate::site::RoutingMode;

pub(crate) use crate::judge::Step;
pub(crate) use ends::{End, Side};
pub(crate) use fate::{Fate, Works};
pub(crate) use legs::Question;
pub(crate) use parties::{Part, Party};

/// Which way a row of an explanation goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Direction {
    /// From the caller to the called end.
    AToB,
    /// Back.
    BToA,
}

/// One row of an explanation: one way of one stage.
#[derive(Clone, Debug)]
pub(crate) struct Row<'a> {
    /// The stage's name.
    pub stage: String,
    /// For people.
    pub title: String,
    /// Whoever opens it.
    pub from: Rc<Party>,
    /// Whoever it goes to.
    pub to: Rc<Party>,
    /// What is asked for: the catalog's row, transport and ports.
    pub question: Question<'a>,
    /// How much the call needs the stage.
    pub need: Need,
    /// What becomes of it.
    pub fate: Fate,
    /// What people notice where it fails.
    pub symptom: String,
    /// The stages that it needs were reached and did not fail.
    pub reached: bool,
    /// The gatekeeper's modes in which it happens; empty where that makes no difference.
    pub modes: Vec<RoutingMode>,
    /// The way through the firewalls of a packet that shows it.
    pub hops: Vec<Step>,
}

impl Row<'_> {
    /// Which way it goes, where it is between the two ends.
    pub(crate) fn direction(&self) -> Option<Direction> {
        match (self.from.part, self.to.part) {
            (Part::Caller, Part::Called) => Some(Direction::AToB),
            (Part::Called, Part::Caller) => Some(Direction::BToA),
            _ => None,
        }
    }
}

/// The answer to a question about a call.
#[derive(Clone, Debug)]
pub(crate) struct Explanation<'a> {
    /// The caller.
    pub from: String,
    /// The called end.
    pub to: String,
    /// The call's name.
    pub call: String,
    /// The call for people.
    pub title: String,
    /// The family of addresses that it is told of.
    pub family: Family,
    /// The overall answer.
    pub works: Works,
    /// What that depends on.
    pub depends_on: Vec<String>,
    /// The ways of the stages, in order.
    pub rows: Vec<Row<'a>>,
    /// The first row that keeps the call from working.
    pub first: Option<usize>,
    /// What works worse than it could.
    pub degraded: Vec<String>,
    /// What is taken for granted.
    pub assumes: Vec<String>,
    /// What else there is to know.
    pub notes: Vec<String>,
}

/// Why a call cannot be explained.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Senseless {
    /// Both ends are the same.
    #[error("`{0}` is at both ends of the call")]
    Same(String),
    /// Neither end is a device, so that nobody says what is needed.
    #[error(
        "neither `{from}` nor `{to}` is a device of the site: give one end the name of a `[[device]]`, whose product says \
         which ports it needs"
    )]
    NoDevice {
        /// The caller.
        from: String,
        /// The called end.
        to: String,
    },
    /// They have no family of addresses in common.
    #[error("`{from}` and `{to}` have no addresses of one family")]
    NoFamily {
        /// The caller.
        from: String,
        /// The called end.
        to: String,
    },
    /// The products have nothing to do with such a call.
    #[error("a call `{call}` makes no sense from `{from}` to `{to}`: {why}")]
    NoService {
        /// The call's name.
        call: String,
        /// The caller.
        from: String,
        /// The called end.
        to: String,
        /// Which services are missing at whom.
        why: String,
    },
    /// They have to do with none.
    #[error(
        "no call that is known makes sense from `{from}` to `{to}`: their products have no services in common"
    )]
    NoCall {
        /// The caller.
        from: String,
        /// The called end.
        to: String,
    },
}

/// Explains a call between two ends: in the family, and between the addresses, with which it fares best.
pub(crate) fn explain<'a>(
    judge: &Judge<'a>,
    call: &Call,
    from: &End,
    to: &End,
) -> Result<Explanation<'a>, Senseless> {
    let (a, b) = (from.name.clone(), to.name.clone());
    if from.device.is_some() && from.device == to.device {
        return Err(Senseless::Same(a));
    }
    if from.device.is_none() && to.device.is_none() {
        return Err(Senseless::NoDevice { from: a, to: b });
    }
    let mut desk = Desk::new(judge);
    let mut all: Vec<Explanation<'a>> = Vec::new();
    let mut middle = None;
    for [caller, called] in call.roles() {
        for (here, there, family) in meetings(from, to) {
            let case = parties::Case::new(judge, call, (here, &caller), (there, &called), family);
            middle = case.lacks_middle();
            all.extend(stages::run(case, &mut desk));
        }
        if !all.is_empty() {
            break;
        }
    }
    if all.is_empty() {
        let families = meetings(from, to).next().is_some();
        return Err(match families {
            false => Senseless::NoFamily { from: a, to: b },
            true => Senseless::NoService {
                why: match middle {
                    Some(role) => format!("the site has no {}", answer::filler(judge.catalog, role)),
                    None => lacking(judge, call, from, to),
                },
                call: call.name.clone(),
                from: a,
                to: b,
            },
        });
    }
    Ok(answer::best(all))
}

/// The calls that make sense between two ends, in the order in which they are tried.
pub(crate) fn sensible<'c>(judge: &Judge<'_>, calls: &'c Calls, from: &End, to: &End) -> Vec<&'c Call> {
    let makes_sense = |call: &&'c Call| {
        call.roles().iter().any(|[caller, called]| {
            meetings(from, to).any(|(here, there, family)| {
                parties::Case::new(judge, call, (here, caller), (there, called), family).comes_to_mind()
            })
        })
    };
    calls.all().iter().filter(makes_sense).collect()
}

/// Where two ends can be, in each family that both have there.
fn meetings<'e>(from: &'e End, to: &'e End) -> impl Iterator<Item = (Side<'e>, Side<'e>, Family)> {
    let places = from.places.iter().flat_map(|here| to.places.iter().map(move |there| (here, there)));
    let sides = places.map(|(here, there)| (Side { end: from, far: here }, Side { end: to, far: there }));
    sides.flat_map(|(here, there)| {
        legs::families(here, there).into_iter().map(move |family| (here, there, family))
    })
}

/// Calls without those that are a part of another one, such as SIP over one of the transports: they say nothing new.
pub(crate) fn whole_calls<'c>(calls: &[&'c Call]) -> Vec<&'c Call> {
    let is_part = |call: &Call| calls.iter().any(|whole| call.name.starts_with(&format!("{}-", whole.name)));
    calls.iter().copied().filter(|call| !is_part(call)).collect()
}

/// Which services are missing at whom.
fn lacking(judge: &Judge<'_>, call: &Call, from: &End, to: &End) -> String {
    let services = call
        .stages
        .iter()
        .filter(|stage| call.needs.is_empty() || call.needs.contains(&stage.name))
        .flat_map(|stage| &stage.services);
    let of = |end: &End| {
        let product = end.product(judge.site, judge.catalog)?;
        Some(format!("the product of `{}` is {}", end.name, product.title))
    };
    let ends: Vec<String> = [of(from), of(to)].into_iter().flatten().collect();
    let needed = answer::unique(services.map(|service| format!("`{service}`")));
    format!("{}, and the catalog has nothing between them on {}", ends.join(", "), needed.join(" or "))
}

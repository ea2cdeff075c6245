use super::*;
use crate::catalog::Catalog;

fn bundled() -> (Catalog, Calls) {
    let catalog = Catalog::bundled().unwrap();
    let calls = Calls::bundled(&catalog).unwrap();
    (catalog, calls)
}

#[test]
fn the_bundled_calls_are_read() {
    let (_, calls) = bundled();
    let names: Vec<&str> = calls.all().iter().map(|call| call.name.as_str()).collect();
    for name in [
        "h323",
        "h323-direct",
        "h323-routed",
        "h460",
        "sip",
        "sip-udp",
        "sip-tcp",
        "sip-tls",
        "sip-registered",
        "webrtc",
        "desktop",
        "management",
    ] {
        assert!(names.contains(&name), "{name} of {names:?}");
    }
    assert_eq!(names[0], "h323");
}

#[test]
fn every_stage_says_what_people_notice() {
    let (_, calls) = bundled();
    for stage in calls.all().iter().flat_map(|call| &call.stages) {
        let symptoms = [&stage.symptom].into_iter().chain(&stage.symptom_one_way).chain(&stage.symptom_part);
        for symptom in symptoms {
            assert!(symptom.ends_with('.') && symptom.starts_with(char::is_uppercase), "{symptom}");
        }
    }
}

#[test]
fn a_call_that_is_like_another_keeps_its_stages() {
    let (_, calls) = bundled();
    let tls = calls.call("sip-tls").unwrap();
    let sip: Vec<&Stage> = tls.named("sip").collect();
    assert_eq!(sip[0].services, ["sips"]);
    assert!(tls.encrypted && tls.named("media").count() == 1);
    assert_eq!(calls.call("h323-direct").unwrap().mode.map(|mode| mode.name()), Some("direct"));
}

//! A plan as a page for those who approve it.

use std::time::Duration;

use maud::{Markup, html};

use super::{Effect, LostProviders, PlanFacts, PlanReport, is_by_hand, values_of};
use crate::base::text::count;
use crate::engine::{PlannedChange, PlannedStep};
use crate::report::duration;
use crate::report::page::{Page, Section, breakable, list, row, safe, table, time, values};
use crate::report::run_report::plan_pictures;

/// How many changes may be unfolded at once: more would hide what comes after them.
const UNFOLDED: usize = 40;

/// The page, without a final line break.
pub fn plan_page(report: &PlanReport<'_>, facts: &PlanFacts<'_>) -> String {
    let section = |title, id, content: Option<Markup>| {
        content.map(|content| Section::new(title, id, content))
    };
    let ended = report.final_changes();
    let by_hand: Vec<&PlannedChange> = report.changes().filter(|it| is_by_hand(it)).collect();
    let plan = report.plan;
    let (graphs, wires) = plan_pictures(plan, &facts.graphs);
    let sections = [
        section("Steps", "steps", Some(steps(report))),
        section(
            "Cannot be undone",
            "final",
            (!ended.is_empty()).then(|| final_changes(&report.lost_providers, &ended)),
        ),
        section(
            "By hand",
            "by-hand",
            (!by_hand.is_empty()).then(|| manual_changes(report, &by_hand)),
        ),
        section("What may differ", "differences", may_differ(report)),
        section("Orchestrations", "orchestrations", graphs),
        section("Connections", "connections", wires),
        section(
            "Changes",
            "changes",
            (!plan.is_empty()).then(|| changes(report)),
        ),
    ];
    let page = Page {
        title: format!("Plan for {}", safe(report.target)),
        head: head(report, facts),
        sections: sections.into_iter().flatten().collect(),
        foot: html! { p.faint { "Digest of the plan: " code { (breakable(facts.digest)) } } },
    };
    page.render()
}

fn head(report: &PlanReport<'_>, facts: &PlanFacts<'_>) -> Markup {
    let plan = report.plan;
    let by_hand = plan.by_hand();
    html! {
        ul.counts {
            li { b { (plan.len()) } (noun(plan.len(), "change")) }
            @for effect in Effect::ALL {
                @let number = report.count(effect);
                @if number > 0 { li { b { span.sign { (effect.sign()) } (number) } (effect.as_text()) } }
            }
            @let ended = report.final_changes().len();
            @if ended > 0 { li.bad { b { span.sign { "!" } (ended) } "cannot be undone" } }
            @let lost = report.lost_providers.names.len();
            @if lost > 0 { li.bad { b { span.sign { "!" } (lost) } (noun(lost, "provider")) " deleted and not reinstalled" } }
            li { b { (by_hand) } "by hand" }
        }
        @if let Some(note) = &facts.note { p { strong { (breakable(note)) } } }
        table.facts {
            (row("Target, overwritten", &html! { strong { (safe(report.target)) } " " code { (safe(&facts.target_id)) } }))
            (row("Source, only read", &html! { code { (safe(&facts.source_id)) } }))
            (row("Runbook", &html! { (safe(facts.runbook)) }))
            (row("Made", &time(&format!("{:.0}", facts.made))))
            @if !plan.is_empty() {
                (row("Services, usually", &html! { (duration(plan.automatic_time())) }))
                (row("Manual tasks, usually", &html! { (if by_hand == 0 { "none".to_owned() } else { duration(plan.human_time()) }) }))
                @if let Some(expected) = report.expected_total() {
                    (row("Expected", &html! { (duration(expected.takes)) ", as in " (expected.source) }))
                    (row("Window to plan", &html! { strong { (duration(expected.window())) } }))
                }
            }
            (row("To begin", &html! { code { (breakable(&facts.next)) } }))
        }
    }
}

/// A noun in the form that follows this number.
fn noun(number: usize, noun: &str) -> String {
    let text = count(number, noun);
    text.split_once(' ')
        .map_or(text.clone(), |(_, noun)| noun.to_owned())
}

fn tag(text: &str, class: &str) -> Markup {
    html! { " " span class=(format!("tag {class}")) { (text) } }
}

fn steps(report: &PlanReport<'_>) -> Markup {
    let rows = report.plan.steps.iter().enumerate().map(|(at, step)| {
        let changes = &step.changes;
        let by_hand = changes.iter().filter(|change| is_by_hand(change)).count();
        let ended = changes.iter().filter(|change| change.destructive).count();
        let expected = report.expected_time(&step.name).map(|expected| expected.takes);
        let number = |number: usize| (number > 0).then_some(number);
        vec![
            html! {
                span.faint { (at + 1) ". " } code { (safe(&step.name)) }
                @if report.is_forecast(step) && step.skip.is_none() { (tag("forecast", "notable")) }
            },
            match &step.skip {
                Some(reason) => html! { "skipped: " (breakable(reason)) },
                None if changes.is_empty() => html! { "nothing to do" },
                None => html! { (changes.len()) },
            },
            html! { @if let Some(by_hand) = number(by_hand) { (by_hand) } },
            html! { @if let Some(ended) = number(ended) { span.bad { "! " (ended) } } },
            html! { @if let Some(takes) = expected.filter(|takes| !takes.is_zero()) { (duration(takes)) } },
        ]
    });
    let head = ["Step", "Changes", "By hand", "Cannot be undone", "Expected"];
    table(&head, rows)
}

fn final_changes(lost: &LostProviders, ended: &[&PlannedChange]) -> Markup {
    html! {
        @if let Some(line) = &lost.line { p { strong { (breakable(line)) } } }
        p { "A run asks for the target's name before it begins. What it removes or ends is recorded first." }
        ul { @for change in ended { li { (signed(change)) @if is_by_hand(change) { (tag("by hand", "notable")) } } } }
    }
}

fn manual_changes(report: &PlanReport<'_>, by_hand: &[&PlannedChange]) -> Markup {
    let takes = duration(report.plan.human_time());
    html! {
        p { "About " (takes) " in all. The run stops for each phase with a worksheet, and reads the evidence afterwards." }
        ul { @for change in by_hand { li { (signed(change)) @if change.destructive { (tag("! cannot be undone", "bad")) } } } }
    }
}

/// Why a run may make other changes, and what the plan does not know; none if nothing is said.
fn may_differ(report: &PlanReport<'_>) -> Option<Markup> {
    let lists = [&report.left_off, &report.differences, &report.unknowns];
    if lists.iter().all(|list| list.is_empty()) {
        return None;
    }
    Some(html! {
        @if !report.left_off.is_empty() { h3 { "Stays off" } (list(&report.left_off)) }
        @if !report.differences.is_empty() { h3 { "A run may make other changes" } (list(&report.differences)) }
        @if !report.unknowns.is_empty() { h3 { "Not known yet" } (list(&report.unknowns)) }
    })
}

/// A change with its sign.
fn signed(change: &PlannedChange) -> Markup {
    let effect = Effect::of(change);
    html! { span.sign title=(effect.as_text()) { (effect.sign()) } (breakable(&change.name)) }
}

/// A change with its sign and its marks.
fn named(change: &PlannedChange) -> Markup {
    html! {
        (signed(change))
        @if change.destructive { (tag("! cannot be undone", "bad")) }
        @if is_by_hand(change) { (tag("by hand", "notable")) }
    }
}

fn changes(report: &PlanReport<'_>) -> Markup {
    let planned: Vec<&PlannedStep> = report
        .plan
        .steps
        .iter()
        .filter(|step| !step.changes.is_empty())
        .collect();
    html! {
        ul.legend {
            @for effect in Effect::ALL { li { span.sign { (effect.sign()) } (effect.as_text()) } }
            li.bad { span.sign { "!" } "cannot be undone" }
        }
        @for step in planned {
            details open[report.plan.len() <= UNFOLDED] {
                summary {
                    h3 { (safe(&step.name)) " (" (step.changes.len()) ")" }
                    @if report.is_forecast(step) { (tag("forecast", "notable")) }
                }
                (table(&["Change", "Phase", "Before → after", "Expected"], step.changes.iter().map(|change| change_row(report, change))))
            }
        }
    }
}

fn change_row(report: &PlanReport<'_>, change: &PlannedChange) -> Vec<Markup> {
    let expected = Duration::from_secs(change.expected_seconds);
    vec![
        named(change),
        breakable(&change.phase),
        values(&values_of(report, change)),
        html! { (duration(expected)) },
    ]
}

#[cfg(test)]
mod tests {
    use super::super::tests::{facts, plan, report};
    use super::*;
    use crate::report::page::tests::assert_well_formed;

    fn page() -> String {
        let facts = PlanFacts {
            runbook: "uat",
            ..facts()
        };
        plan_page(&report(&plan()), &facts)
    }

    #[test]
    fn a_plan_page_is_well_formed_and_shows_what_is_to_be_approved() {
        let page = page();
        assert_well_formed(&page);
        for part in [
            "<h1>Plan for B</h1>",
            "<b>4</b>changes",
            "<span class=\"sign\">!</span>2</b>cannot be undone",
            "<span class=\"sign\">+</span>1</b>install or create",
            "<time datetime=\"1970-01-01T00:00:00Z\">",
            "delete provider &#39;&lt;P&gt;&#39;",
            "<span class=\"tag bad\">! cannot be undone</span> <span class=\"tag notable\">by hand</span>",
            "</code> <span class=\"tag notable\">forecast</span>",
            "skipped: not used",
            "value: </span>nothing → <ins>sha256:1234</ins>",
            "somebody may change the source",
            "the users of the copy",
            "<code>iomcopy run uat.yaml --plan uat.plan</code>",
            "1 h 30 min",
        ] {
            let shown = page.replace('\'', "&#39;");
            assert!(shown.contains(part), "{part}\n{page}");
        }
        assert!(!page.contains("<P>"));
    }

    #[test]
    fn the_step_that_replaces_the_target_is_no_forecast() {
        let page = page();
        let (before, after) = page.split_once("reinstall-providers").unwrap();
        assert!(!before.contains("forecast</span>"), "{before}");
        assert!(after.contains("forecast</span>"));
    }
}

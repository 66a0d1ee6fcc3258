//! From figures to medians and ratios, and from these to a table in Markdown.

use std::fmt::Write as _;

use crate::rounds::Plan;
use crate::subjects::PLAIN;
use crate::workspace::Profile;

/// Something that is measured.
#[derive(Clone, Copy, PartialEq)]
pub enum Of {
    /// In the tree of the smallest service.
    Crates,
    /// Seconds of a build from nothing.
    Clean(Profile),
    /// Seconds of CPU of the same.
    CleanCpu(Profile),
    /// Seconds of a build of the program alone, with so many methods.
    Leaf(Profile, usize),
    /// Seconds of CPU of the same.
    LeafCpu(Profile, usize),
    /// Bytes of the program.
    Size(usize),
    /// Bytes that the macro adds to the trait.
    ExpansionBytes(usize),
    /// Lines of the same.
    ExpansionLines(usize),
}

/// Everything that was measured.
#[derive(Default)]
pub struct Figures(Vec<Figure>);

struct Figure {
    of: Of,
    subject: &'static str,
    round: usize,
    value: f64,
}

/// A row of the table: what it shows, how it is shown, and how it is made of what was measured in one round.
struct Row {
    title: String,
    show: fn(f64) -> String,
    parts: Vec<(f64, Of)>,
    /// Whether what it has without a framework is no cost of a framework.
    above_plain: bool,
}

impl Figures {
    /// One more.
    pub fn add(&mut self, of: Of, subject: &'static str, round: usize, value: f64) {
        self.0.push(Figure { of, subject, round, value });
    }

    /// The whole report.
    pub fn table(&self, plan: &Plan) -> String {
        let subjects: Vec<&str> = plan.subjects.iter().map(|subject| subject.name).collect();
        let (first, others) = subjects.split_first().map_or(("", &[][..]), |(first, others)| (*first, others));
        let peers: Vec<&str> = others.iter().copied().filter(|name| *name != PLAIN).collect();
        let ratios: String = peers.iter().map(|peer| format!(" {first} : {peer} |")).collect();
        let mut text =
            format!("Median (min – max) of {} rounds\n\n| | {} |{ratios}\n", plan.rounds, subjects.join(" | "));
        text += &format!("|---{}|\n", "|---".repeat(subjects.len() + peers.len()));
        for row in rows(plan) {
            let _ = write!(text, "| {} |", row.title);
            for subject in &subjects {
                let values = (0..plan.rounds).filter_map(|round| self.value(&row, subject, round)).collect();
                let _ = write!(text, " {} |", spread(values, row.show));
            }
            for peer in &peers {
                let ratio = |round| Some(self.value(&row, first, round)? / self.value(&row, peer, round)?);
                let _ = write!(
                    text,
                    " {} |",
                    spread((0..plan.rounds).filter_map(ratio).collect(), |it| format!("{it:.2}"))
                );
            }
            text.push('\n');
        }
        text
    }

    /// What a row shows of a subject in a round.
    fn value(&self, row: &Row, subject: &str, round: usize) -> Option<f64> {
        let sum = |subject: &str| {
            let parts = row.parts.iter().map(|(times, of)| Some(times * self.find(*of, subject, round)?));
            parts.sum::<Option<f64>>()
        };
        match row.above_plain {
            false => sum(subject),
            true if subject == PLAIN => None,
            true => Some(sum(subject)? - sum(PLAIN)?),
        }
    }

    /// What does not change is measured once, in the first round.
    fn find(&self, of: Of, subject: &str, round: usize) -> Option<f64> {
        let same = |figure: &&Figure| figure.of == of && figure.subject == subject;
        let in_round = self.0.iter().filter(same).find(|figure| figure.round == round);
        in_round.or_else(|| self.0.iter().find(same)).map(|figure| figure.value)
    }
}

fn rows(plan: &Plan) -> Vec<Row> {
    let row = |title: String, show, of| Row { title, show, parts: vec![(1.0, of)], above_plain: false };
    let mut rows = vec![row("crates in the tree".to_owned(), whole, Of::Crates)];
    for profile in Profile::ALL.into_iter().filter(|_| !plan.leaf_only) {
        let name = profile.name();
        rows.push(row(format!("{name} build from nothing, s"), seconds, Of::Clean(profile)));
        rows.push(row("the same, CPU s".to_owned(), seconds, Of::CleanCpu(profile)));
    }
    let difference = |most: Of, least: Of, each: f64| vec![(1.0 / each, most), (-1.0 / each, least)];
    let ends = plan.methods.first().zip(plan.methods.last()).filter(|(least, most)| least < most);
    for profile in Profile::ALL {
        let name = profile.name();
        for methods in &plan.methods {
            rows.push(row(format!("{name} build of {methods} methods, s"), seconds, Of::Leaf(profile, *methods)));
            rows.push(row("the same, CPU s".to_owned(), seconds, Of::LeafCpu(profile, *methods)));
        }
        if let Some((least, most)) = ends {
            let (title, added) = (format!("{name}: {most} methods add to {least}"), [Of::Leaf, Of::LeafCpu]);
            for (of, unit) in added.into_iter().zip(["s", "CPU s"]) {
                let parts = difference(of(profile, *most), of(profile, *least), 1.0);
                for (above_plain, more) in [(false, ""), (true, " more than to plain")] {
                    rows.push(Row {
                        title: format!("{title}{more}, {unit}"),
                        show: seconds,
                        parts: parts.clone(),
                        above_plain,
                    });
                }
            }
        }
    }
    for methods in &plan.methods {
        rows.push(row(format!("program of {methods} methods, kB"), kilobytes, Of::Size(*methods)));
    }
    if let Some((least, most)) = ends {
        let each = (most - least) as f64;
        let parts = difference(Of::Size(*most), Of::Size(*least), each);
        for (above_plain, more) in [(false, ""), (true, " more than plain")] {
            rows.push(Row {
                title: format!("program, bytes a method{more}"),
                show: whole,
                parts: parts.clone(),
                above_plain,
            });
        }
    }
    for methods in &plan.methods {
        rows.push(row(format!("expansion of {methods} methods, bytes"), whole, Of::ExpansionBytes(*methods)));
        rows.push(row("the same, lines".to_owned(), whole, Of::ExpansionLines(*methods)));
    }
    rows.retain(|row| !row.above_plain || plan.subjects.iter().any(|subject| subject.name == PLAIN));
    rows
}

/// The median, and the smallest and the largest unless all are the same.
fn spread(mut values: Vec<f64>, show: impl Fn(f64) -> String) -> String {
    values.sort_unstable_by(f64::total_cmp);
    let (Some(min), Some(max)) = (values.first(), values.last()) else { return "–".to_owned() };
    let middle = values.len() / 2;
    let median = if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) };
    if show(*min) == show(*max) {
        show(median)
    } else {
        format!("{} ({} – {})", show(median), show(*min), show(*max))
    }
}

fn whole(value: f64) -> String {
    format!("{value:.0}")
}

fn seconds(value: f64) -> String {
    format!("{value:.2}")
}

fn kilobytes(value: f64) -> String {
    format!("{:.0}", value / 1000.0)
}

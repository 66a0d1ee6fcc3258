//! What is measured, in which order: subjects take turns within each build, and builds within each round.

use std::path::{Path, PathBuf};

use bench::subject::Failure;

use crate::report::{Figures, Of};
use crate::subjects::Subject;
use crate::workspace::{Profile, Workspace};

/// How much of it.
pub struct Plan {
    /// How often everything is built.
    pub rounds: usize,
    /// In the order in which they take turns.
    pub subjects: Vec<&'static Subject>,
    /// The services, by their number of methods.
    pub methods: Vec<usize>,
    /// Whether to leave out the builds from nothing.
    pub leaf_only: bool,
    /// The checkout that is measured.
    pub project: PathBuf,
}

impl Plan {
    /// All of it, with the report at the end.
    pub fn execute(&self, folder: &Path) -> Result<(), Failure> {
        let first = *self.methods.first().ok_or("there is no service to build")?;
        let mut figures = Figures::default();
        let mut workspaces = Vec::new();
        for subject in &self.subjects {
            eprintln!("{}: crates", subject.name);
            let workspace = Workspace::create(folder, &self.project, subject, &self.methods)?;
            figures.add(Of::Crates, subject.name, 0, workspace.crates(first)? as f64);
            if self.leaf_only {
                for profile in Profile::ALL {
                    workspace.build(first, profile)?;
                }
            }
            workspaces.push((subject.name, workspace));
        }
        for round in 0..self.rounds {
            for profile in Profile::ALL {
                self.measure(round, profile, first, &workspaces, &mut figures)?;
            }
        }
        for (subject, workspace) in &workspaces {
            for methods in &self.methods {
                eprintln!("{subject}: size and expansion with {methods} methods");
                figures.add(Of::Size(*methods), subject, 0, workspace.program_size(*methods)? as f64);
                let expansion = workspace.expansion(*methods)?;
                figures.add(Of::ExpansionBytes(*methods), subject, 0, expansion.bytes as f64);
                figures.add(Of::ExpansionLines(*methods), subject, 0, expansion.lines as f64);
            }
        }
        print!("{}", figures.table(self));
        Ok(())
    }

    fn measure(
        &self,
        round: usize,
        profile: Profile,
        first: usize,
        workspaces: &[(&'static str, Workspace)],
        figures: &mut Figures,
    ) -> Result<(), Failure> {
        let (number, of, name) = (round + 1, self.rounds, profile.name());
        for (subject, workspace) in workspaces.iter().filter(|_| !self.leaf_only) {
            eprintln!("round {number} of {of}: {name} build from nothing, {subject}");
            let cost = workspace.build_all(first, profile)?;
            figures.add(Of::Clean(profile), subject, round, cost.wall);
            figures.add(Of::CleanCpu(profile), subject, round, cost.cpu);
        }
        for methods in &self.methods {
            for (subject, workspace) in workspaces {
                eprintln!("round {number} of {of}: {name} build of {methods} methods, {subject}");
                let cost = workspace.build_leaf(*methods, profile)?;
                figures.add(Of::Leaf(profile, *methods), subject, round, cost.wall);
                figures.add(Of::LeafCpu(profile, *methods), subject, round, cost.cpu);
            }
        }
        Ok(())
    }
}

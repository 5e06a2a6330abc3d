//! Runs the tool on a toy kernel tree.

mod am;
mod check_sync;
mod export;
mod fold;
mod toy;
mod with_lab;

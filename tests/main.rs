//! Springline end to end, as its users meet it: the program, its folders, its answers.

mod api;
mod faults;
mod oracle;

//! Connectors against real HTTP servers that the tests start: good ones and hostile ones.

mod conditional;
mod hostile;
mod pages;
mod reach;
mod server;

mod gates;
mod laws;
mod names;

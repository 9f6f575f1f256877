//! Whole-binary tests live beside this file; there is nothing to link.

//! Checked borrowed views of row-major matrices.

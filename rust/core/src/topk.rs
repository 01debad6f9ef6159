//! Bounded top-k under one total order.

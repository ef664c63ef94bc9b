"""What thread programs are put together from: sums by shuffles, scan, search, sort."""

"""What several folders of tests share: real servers, clocks and builders of test data."""

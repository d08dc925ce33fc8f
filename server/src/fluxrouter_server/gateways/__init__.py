"""What other gateways ask by protocols of their own, so that they gain hard caps of money."""

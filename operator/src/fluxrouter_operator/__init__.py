"""The FluxRouter operator: turns Plan, Account and Catalog resources into enforced limits."""

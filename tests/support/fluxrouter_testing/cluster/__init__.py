"""A real cluster with running pods: the one that `KUBECONFIG` names, our chart, and its callers."""
